"""Every figure computed again from the embedded cube and compared with the embedded evidence.

Counts and names have to be equal, other numbers equal to 1e-9 (relative above 1). The first that differs is named by
metric, attribute, group and field.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from audit.derived import ONLY_WITH
from audit.documents import Documents, FormError, record_in
from audit.documents.evidence import LeftToCube
from audit.errors import AssayError
from audit.evidence import LISTS, measures_to_json
from audit.metrics import METRICS
from audit.numbers import are, many
from audit.wide import KEY, left_to_cube, thinned, told_of
from reports.verify.forms import (
    Aimed,
    Candidate,
    NormAsked,
    Picked,
    PickedMitigation,
    SearchAsked,
    Searched,
    Stages,
    TrialOf,
)
from reports.verify.known import Known, Recomputed
from reports.verify.result import Broken, arm_named, one_safe_line, shown

TOLERANCE = 1e-9
FIXED = ("alpha", "floor")
"""Settings that nobody can choose: what pages say of intervals and small groups holds for these values alone."""


def recompute(cube: Any, settings: Mapping[str, Any]) -> Recomputed:
    """What follows from a cube and settings. Raises Broken."""
    from audit.cube_json import margins_from_json
    from audit.evidence import measures_to_json
    from audit.gaps import Settings
    from audit.measure import measure

    margins, how = margins_from_json(cube), Settings.from_json(settings)
    for name in FIXED:
        # Pages say "95 % interval", and figures measured at another level would follow from the cube just as well.
        if (got := getattr(how, name)) != (right := getattr(Settings(), name)):
            raise Broken(f"the figures were measured at another {name} than pages name", got=shown(got), expected=right)
    measures = measure(margins, how)
    return measures_to_json(measures), margins, how, measures


@contextmanager
def _measuring() -> Iterator[None]:
    """What reading and measuring raise on counts that cannot be, as Broken."""
    try:
        yield
    except AssayError as error:
        raise Broken("the cube cannot be measured", got=type(error).__name__) from error
    except (TypeError, ValueError, KeyError, IndexError, ArithmeticError, AttributeError) as error:
        raise Broken("the cube cannot be measured", got=type(error).__name__) from error


@_measuring()
def check_figures(files: Mapping[str, bytes], known: Known | None = None) -> str:
    """evidence.json against cube.json. Raises Broken naming the first figure that differs."""
    from audit.derived import derived
    from audit.found import finding_sentences

    evidence, cube_bytes = load(files, "evidence.json"), files.get("cube.json")
    if cube_bytes is None:
        raise Broken("the report holds no cube", expected="cube.json")
    digest = hashlib.sha256(cube_bytes).hexdigest()
    if evidence.get("cube", {}).get("sha256") != digest:
        raise Broken(
            "the evidence was measured on another cube", got=digest, expected="the sha256 that the evidence states"
        )
    _, margins, how, measures = (known or Known()).of(recompute, load(files, "cube.json"), evidence.get("settings", {}))
    norms = evidence.get("norms", [])
    _asked_for(norms)
    left = left_to_cube(margins, measures.gaps, norms) if KEY in evidence else None
    if KEY in evidence:
        _alike("what is left to the cube", evidence.get(KEY), None if left is None else msgspec.to_builtins(left))
    again = measures_to_json(told_of(measures, left))
    entries = derived(margins, how, evidence.get("population"), norms, left)
    findings = finding_sentences(evidence.get("model") or {}, measures, entries)
    more = thinned(entries, left)
    compared = sum(compare(name, evidence.get(name), again[name]) for name in LISTS)
    compared += differ("family", evidence.get("family", 0), measures.family, "family")
    if list(evidence.get("findings", [])) != findings:
        pairs = enumerate(zip(evidence.get("findings", []), findings, strict=False), 1)
        number = next((n for n, (a, b) in pairs if a != b), min(len(findings), len(evidence.get("findings", []))) + 1)
        raise Broken(
            f"finding {number} does not follow from the cube",
            got="another sentence, or one too many or too few", expected="the sentences that the counts give",
        )  # fmt: skip
    compared += _norms(evidence, measures)
    for key in sorted({*ONLY_WITH, *more}):
        if (key in evidence) != (key in more):
            here = "has" if key in evidence else "lacks"
            raise Broken(f"the evidence {here} an entry {key!r}, which the cube contradicts")
    compared += sum(_alike(k, evidence[k], v) for k, v in more.items())
    if "funnel" in evidence:
        from audit.funnel import figures

        stages = record_in(Stages, evidence.get("funnel"), "evidence.json")
        compared += _alike("funnel", stages.figures, figures(stages.counts, stages.stages, how))
    withheld = sum(1 for c in evidence.get("counts", []) if c.get("suppressed"))
    words = (
        (f"; {many(len(left.attributes), 'intersection')} {are(len(left.attributes))} left to the cube, which has them")
        if left
        else ""
    )
    words += f"; {many(withheld, 'group')} {are(withheld)} withheld and were not verified" if withheld else ""
    lists = ", ".join(f"{len(evidence[name]):,} {name}" for name in LISTS)
    return f"{many(compared, 'value')} computed again from the embedded cube ({lists}) and found equal{words}"


def _asked_for(norms: Any) -> tuple[NormAsked, ...]:
    try:
        return record_in(tuple[NormAsked, ...], norms, "evidence.json")
    except FormError as error:
        raise Broken("the norms cannot be read", got=type(error).__name__) from error


def _norms(evidence: Mapping[str, Any], measures: Any, name: str = "norms") -> int:
    """Each norm of the evidence (or of an arm) judged again on the recomputed measures."""
    from audit.findings import judge
    from audit.policy import Norm, Policy
    from audit.values import to_json

    norms = evidence.get("norms", [])
    stated = _asked_for(norms)
    try:
        asked = tuple(Norm(n.metric, n.kind, n.attribute, n.limit, n.limit) for n in stated)
        columns = sorted({a for n in asked for a in n.attribute})
        again = [to_json(n) for n in judge(Policy("", asked, ""), measures, columns)]
    except (FormError, KeyError, TypeError, ValueError) as error:
        raise Broken("the norms cannot be read", got=type(error).__name__) from error
    return compare(name, norms, again)


@_measuring()
def check_mitigation(files: Mapping[str, bytes], settings: Mapping[str, Any], known: Known | None = None) -> str:
    """The arms of mitigation.json against the cubes beside them. Raises Broken."""
    known = known or Known()
    document = load(files, "mitigation.json")
    arms, cubes = document.get("arms", {}), document.get("cubes", {})
    used = document.get("settings", settings)
    left, compared = _left_of_arms(document, known, used), 0
    for name, arm in arms.items():
        if arm is None:
            continue
        if cubes.get(name) is None:
            raise Broken("mitigation.json holds no cube for an arm")
        again, margins, how, measures = known.of(recompute, cubes[name], used)
        if name == "candidate":
            compared += _held(document, margins, how)
        again = again if left is None else measures_to_json(told_of(measures, left))
        for kind in ("rates", "gaps", "counts"):
            compared += compare(f"mitigation {arm_named(name)} {kind}", arm.get(kind), again[kind])
        if "norms" in arm:
            compared += _norms(arm, measures, f"mitigation {arm_named(name)} norms")
    measured = many(sum(a is not None for a in arms.values()), "arm")
    return f"{many(compared, 'value')} of {measured} computed again from their cubes"


def _left_of_arms(document: Mapping[str, Any], known: Known, used: Mapping[str, Any]) -> LeftToCube | None:
    """What every arm leaves to its cube, held against what it has to be."""
    if KEY not in document:
        return None
    from debias.compare import left_of_arms

    original, cube = (document.get(key, {}).get("original") for key in ("arms", "cubes"))
    _, margins, _, measures = known.of(recompute, cube, used)
    left = left_of_arms(margins, measures, original.get("norms", []))
    _alike("what the arms leave to their cubes", document[KEY], None if left is None else msgspec.to_builtins(left))
    return left


def _held(document: Mapping[str, Any], margins: Any, how: Any) -> int:
    """The gaps between the groups that the method holds."""
    from debias.held import held_gaps, limits

    aim = record_in(Aimed, document, "mitigation.json").constraint
    again = [limits(g) for g in held_gaps(margins, [(a.attribute, a.group) for a in aim.apart], aim.metric, how)]
    return _alike("mitigation, gaps between held groups", aim.held, again)


def check_search(files: Mapping[str, bytes]) -> str:
    """search.json: each candidate's figures against its counts, the front, and the candidate picked. Raises Broken."""
    from debias.pareto_figures import figures_again, front_in

    document = load(files, "search.json")
    compared = 0
    try:
        searched = record_in(Searched, document, "search.json")
        trials = record_in(tuple[TrialOf, ...], searched.trials, "search.json")
        candidates = {
            f"candidate {number}": record_in(Candidate, plain, "search.json")
            for number, (t, plain) in enumerate(zip(trials, searched.trials, strict=True), 1)
            if t.failed is None
        }
        moved = {f"{name}, threshold moved": c.matched for name, c in candidates.items() if c.matched is not None}
        for name, entry in {"original": searched.original, **candidates, **moved}.items():
            for key, value in figures_again(document, entry.counts).items():
                compared += _alike(f"search, {name}, {key}", getattr(entry, key), value)
        for number, (t, on) in enumerate(zip(trials, front_in(document), strict=True), 1):
            compared += differ(f"search, candidate {number}", t.front, on, "front")
        compared += _picked(files, searched.asked, trials)
    except (AssayError, TypeError, ValueError, KeyError, IndexError, ArithmeticError, AttributeError) as error:
        raise Broken("the search cannot be measured", got=type(error).__name__) from error
    return f"{many(compared, 'value')} of {many(len(trials), 'candidate')} computed again from their counts"


