"""What a report tells in several places, or that follows from its cube without being a figure: counted, it is compared.

People measured, names of columns and values, the model, the case. What is told once and follows from nothing that is
embedded stands on the auditor's word; `on_the_word` lists it, for the line of a new run that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audit.derived import FROM_ROWS
from audit.documents import Documents, FormError, record_in
from audit.documents.base import Names, Record
from audit.documents.evidence import DataNamed, Evidence
from audit.documents.explanations import ExplainedData, ExplainedModel, Explanations
from audit.documents.search import Search
from audit.documents.stress import About
from audit.documents.table import DOCUMENTS
from audit.errors import AssayError
from audit.stress.figures import Aim
from reports.manifest import NAME, Manifest
from reports.verify.arms import Pairs, arms_of, mitigation_pairs
from reports.verify.figures import alike, load
from reports.verify.groups import (
    named_in,
    named_in_cube,
    named_in_explanations,
    named_in_mitigation,
    of_the_same,
    people_pairs,
)
from reports.verify.hidden import given_away
from reports.verify.known import Known
from reports.verify.result import Broken, digest


def check_told(files: Mapping[str, bytes], manifest: Manifest | None, known: Known | None = None) -> str:
    """Totals and names against the cube and each other; manifest: None where there is no report yet. Raises Broken
    naming the first that differs, and the document that tells it."""
    try:
        count = 0
        for document, pairs in _pairs(files, manifest, known or Known()):
            for where, got, expected in pairs:
                count += 1
                if not _same(got, expected):
                    raise Broken(
                        f"{where} is told otherwise than it is", got=digest(got), expected=digest(expected),
                        document=document,
                    )  # fmt: skip
    except FormError as error:
        raise Broken("a total or a name of the embedded files is missing", got=type(error).__name__) from error
    except AssayError as error:
        raise Broken("the embedded cube cannot be read", got=type(error).__name__) from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise Broken("a total or a name of the embedded files is missing", got=type(error).__name__) from error
    return f"{count} totals and names follow from the cube, or are the same wherever they are told"


def _same(got: Any, expected: Any) -> bool:
    if isinstance(got, float) or isinstance(expected, float):
        return alike(got, expected, 1e-9)
    return bool(got == expected) and isinstance(got, bool) == isinstance(expected, bool)


def _pairs(files: Mapping[str, bytes], manifest: Manifest | None, known: Known) -> Iterator[tuple[str, Pairs]]:
    """What each document tells, by its name."""
    for name in ("evidence.json", "cube.json"):
        load(files, name)
    documents = Documents.of(files)
    evidence, shown = documents.evidence, named_in_cube(documents.plain("cube.json"))
    if manifest is not None:
        yield NAME, _manifest(manifest, evidence)
    yield "evidence.json", _evidence(documents, evidence)
    if documents.mitigation is not None:
        arms = arms_of(files, documents.mitigation, known)
        yield "mitigation.json", of_the_same(named_in_mitigation(documents.mitigation), shown, "the mitigation")
        yield "mitigation.json", mitigation_pairs(documents.mitigation, evidence, arms)
        yield "mitigation.json", people_pairs(documents.mitigation, documents.plain("cube.json"), evidence)
    if documents.explanations is not None and documents.explanations.explained:
        # Here, since it loads what explains: a report without explanations never needs it.
        from reports.verify.explained import explained_pairs

        yield "explain.json", _explained(documents.explanations, evidence)
        named = named_in_explanations(documents.explanations)
        yield "explain.json", of_the_same(named, shown, "the explanations")
        yield "explain.json", explained_pairs(documents.explanations, evidence, documents.plain("explain.json"))
    if documents.search is not None:
        yield "search.json", _searched(documents.search, evidence)
    for name, words in (("stress.json", "what could go wrong"), ("whatif.json", "the variants")):
        if name in files:
            document = load(files, name)
            yield name, _about(record_in(About, document, name), words, evidence)
            yield name, of_the_same(named_in(document), shown, words)
            yield name, _norms(document, words, evidence)


def _manifest(manifest: Manifest, evidence: Evidence) -> Pairs:
    yield "the title", manifest.title, f"Fairness audit: {evidence.case.name}"
    yield "the case's name in the manifest", manifest.case, evidence.case.name
    yield "the author", manifest.author, manifest.auditor.name


def _evidence(documents: Documents, evidence: Evidence) -> Pairs:
    from audit.cube_json import margins_from_json

    cube, data = documents.cube_head, evidence.data
    margins = margins_from_json(documents.plain("cube.json"))
    whole = next(m for m in margins if m.attribute == ())
    people = int(whole.rows.sum())
    yield "the number of people measured", data.audited_rows, people
    yield "that the rows are at least the people measured", bool(data.rows >= people), True
    yield "whether there is a label", data.label is not None, cube.labelled
    yield "whether rows are weighted", data.weight is not None, cube.weighted
    for key in ("positive", "favourable"):
        yield (
            f"the {key} value",
            getattr(data, key) or "",
            getattr(cube, key) or "",
        )  # a regression has none, and says so in two ways
    singles = [m.attribute[0] for m in margins if len(m.attribute) == 1]
    yield "the sensitive columns", sorted(data.sensitive), sorted(singles)
    yield "the seed", evidence.seed, evidence.settings.seed
    yield "the floor of small groups", evidence.cube.floor, cube.floor
    yield (
        "how many small groups are shown, or follow from what is shown",
        given_away(margins, evidence.settings.floor),
        0,
    )


def _explained(explained: Explanations, evidence: Evidence) -> Pairs:
    about, of, data = explained.data or ExplainedData(), explained.model or ExplainedModel(), evidence.data
    most = data.rows if data.rows_at_most else data.audited_rows
    yield "the people of the explanations", about.audited_rows, most
    yield "the data of the explanations", about.sha256, data.sha256
    for key in ("sha256", "estimator", "format"):
        yield f"the {key} of the model explained", getattr(of, key), getattr(evidence.model, key)


def _searched(search: Search, evidence: Evidence) -> Pairs:
    yield "the data of the search", record_in(DataNamed, search.data, "search.json").sha256, evidence.data.sha256


def _about(about: About, words: str, evidence: Evidence) -> Pairs:
    yield f"the data of {words}", about.data.sha256, evidence.data.sha256
    if about.data.audited_rows is not None and not evidence.data.rows_at_most:
        yield f"the people of {words}", about.data.audited_rows, evidence.data.audited_rows
    if about.data.measured_rows is not None and not evidence.data.rows_at_most:
        most = evidence.data.audited_rows  # fewer where it is a part of the rows that are audited
        yield f"the people of {words}", about.data.measured_rows, min(about.data.measured_rows, most)
    yield f"the case of {words}", about.case, evidence.case
    for key in ("kind", "sha256", "format", "column") if about.model is not None else ():
        yield f"the {key} of the model of {words}", getattr(about.model, key), getattr(evidence.model, key)


class _Aimed(Record, frozen=True):
    """A figure that a norm is about; figure: how it is taken, where `kind` is something else."""

    metric: str
    attribute: Names
    kind: str
    limit: float | None = None
    figure: str | None = None
    words: str | None = None


def _norms(document: Any, words: str, evidence: Evidence) -> Pairs:
    """Norms are the audit's, and figures are called by their names."""
    norms = {(n.metric, n.kind, frozenset(n.attribute), n.limit) for n in evidence.norms}  # in any order
    aims = [*document.get("aims", ())]
    for part in (document.get("serving", {}), document.get("training", {})):
        aims += part.get("entries", ())
    strange = 0
    for aim in (record_in(_Aimed, a, "aims") for a in aims):
        kind = aim.figure or aim.kind
        strange += aim.limit is not None and (aim.metric, kind, frozenset(aim.attribute), aim.limit) not in norms
        if aim.words:
            yield f"the name of a figure of {words}", aim.words, Aim(aim.metric, aim.attribute, kind).words()
    yield f"how many norms of {words} are none of the audit's", strange, 0


def on_the_word(files: Mapping[str, bytes]) -> str:
    """What rests on the auditor's word where nothing is made again, in words."""
    evidence = load(files, "evidence.json")
    counted = [k for k in FROM_ROWS if k in evidence]
    words = ["the rows and columns of the data", "what the model is and the versions it ran with", "the purpose",
             "the limits of the norms and the settings"]  # fmt: skip
    words += [f"what was counted on rows ({', '.join(counted)})"] if counted else []
    words += [d.word for d in DOCUMENTS.values() if d.word and d.name in files]
    return ", ".join(words)
