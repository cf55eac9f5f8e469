"""What a report tells in several places, or that follows from its cube without being a figure: counted, it is compared.

People measured, names of columns and values, the model, the case. What is told once and follows from nothing that is
embedded stands on the auditor's word; `on_the_word` lists it, for the line of a new run that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from audit.derived import FROM_ROWS
from audit.documents import Documents, FormError, record_in
from audit.documents.evidence import About, DataNamed, Evidence
from audit.documents.explanations import ExplainedData, ExplainedModel
from audit.documents.mitigation import ARMS, AimAsked, AimedGap, Arms, Flip, Mitigation
from audit.documents.table import DOCUMENTS
from audit.errors import AssayError
from audit.findings import NormResult
from audit.metrics import ACCURACY, FALSE_POSITIVE_RATE, ROC_AUC, SELECTION_RATE, TRUE_POSITIVE_RATE, metrics_for
from reports.manifest import Manifest
from reports.verify.figures import alike, load, recompute
from reports.verify.known import Known
from reports.verify.result import Broken, arm_named, shown

_DATA = ("sha256", "label", "positive", "favourable", "sensitive", "features", "weight")
_SETTINGS = ("order", "reference")
"""What gaps are taken between; draws and the seed are each command's own."""
_MODEL = ("kind", "sha256", "format", "estimator", "column", "threshold")


def check_told(files: Mapping[str, bytes], manifest: Manifest, known: Known | None = None) -> str:
    """Totals and names against the cube and each other. Raises Broken naming the first that differs."""
    try:
        count = 0
        for where, got, expected in _pairs(files, manifest, known or Known()):
            count += 1
            if not _same(got, expected):
                raise Broken(f"{where} is told otherwise than it is", got=shown(got), expected=shown(expected))
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


def _pairs(files: Mapping[str, bytes], manifest: Manifest, known: Known) -> Iterator[tuple[str, Any, Any]]:
    """(what, as told, as it has to be)."""
    from audit.cube_json import margins_from_json

    for name in ("evidence.json", "cube.json"):
        load(files, name)
    documents = Documents.of(files)
    evidence, cube = documents.evidence, documents.cube_head
    data, case, model = evidence.data, evidence.case, evidence.model
    margins = margins_from_json(documents.plain("cube.json"))
    whole = next(m for m in margins if m.attribute == ())
    people = int(whole.rows.sum())
    yield "the title", manifest.title, f"Fairness audit: {case.name}"
    yield "the case's name in the manifest", manifest.case, case.name
    yield "the author", manifest.author, manifest.auditor.name
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
    if documents.mitigation is not None:
        yield from _mitigation(documents.mitigation, evidence, _figures_of(files, documents.mitigation, known))
    explained = documents.explanations
    if explained is not None and explained.explained:
        most = data.rows if data.rows_at_most else people
        about, of = explained.data or ExplainedData(), explained.model or ExplainedModel()
        yield "the people of the explanations", about.audited_rows, most
        yield "the data of the explanations", about.sha256, data.sha256
        for key in ("sha256", "estimator", "format"):
            yield f"the {key} of the model explained", getattr(of, key), getattr(model, key)
    if documents.search is not None:
        yield "the data of the search", record_in(DataNamed, documents.search.data, "search.json").sha256, data.sha256
    for name, words in (("stress.json", "what could go wrong"), ("whatif.json", "the variants")):
        if name in files:
            found = record_in(About, load(files, name), name)
            yield f"the data of {words}", found.data.sha256, data.sha256
            yield f"the case of {words}", found.case, case


def _figures_of(files: Mapping[str, bytes], made: Mitigation, known: Known) -> dict[str, tuple[Any, Any]]:
    """Rates and gaps of each arm: those that are told, or all that follow from its cube where some are left to it."""
    told = {name: (arm.rates, arm.gaps) for name, arm in made.arms.present().items()}
    if made.left_to_cube is None:
        return told
    used = load(files, "mitigation.json").get("settings", load(files, "evidence.json").get("settings", {}))
    measured = {name: known.of(recompute, made.cubes[name], used)[3] for name in told}
    return {name: (m.rates, m.gaps) for name, m in measured.items()}


