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

from audit.derived import FROM_ROWS, ONLY_WITH
from audit.errors import AssayError
from reports.attest import MODEL_CARD, STATEMENTS
from reports.manifest import NAME, strict_json
from reports.verify.result import Broken

TOLERANCE = 1e-9
RERUN = 1e-6
"""Sums of floats on another machine may differ in the last places."""
OWN = {
    # What depends on which persons were looked at, on the machine, or on what people decided afterwards.
    "explain.json": ("additivity", "key", "method_for_people", "people_rule", "sample", "settings", "tool"),
    "mitigation.json": ("decision", "decisions", "earlier", "tool"),
    "search.json": ("notes", "tool", "trials_asked"),
}
LISTS = ("rates", "gaps", "dataset", "counts", "pairs", "power")
KEYS = ("metric", "attribute", "group", "kind")


def recompute(cube: Any, settings: Mapping[str, Any]) -> tuple[dict[str, Any], Any, Any, Any]:
    """The lists that follow from a cube and settings, and the margins, settings and measures. Raises Broken."""
    from audit.cube_json import margins_from_json
    from audit.evidence import measures_to_json
    from audit.gaps import Settings
    from audit.measure import measure

    with _measuring():
        margins, how = margins_from_json(cube), Settings.from_json(settings)
        measures = measure(margins, how)
    return measures_to_json(measures), margins, how, measures


@contextmanager
def _measuring() -> Iterator[None]:
    """What measuring raises on counts that cannot be, as Broken."""
    try:
        yield
    except AssayError as error:
        raise Broken(error.problem, got=error.got, expected=error.expected) from error
    except (TypeError, ValueError, KeyError, IndexError, ArithmeticError) as error:
        raise Broken("the cube cannot be measured", got=f"{type(error).__name__}: {error}"[:200]) from error


def check_figures(files: Mapping[str, bytes]) -> str:
    """evidence.json against cube.json. Raises Broken naming the first figure that differs."""
    from audit.derived import derived, further_findings
    from audit.findings import findings

    evidence, cube_bytes = load(files, "evidence.json"), files.get("cube.json")
    if cube_bytes is None:
        raise Broken("the report holds no cube", expected="cube.json", got=", ".join(files))
    digest = hashlib.sha256(cube_bytes).hexdigest()
    if evidence.get("cube", {}).get("sha256") != digest:
        raise Broken(
            "the evidence was measured on another cube", got=digest, expected=evidence.get("cube", {}).get("sha256")
        )
    again, margins, how, measures = recompute(load(files, "cube.json"), evidence.get("settings", {}))
    with _measuring():
        more = derived(margins, how, evidence.get("population"))
        found = [*findings(measures), *further_findings(more)]
    compared = sum(compare(name, evidence.get(name), again[name]) for name in LISTS)
    compared += differ("family", evidence.get("family", 0), measures.family, "family")
    if list(evidence.get("findings", [])) != found:
        pairs = zip(evidence.get("findings", []), found, strict=False)
        got, expected = next(((a, b) for a, b in pairs if a != b), ("another number of findings", "as computed"))
        raise Broken("a finding does not follow from the cube", got=got, expected=expected)
    compared += _norms(evidence, measures)
    for key in ONLY_WITH:
        if (key in evidence) != (key in more):
            here = "has" if key in evidence else "lacks"
            raise Broken(f"the evidence {here} an entry {key!r}, which the cube contradicts")
    compared += sum(_alike(k, evidence[k], v) for k, v in more.items() if k in evidence)
    withheld = sum(1 for c in evidence.get("counts", []) if c.get("suppressed"))
    words = f"; {withheld} groups are withheld and were not verified" if withheld else ""
    lists = ", ".join(f"{len(evidence[name]):,} {name}" for name in LISTS)
    return f"{compared:,} values computed again from the embedded cube ({lists}) and found equal{words}"


def _norms(evidence: Mapping[str, Any], measures: Any, name: str = "norms") -> int:
    """Each norm of the evidence (or of an arm) judged again on the recomputed measures."""
    from audit.findings import judge
    from audit.policy import Norm, Policy
    from audit.values import to_json

    norms = evidence.get("norms", [])
    try:
        asked = tuple(Norm(n["metric"], n["kind"], tuple(n["attribute"]), n["limit"], n["limit"]) for n in norms)
        columns = sorted({a for n in asked for a in n.attribute})
        again = [to_json(n) for n in judge(Policy("", asked, ""), measures, columns)]
    except (KeyError, TypeError, ValueError) as error:
        raise Broken("the norms cannot be read", got=repr(error)) from error
    return compare(name, norms, again)