def _picked(files: Mapping[str, bytes], asked: SearchAsked, trials: Sequence[TrialOf]) -> int:
    """The choice in mitigation.json, where it was made from this search, is of the candidate that it names."""
    plain = load(files, "mitigation.json") if "mitigation.json" in files else {}
    choice = record_in(Picked, plain, "mitigation.json").choice
    if choice is None or choice.search.sha256 != hashlib.sha256(files["search.json"]).hexdigest():
        return 0
    entry = next((t for t in trials if t.trial == choice.trial), None)
    if entry is None or entry.failed is not None:
        raise Broken("the candidate picked is not in the search", got=shown(choice.trial))
    mitigation = record_in(PickedMitigation, plain, "mitigation.json")
    aim, stated = mitigation.parameters, mitigation.choice
    hyper = {k: v for k, v in entry.parameters.items() if k != "tolerance"} or None
    pairs = (
        ("method", mitigation.method, entry.method),
        ("parameters", mitigation.search.hyper, hyper),
        # Where the candidate has no tolerance of its own, a person named the one to judge by.
        ("tolerance", aim.tolerance, entry.parameters.get("tolerance", aim.tolerance)),
        ("seed", mitigation.seed, asked.seed),
        ("constraint", aim.constraint, asked.constraint),
        ("attributes", aim.attributes, asked.attributes),
        ("on_front", stated.on_front, entry.front),
        ("looked_at", stated.looked_at, len(trials)),
        ("same_model", stated.same_model, mitigation.model.sha256 == entry.model),
    )
    return sum(differ("choice of a candidate", got, expected, key) for key, got, expected in pairs)


