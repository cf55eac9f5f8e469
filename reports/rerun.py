"""`assay verify --rerun`: everything of a report made again from model and data, with the settings that it states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from audit import progress
from audit.answers import never
from audit.case import Case, offline
from audit.documents import Documents, record_in
from audit.documents.base import SettingsRecord
from audit.documents.evidence import SettingsPlain
from audit.documents.explanations import Explanations
from audit.documents.mitigation import AimAsked, Mitigation
from audit.documents.search import Search
from audit.documents.stress import Stress, Whatif
from audit.errors import CaseError, DataError
from audit.evidence import sha256
from audit.gaps import Settings
from audit.passing import passing
from audit.publish import publish_files
from audit.run import run_audit
from reports.extra import read_extra
from reports.manifest import NAME, Manifest


def run_again(case: Case, files: Mapping[str, bytes], allow: Sequence[str] = ()) -> dict[str, bytes]:
    """The run folder's files of `case`, made as the embedded `files` say they were made, and published alike. Nothing
    that was kept is used: the model is asked for everything.

    allow: types in the model file that the verifier has reviewed. Raises what an audit, an explanation, a search and a
    mitigation raise.
    """
    case = _from_kept(case)
    documents = Documents.of(files)
    people = NAME in files and read_extra(Manifest.from_bytes(files[NAME]).extra).people
    with never(), passing() as out:
        settings = record_in(SettingsPlain, documents.plain("evidence.json"), "evidence.json").settings
        run_audit(case, out, Settings.from_json(settings), allow=allow)
        if documents.explanations is not None:
            _explain(case, out, documents.explanations, allow)
        search = None if documents.search is None else _search(case, out, documents.search, allow)
        stated = documents.mitigation
        if stated and not (search and _picked(case, out, stated, search, sha256(files["search.json"]), allow)):
            _mitigate(case, out, stated, allow)
        if documents.stress is not None:
            _stress(case, out, documents.stress, allow)
        if documents.whatif is not None:
            _whatif(case, out, documents.whatif, allow)
        contents = {name: (out / name).read_bytes() for name in files if (out / name).is_file()}
    return publish_files(contents, people=people)


def _from_kept(case: Case) -> Case:
    """The case with its endpoint answered from what is kept. Raises CaseError where it does not say where that is.

    Asked again, an endpoint is another measurement: other waiting times, and perhaps another model.
    """
    spec = case.model.endpoint
    if spec is not None and (spec.answers is None or not spec.answers.is_file()):
        raise CaseError(
            "an audit of an endpoint is made again from the answers that were kept, and the case does not name them",
            got="no `answers`" if spec.answers is None else f"nothing at {spec.answers}",
            expected="the file answers.jsonl of the audit's run folder",
            todo='add `answers = "DIR/answers.jsonl"` to `endpoint`',
        )
    return offline(case)


def _explain(case: Case, out: Path, stated: Explanations, allow: Sequence[str]) -> None:
    from audit.explain import run_explain

    progress.stage("Explaining again")
    run_explain(
        case,
        out,
        people=[p.row for p in stated.people],
        seed=stated.seed or 0,
        rows=stated.settings.rows,
        output=stated.output or "probability",
        allow=tuple(allow),
    )


def _picked(
    case: Case,
    out: Path,
    stated: Mitigation,
    search: Search,
    digest: str,
    allow: Sequence[str],
) -> bool:
    """Make the candidate that was picked from the embedded search (its sha256 is digest); whether there is one.

    Method, parameters, seed, attributes and constraint are those of the search made again (`search`), not those that
    mitigation.json states: another candidate under the number of the one that was picked comes out otherwise.
    """
    from debias.pick import ChoiceReason, choice_of, make_again

    choice = stated.choice
    if choice is None or choice.search.sha256 != digest:
        return False
    entry = next((t for t in search.trials if t.trial == choice.trial and t.failed is None), None)
    if entry is None:
        return False
    progress.stage("Making the picked candidate again")
    make_again(
        case,
        out,
        search,
        entry,
        choice_of(search, digest, entry, ChoiceReason(choice.reason, choice.by, choice.time)),
        tolerance=record_in(AimAsked, stated.parameters, "mitigation.json").tolerance,
        draws=_settings(stated.settings).draws,
        allow=allow,
        onnx=bool(stated.onnx),
    )
    return True


def _settings(stated: SettingsRecord | None) -> SettingsRecord:
    if stated is None:
        raise DataError("the report does not say how it was measured", expected="settings: seed, draws, floor")
    return stated


def _mitigate(case: Case, out: Path, stated: Mitigation, allow: Sequence[str]) -> None:
    from debias.mitigate import run_mitigate
    from debias.picked import Picked

    progress.stage("Mitigating again")
    asked = record_in(AimAsked, stated.parameters, "mitigation.json")
    settings = _settings(stated.settings)
    picked = None
    if stated.search is not None and stated.choice is not None:
        # Of a search that the report does not hold: what it was made of is known from the record only.
        choice: dict[str, Any] = msgspec.to_builtins(stated.choice)
        # Whether the file is that of the search is found again, not taken from the record.
        model = stated.model.sha256 if choice.pop("same_model") else None
        picked = Picked(int(stated.search.trial or 0), stated.search.hyper, model, choice)
    run_mitigate(
        case,
        stated.method,
        out,
        seed=stated.seed,
        constraint=asked.constraint,
        tolerance=asked.tolerance,
        attributes=list(asked.attributes),
        floor=settings.floor,
        draws=settings.draws,
        allow=allow,
        onnx=bool(stated.onnx),
        picked=picked,
    )


def _search(case: Case, out: Path, stated: Search, allow: Sequence[str]) -> Search:
    from debias.pareto import run_search

    progress.stage("Searching again")
    asked, settings = stated.asked, _settings(stated.settings)
    search = run_search(
        case,
        out,
        trials=len(stated.trials),
        seed=asked.seed,
        methods=list(asked.methods),
        constraint=asked.constraint,
        attributes=list(asked.attributes),
        floor=settings.floor,
        draws=settings.draws,
        allow=allow,
        at_random=asked.at_random,
        acceptable_loss=asked.acceptable_loss,
        need=asked.need,
    )
    return record_in(Search, search, "search.json")


def _stress(case: Case, out: Path, stated: Stress, allow: Sequence[str]) -> None:
    from debias.stress.run import run_stress

    progress.stage("Stressing again")
    asked = stated.asked
    run_stress(case, out, seed=asked.seed, train=asked.train, fits=asked.fits, budget=asked.budget, allow=allow)


def _whatif(case: Case, out: Path, stated: Whatif, allow: Sequence[str]) -> None:
    from debias.whatif.run import run_whatif

    progress.stage("Fitting the variants again")
    asked = stated.asked
    if asked is None:
        raise DataError("the report does not say how the variants were fitted", expected="asked: learner, kinds, seed")
    run_whatif(case, out, learner=asked.learner, kinds=list(asked.kinds), seed=asked.seed, allow=allow)