def check_mitigation(files: Mapping[str, bytes], settings: Mapping[str, Any]) -> str:
    """The arms of mitigation.json against the cubes beside them. Raises Broken."""
    document = load(files, "mitigation.json")
    arms, cubes = document.get("arms", {}), document.get("cubes", {})
    used = document.get("settings", settings)
    compared = 0
    for name, arm in arms.items():
        if arm is None:
            continue
        if cubes.get(name) is None:
            raise Broken("mitigation.json holds no cube for an arm", got=name)
        again, _, _, measures = recompute(cubes[name], used)
        for kind in ("rates", "gaps", "counts"):
            compared += compare(f"mitigation {name} {kind}", arm.get(kind), again[kind])
        if "norms" in arm:
            compared += _norms(arm, measures, f"mitigation {name} norms")
    return f"{compared:,} values of {sum(a is not None for a in arms.values())} arms computed again from their cubes"


def check_search(files: Mapping[str, bytes]) -> str:
    """search.json: each candidate's figures against its counts, the front, and the candidate picked. Raises Broken."""
    from debias.front_figures import figures_again, front_of, place

    document = load(files, "search.json")
    compared = 0
    try:
        trials = document["trials"]
        entries = [("original", document["original"])]
        entries += [(f"candidate {t['trial']}", t) for t in trials if t["failed"] is None]
        entries += [(f"{name}, threshold moved", e["matched"]) for name, e in entries[1:] if e["matched"]]
        for name, entry in entries:
            for key, value in figures_again(document, entry["counts"]).items():
                compared += _alike(f"search, {name}, {key}", entry[key], value)
        for t, on in zip(trials, front_of([place(t) for t in trials]), strict=True):
            compared += differ(f"search, candidate {t['trial']}", t["front"], on, "front")
        compared += _picked(files, document)
    except AssayError as error:
        raise Broken(error.problem, got=error.got, expected=error.expected) from error
    except (TypeError, ValueError, KeyError, IndexError, ArithmeticError) as error:
        raise Broken("the search cannot be measured", got=f"{type(error).__name__}: {error}"[:200]) from error
    return f"{compared:,} values of {len(trials)} candidates computed again from their counts"


def _picked(files: Mapping[str, bytes], document: Mapping[str, Any]) -> int:
    """The choice in mitigation.json, where it was made from this search, is of the candidate that it names."""
    made = load(files, "mitigation.json") if "mitigation.json" in files else {}
    choice = made.get("choice")
    if not choice or choice["search"]["sha256"] != hashlib.sha256(files["search.json"]).hexdigest():
        return 0
    entry = next((t for t in document["trials"] if t["trial"] == choice["trial"]), None)
    if entry is None or entry["failed"] is not None:
        raise Broken("the candidate picked is not in the search", got=choice["trial"])
    where = f"choice of candidate {choice['trial']}"
    hyper = {k: v for k, v in entry["parameters"].items() if k != "tolerance"} or None
    tolerance = made["parameters"]["tolerance"]
    pairs = (
        ("method", made["method"], entry["method"]),
        ("parameters", made["search"]["hyper"], hyper),
        # Where the candidate has no tolerance of its own, a person named the one to judge by.
        ("tolerance", tolerance, entry["parameters"].get("tolerance", tolerance)),
        ("seed", made["seed"], document["asked"]["seed"]),
        ("constraint", made["parameters"]["constraint"], document["asked"]["constraint"]),
        ("attributes", made["parameters"]["attributes"], document["asked"]["attributes"]),
        ("on_front", choice["on_front"], entry["front"]),
        ("looked_at", choice["looked_at"], len(document["trials"])),
        ("same_model", choice["same_model"], made["model"]["sha256"] == entry["model"]),
    )
    return sum(differ(where, got, expected, key) for key, got, expected in pairs)


def load(files: Mapping[str, bytes], name: str) -> Any:
    """An embedded JSON object. Raises Broken."""
    if name not in files:
        raise Broken(f"the report holds no {name}", got=", ".join(files) or "no embedded file", expected=name)
    try:
        document = strict_json(files[name], name)
    except AssayError as error:
        raise Broken(error.problem, got=error.got, expected=error.expected) from error
    if not isinstance(document, dict):
        raise Broken(f"{name} is not a JSON object", got=type(document).__name__)
    return document


