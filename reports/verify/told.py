"""What a report tells in several places, or that follows from its cube without being a figure: counted, it is compared.

People measured, names of columns and values, the model, the case. What is told once and follows from nothing that is
embedded stands on the auditor's word; `on_the_word` lists it, for the line of a new run that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audit.derived import FROM_ROWS
from audit.errors import AssayError
from reports.manifest import Manifest
from reports.verify.figures import alike, load
from reports.verify.result import Broken, arm_named, shown

_DATA = ("sha256", "label", "positive", "favourable", "sensitive", "features", "weight")
_MODEL = ("kind", "sha256", "format", "estimator", "column", "threshold")


def check_told(files: Mapping[str, bytes], manifest: Manifest) -> str:
    """Totals and names against the cube and each other. Raises Broken naming the first that differs."""
    try:
        count = 0
        for where, got, expected in _pairs(files, manifest):
            count += 1
            if not _same(got, expected):
                raise Broken(f"{where} is told otherwise than it is", got=shown(got), expected=shown(expected))
    except AssayError as error:
        raise Broken("the embedded cube cannot be read", got=type(error).__name__) from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise Broken("a total or a name of the embedded files is missing", got=type(error).__name__) from error
    return f"{count} totals and names follow from the cube, or are the same wherever they are told"


def _same(got: Any, expected: Any) -> bool:
    if isinstance(got, float) or isinstance(expected, float):
        return alike(got, expected, 1e-9)
    return bool(got == expected) and isinstance(got, bool) == isinstance(expected, bool)


def _pairs(files: Mapping[str, bytes], manifest: Manifest) -> Iterator[tuple[str, Any, Any]]:
    """(what, as told, as it has to be)."""
    from audit.cube_json import margins_from_json

    evidence, cube = load(files, "evidence.json"), load(files, "cube.json")
    data, case, model = evidence["data"], evidence["case"], evidence["model"]
    margins = margins_from_json(cube)
    whole = next(m for m in margins if m.attribute == ())
    people = int(whole.rows.sum())
    yield "the title", manifest.title, f"Fairness audit: {case['name']}"
    yield "the case's name in the manifest", manifest.case, case["name"]
    yield "the author", manifest.author, manifest.auditor.name
    yield "the number of people measured", data["audited_rows"], people
    if "rows" in data:
        yield "that the rows are at least the people measured", bool(data["rows"] >= people), True
    yield "whether there is a label", data["label"] is not None, cube["labelled"]
    yield "whether rows are weighted", data["weight"] is not None, cube["weighted"]
    for key in ("positive", "favourable"):
        yield f"the {key} value", data[key] or "", cube[key] or ""  # a regression has none, and says so in two ways
    singles = [m.attribute[0] for m in margins if len(m.attribute) == 1]
    yield "the sensitive columns", sorted(data["sensitive"]), sorted(singles)
    yield "the seed", evidence["seed"], evidence["settings"]["seed"]
    yield "the floor of small groups", evidence["cube"]["floor"], cube["floor"]
    if "mitigation.json" in files:
        yield from _mitigation(load(files, "mitigation.json"), evidence)
    if "explain.json" in files:
        explained = load(files, "explain.json")
        if explained.get("explained"):
            most = data["rows"] if data.get("rows_at_most") else people
            yield "the people of the explanations", explained["data"]["audited_rows"], most
            yield "the data of the explanations", explained["data"]["sha256"], data["sha256"]
            for key in ("sha256", "estimator", "format"):
                yield f"the {key} of the model explained", explained["model"][key], model[key]
    if "search.json" in files:
        found = load(files, "search.json")
        yield "the data of the search", found["data"]["sha256"], data["sha256"]
    for name, words in (("stress.json", "what could go wrong"), ("whatif.json", "the variants")):
        if name in files:
            found = load(files, name)
            yield f"the data of {words}", found["data"]["sha256"], data["sha256"]
            yield f"the case of {words}", found["case"], case


def _mitigation(made: Mapping[str, Any], evidence: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    data = evidence["data"]
    yield "the case of the mitigation", made["case"], evidence["case"]
    for key in _DATA:
        if key in made["data"]:
            yield f"the {key} of the mitigation's data", made["data"][key], data[key]
    yield "the rows of the mitigation", made["data"]["rows"], data["rows"]
    for key in _MODEL:
        if key in made["base"] and key in evidence["model"]:
            yield f"the {key} of the model mitigated", made["base"][key], evidence["model"][key]
    for name, cube in made["cubes"].items():
        if cube is not None and not data.get("rows_at_most"):
            from audit.cube_json import margins_from_json

            whole = next(m for m in margins_from_json(cube) if m.attribute == ())
            yield f"the people of the arm {arm_named(name)}", made["splits"]["test"], int(whole.rows.sum())
    yield from _overall(made["arms"])
    yield from _changes(made)
    yield from _aim(made)
    yield from _flips(made["flips"], made["cubes"]["candidate"])


def _overall(arms: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name, arm in arms.items():
        everyone = {r["metric"]: r["value"] for r in (arm or {}).get("rates", []) if r["attribute"] == []}
        for metric in ("accuracy", "selection_rate", "true_positive_rate", "false_positive_rate", "roc_auc"):
            if arm is not None:
                yield f"the {metric} of the arm {arm_named(name)}", arm[metric], everyone.get(metric)


def _changes(made: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Before, matched and after of each change are figures of the arms; its sign and its clearness follow."""
    from debias.paired import _worse

    known: dict[str, dict[Any, Any]] = {}
    for name, arm in made["arms"].items():
        rates = {
            (r["metric"], (*r["attribute"],), (*r["group"],), "rate"): r["value"] for r in (arm or {}).get("rates", [])
        }
        gaps = {(g["metric"], (*g["attribute"],), None, g["kind"]): g["value"] for g in (arm or {}).get("gaps", [])}
        known[name] = rates | gaps
    for number, c in enumerate(made["changes"], 1):
        group = None if c["group"] is None else (*c["group"],)
        key = (c["metric"], (*c["attribute"],), group, c["kind"])
        for field, arm in (("before", "original"), ("matched", "matched"), ("after", "candidate")):
            yield f"change {number}, {field}", c[field], known[arm].get(key)
        yield f"change {number}, delta", c["delta"], c["after"] - c["before"]
        yield f"change {number}, worse", c["worse"], _worse(c["metric"], c["kind"], c["delta"])
        yield f"change {number}, clear", c["clear"], bool(c["low"] > 0 or c["high"] < 0)
        yield f"change {number}, its interval", bool(c["low"] <= c["delta"] <= c["high"]), True