def load(files: Mapping[str, bytes], name: str) -> Any:
    """An embedded JSON object. Raises Broken."""
    if name not in files:
        raise Broken(f"the report holds no {name}", got=many(len(files), "embedded file"), expected=name)
    try:
        document = Documents.of(files).plain(name)
    except AssayError as error:
        raise Broken(f"{name} is not valid JSON", expected=error.expected) from error
    if not isinstance(document, dict):
        raise Broken(f"{name} is not a JSON object", got=type(document).__name__)
    return document


def _alike(where: str, got: Any, expected: Any) -> int:
    """Two JSON values, numbers within 1e-6 of each other. How many were compared; raises Broken at a difference."""
    if isinstance(expected, dict) and isinstance(got, dict) and got.keys() == expected.keys():
        return sum(_alike(f"{where}, {k}", got[k], v) for k, v in expected.items())
    if isinstance(expected, list | tuple) and isinstance(got, list) and len(got) == len(expected):
        return sum(_alike(where, a, b) for a, b in zip(got, expected, strict=True))
    if not alike(got, expected, 1e-6):
        raise Broken(f"{where} does not follow from the counts", got=shown(got), expected=shown(expected))
    return 1


def alike(got: Any, expected: Any, tolerance: float) -> bool:
    """Whether two leaves of JSON are equal: numbers within the tolerance, everything else exactly, by type too."""
    if isinstance(got, bool) or isinstance(expected, bool) or not isinstance(expected, float | int):
        return type(got) is type(expected) and bool(got == expected)
    if isinstance(expected, int) and isinstance(got, int):
        return got == expected
    return isinstance(got, float | int) and math.isclose(got, expected, rel_tol=tolerance, abs_tol=tolerance)


def compare(name: str, got: Any, expected: Sequence[Mapping[str, Any]]) -> int:
    """Two lists of records in one order. The number of values compared; raises Broken naming the first difference."""
    if not isinstance(got, list) or len(got) != len(expected):
        raise Broken(f"the evidence has another number of {name}", got=shown(got), expected=len(expected))
    compared = 0
    for number, (mine, right) in enumerate(zip(got, expected, strict=True), 1):
        where = _where(name, number, right)
        if not isinstance(mine, dict) or mine.keys() != right.keys():
            raise Broken(f"{where} has other entries", got=shown(mine), expected=", ".join(sorted(right)))
        for key, value in right.items():
            compared += differ(where, mine[key], value, key)
    return compared


def differ(where: str, got: Any, expected: Any, key: str) -> int:
    """1 where the two values are equal. Raises Broken otherwise."""
    got, expected = (list(v) if isinstance(v, tuple) else v for v in (got, expected))
    if not alike(got, expected, TOLERANCE):
        raise Broken(f"{where}, {key} does not follow from the cube", got=shown(got), expected=shown(expected))
    return 1


def _where(name: str, number: int, record: Mapping[str, Any]) -> str:
    """The metric by its columns, and which of the list it is: names of groups are content, and are not quoted; nor is
    the metric of a norm, which the file gives, unless it is one of ours."""
    metric, attribute = record.get("metric"), record.get("attribute")
    words = f" {metric}" if isinstance(metric, str) and (metric in METRICS or "norms" not in name) else ""
    if attribute:
        words += f" by {' and '.join(one_safe_line(a, 60) for a in attribute)}"
    return f"{name} {number}:{words}" if words else f"{name} {number}"