def _mitigation(
    made: Mitigation, evidence: Evidence, figures: Mapping[str, tuple[Any, Any]]
) -> Iterator[tuple[str, Any, Any]]:
    data = evidence.data
    yield "the case of the mitigation", made.case, evidence.case
    for key in _DATA:
        if (told := getattr(made.data, key)) is not msgspec.UNSET:
            yield f"the {key} of the mitigation's data", told, getattr(data, key)
    yield "the rows of the mitigation", made.data.rows, data.rows
    for key in _MODEL:
        yield f"the {key} of the model mitigated", getattr(made.base, key), getattr(evidence.model, key)
    for name, cube in made.cubes.items():
        if cube is not None and not data.rows_at_most:
            from audit.cube_json import margins_from_json

            whole = next(m for m in margins_from_json(cube) if m.attribute == ())
            yield f"the people of the arm {arm_named(name)}", made.splits.test, int(whole.rows.sum())
    for key in _SETTINGS:
        if made.settings is not None:
            yield (
                f"the {key} of the mitigation's settings",
                getattr(made.settings, key),
                getattr(evidence.settings, key),
            )
    for name, arm in made.arms.present().items():
        lost = {_asked(n) for n in evidence.norms} - {_asked(n) for n in arm.norms}
        yield f"how many of the audit's norms the arm {arm_named(name)} leaves out", len(lost), 0
    yield from _overall(made.arms)
    yield from _changes(made, figures)
    yield from _aim(made)
    yield from _flips(made.flips, made.cubes.get("candidate"))


def _asked(norm: NormResult) -> tuple[object, ...]:
    """What a norm asks for; the columns of an intersection stand in any order."""
    return norm.metric, norm.kind, frozenset(norm.attribute), norm.limit


def _overall(arms: Arms) -> Iterator[tuple[str, Any, Any]]:
    for name, arm in arms.present().items():
        everyone = {r.metric: r.value for r in arm.rates if not r.attribute}
        for metric in (ACCURACY, SELECTION_RATE, TRUE_POSITIVE_RATE, FALSE_POSITIVE_RATE, ROC_AUC):
            yield f"the {metric} of the arm {arm_named(name)}", getattr(arm, metric), everyone.get(metric)


def _changes(made: Mitigation, figures: Mapping[str, tuple[Any, Any]]) -> Iterator[tuple[str, Any, Any]]:
    """Before, matched and after of each change are figures of the arms; its sign and its clearness follow."""
    from debias.paired import _worse

    known: dict[str, dict[Any, Any]] = {name: {} for name in ARMS}
    for name, (rates, gaps) in figures.items():
        known[name] = {(r.metric, r.attribute, r.group, "rate"): r.value for r in rates}
        known[name] |= {(g.metric, g.attribute, None, g.kind): g.value for g in gaps}
    told = {(c.metric, c.attribute, c.group, c.kind) for c in made.changes}
    yield "how many changes of single columns are left out", len(_due(made.cubes.get("candidate"), known) - told), 0
    for number, c in enumerate(made.changes, 1):
        key = (c.metric, c.attribute, c.group, c.kind)
        for field, place in (("before", "original"), ("matched", "matched"), ("after", "candidate")):
            yield f"change {number}, {field}", getattr(c, field), known[place].get(key)
        yield f"change {number}, delta", c.delta, c.after - c.before
        yield f"change {number}, worse", c.worse, _worse(c.metric, c.kind, c.delta)
        known_ends = c.low is not None and c.high is not None
        low, high = (c.low or 0.0, c.high or 0.0) if known_ends else (c.delta, c.delta)
        yield f"change {number}, clear", c.clear, bool(known_ends and (low > 0 or high < 0))
        yield f"change {number}, its interval", known_ends and bool(low <= c.delta <= high), True