def compare(name: str, got: Any, expected: Sequence[Mapping[str, Any]]) -> int:
    """Two lists of records in one order. The number of values compared; raises Broken naming the first difference."""
    if not isinstance(got, list) or len(got) != len(expected):
        size = len(got) if isinstance(got, list) else type(got).__name__
        raise Broken(f"the evidence has another number of {name}", got=size, expected=len(expected))
    compared = 0
    for mine, right in zip(got, expected, strict=True):
        where = _where(name, right)
        if not isinstance(mine, dict) or mine.keys() != right.keys():
            raise Broken(f"{where} has other entries", got=sorted(mine), expected=sorted(right))
        for key, value in right.items():
            compared += differ(where, mine[key], value, key)
    return compared


def differ(where: str, got: Any, expected: Any, key: str) -> int:
    """1 where the two values are equal. Raises Broken otherwise."""
    if isinstance(expected, tuple):
        expected = list(expected)
    same = got == expected and isinstance(got, bool) == isinstance(expected, bool)
    if isinstance(expected, float) and isinstance(got, float | int) and not isinstance(got, bool):
        same = math.isclose(got, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if not same:
        raise Broken(f"{where}, {key} does not follow from the cube", got=got, expected=expected)
    return 1


def _where(name: str, record: Mapping[str, Any]) -> str:
    parts = []
    for key in KEYS:
        value = record.get(key)
        if value:
            parts.append(" / ".join(value) if isinstance(value, list | tuple) else str(value))
    return f"{name}: {', '.join(parts)}"


def _alike(where: str, got: Any, expected: Any) -> int:
    """Two JSON values, numbers within RERUN of each other. How many were compared; raises Broken at a difference."""
    if isinstance(expected, dict) and isinstance(got, dict) and got.keys() == expected.keys():
        return sum(_alike(f"{where}, {k}", got[k], v) for k, v in expected.items())
    if isinstance(expected, list) and isinstance(got, list) and len(got) == len(expected):
        return sum(_alike(where, a, b) for a, b in zip(got, expected, strict=True))
    same = got == expected and isinstance(got, bool) == isinstance(expected, bool)
    if isinstance(expected, float) and isinstance(got, float | int) and not isinstance(got, bool):
        same = math.isclose(got, expected, rel_tol=RERUN, abs_tol=RERUN)
    if not same:
        raise Broken(f"{where} comes out otherwise when made again", got=str(got)[:200], expected=str(expected)[:200])
    return 1


def check_rerun(files: Mapping[str, bytes], rerun: Mapping[str, bytes]) -> str:
    """The same run again from model and data: hashes equal, then every figure. Raises Broken.

    rerun : the files of the new run folder by name. Those that it lacks are named and not compared.
    """
    mine, again = load(files, "evidence.json"), load(rerun, "evidence.json")
    for part in ("data", "model"):
        a, b = mine.get(part, {}).get("sha256"), again.get(part, {}).get("sha256")
        if a != b:
            raise Broken(f"the {part} is not the one that the report was made of", got=b, expected=a)
    compared = 0
    for name in LISTS:
        right = again.get(name)
        if not isinstance(right, list):
            raise Broken("the new run is incomplete", got=f"no {name}")
        compared += compare(f"run again, {name}", mine.get(name), right)
    compared += sum(_alike(f"run again, {k}", mine[k], again.get(k)) for k in (*FROM_ROWS, *ONLY_WITH) if k in mine)
    for name, own in OWN.items():
        if name in files and name in rerun:
            right = {k: v for k, v in load(rerun, name).items() if k not in own}
            made = {k: v for k, v in load(files, name).items() if k not in own}
            compared += _alike(f"run again, {name}", made, right)
    same = [n for n in sorted(files) if n in rerun and files[n] == rerun[n]]
    made_of_these = (NAME, STATEMENTS, MODEL_CARD)  # each has a check of its own
    left = [n for n in sorted(files) if n not in rerun and n not in made_of_these]
    words = f"; not run again: {', '.join(left)}" if left else ""
    return (
        f"{compared:,} values computed again from model and data and found equal; same bytes: {', '.join(same)}{words}"
    )