def _aim(made: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """The gap that was aimed at: those of the candidate, the widest of single columns, against the tolerance."""
    aim, attributes = made["constraint"], set(made["parameters"]["attributes"])
    gaps = [
        g
        for g in made["arms"]["candidate"]["gaps"]
        if g["metric"] == aim["metric"] and g["kind"] == "difference" and set(g["attribute"]) <= attributes
    ]
    by = [{k: g[k] for k in ("attribute", "value", "low", "high")} for g in gaps]
    yield "the gaps aimed at", aim["by"], by
    yield "the tolerance", aim["tolerance"], made["parameters"]["tolerance"]
    if "from" not in aim:  # of a loss the limits follow from rates; a new run makes them again
        values = [g["value"] for g in gaps if len(g["attribute"]) == 1 and g["value"] is not None]
        yield "the gap reached", aim["reached"], max(values) if values else None
    reached = aim["reached"]
    yield "whether the aim was met", aim["met"], None if reached is None else bool(reached <= aim["tolerance"])


def _flips(flips: list[Mapping[str, Any]], cube: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Whose decisions changed: of how many people in the cube, and the test that follows from the two counts."""
    import numpy as np
    from scipy.special import bdtr

    from audit.cube_json import margins_from_json
    from audit.stats import holm

    people = {(m.attribute, g): int(n) for m in margins_from_json(dict(cube))
              for g, n in zip(m.groups, m.rows, strict=True)}  # fmt: skip
    tests = []
    for number, f in enumerate(flips, 1):
        gains, losses = f["to_favourable"], f["to_unfavourable"]
        yield f"flips {number}, people", f["rows"], people.get(((*f["attribute"],), (*f["group"],)))
        yield f"flips {number}, counts", min(gains, losses) >= 0 and gains + losses <= f["rows"], True
        tests.append(min(1.0, 2 * float(bdtr(min(gains, losses), gains + losses, 0.5))) if gains + losses else 1.0)
        yield f"flips {number}, p_value", f["p_value"], tests[-1]
    for number, (f, p) in enumerate(zip(flips, holm(np.array(tests)) if tests else (), strict=True), 1):
        yield f"flips {number}, p_adjusted", f["p_adjusted"], float(p)


def on_the_word(files: Mapping[str, bytes]) -> str:
    """What rests on the auditor's word where nothing is made again, in words."""
    evidence = load(files, "evidence.json")
    counted = [k for k in FROM_ROWS if k in evidence]
    words = ["the rows and columns of the data", "what the model is and the versions it ran with", "the purpose",
             "the limits of the norms and the settings"]  # fmt: skip
    words += [f"what was counted on rows ({', '.join(counted)})"] if counted else []
    others = {"explain.json": "the explanations", "mitigation.json": "what the mitigation did to single people",
              "search.json": "how the candidates were found", "stress.json": "how corruptions were searched",
              "whatif.json": "how variants were fitted", "series.json": "what the loop did"}  # fmt: skip
    words += [text for name, text in others.items() if name in files]
    return ", ".join(words)