def _due(cube: Any, known: Mapping[str, Mapping[Any, Any]]) -> set[tuple[Any, ...]]:
    """Rates and differences of everyone and of single columns that both models have a value of. None is asked for where
    a group is withheld: its people are in no change, and another group may have nobody left."""
    from audit.cube_json import margins_from_json
    from debias.paired import distinct

    margins = [] if cube is None else margins_from_json(cube)
    if any(bool(m.withheld.any()) for m in margins if len(m.attribute) == 1):
        return set()
    before, after = (known[name] for name in ("original", "candidate"))
    metrics = {m.name for margin in margins for m in distinct(metrics_for(margin.meaning))}
    return {
        key
        for key, value in after.items()
        if key[0] in metrics and len(key[1]) < 2 and key[3] != "ratio" and value is not None
        if before.get(key) is not None
    }


def _aim(made: Mitigation) -> Iterator[tuple[str, Any, Any]]:
    """The gap that was aimed at: those of the candidate, the widest of single columns, against the tolerance."""
    aim, asked = made.constraint, record_in(AimAsked, made.parameters, "mitigation.json")
    attributes = set(asked.attributes)
    gaps = [
        g
        for g in made.arms.candidate.gaps
        if g.metric == aim.metric and g.kind == "difference" and set(g.attribute) <= attributes
    ]
    by = tuple(AimedGap(g.attribute, g.value, g.low, g.high) for g in gaps)
    yield "the gaps aimed at", aim.by, by
    yield "the tolerance", aim.tolerance, asked.tolerance
    yield "what is set apart", {a for g in aim.apart for a in g.attribute} <= attributes, True
    if aim.start is None:  # of a loss the limits follow from rates; a new run makes them again
        between = {g.attribute: g for g in aim.held}
        alone = [between.get(g.attribute, g) for g in gaps if len(g.attribute) == 1]
        yield "the gap reached", aim.reached, max((g.value for g in alone if g.value is not None), default=None)
    reached = aim.reached
    yield "whether the aim was met", aim.met, None if reached is None else bool(reached <= aim.tolerance)


def _flips(flips: Sequence[Flip], cube: Any) -> Iterator[tuple[str, Any, Any]]:
    """Whose decisions changed: of how many people in the cube, and the test that follows from the two counts."""
    import numpy as np
    from scipy.special import bdtr

    from audit.cube_json import margins_from_json
    from audit.stats import holm

    people = {(m.attribute, g): int(n) for m in margins_from_json(dict(cube))
              for g, n in zip(m.groups, m.rows, strict=True)}  # fmt: skip
    tests = []
    for number, f in enumerate(flips, 1):
        gains, losses = f.to_favourable, f.to_unfavourable
        yield f"flips {number}, people", f.rows, people.get((f.attribute, f.group))
        yield f"flips {number}, counts", min(gains, losses) >= 0 and gains + losses <= f.rows, True
        tests.append(min(1.0, 2 * float(bdtr(min(gains, losses), gains + losses, 0.5))) if gains + losses else 1.0)
        yield f"flips {number}, p_value", f.p_value, tests[-1]
    for number, (f, p) in enumerate(zip(flips, holm(np.array(tests)) if tests else (), strict=True), 1):
        yield f"flips {number}, p_adjusted", f.p_adjusted, float(p)


def on_the_word(files: Mapping[str, bytes]) -> str:
    """What rests on the auditor's word where nothing is made again, in words."""
    evidence = load(files, "evidence.json")
    counted = [k for k in FROM_ROWS if k in evidence]
    words = ["the rows and columns of the data", "what the model is and the versions it ran with", "the purpose",
             "the limits of the norms and the settings"]  # fmt: skip
    words += [f"what was counted on rows ({', '.join(counted)})"] if counted else []
    words += [d.word for d in DOCUMENTS.values() if d.word and d.name in files]
    return ", ".join(words)
