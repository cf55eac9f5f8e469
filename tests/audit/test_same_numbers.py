"""One table, any kind of file, engine, order of rows and names of groups: the same numbers, by property.

Tables are drawn: names that only marks tell apart, groups that are text, numbers, yes and no or missing, outcomes of
every writing, with and without weights, people in several rows and scores. Every audit goes through the command line.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

import cli
from audit.load.toml import write
from tests.audit.load.test_careless import workbook
from tests.audit.test_same_evidence import alike, renamed

NAMES = [
    ("decided", "Decided"), ("say \"yes\"", "say"), ("a,b", "a;b"), ("é", "e\u0301"), ("select", "order"),
    ("c 1", "c\t1"), ("x.y", "x"), ("%s", "{x}"), ("0", "00"), ("it's", "its"),
]  # fmt: skip
GROUPS: dict[str, list[Any]] = {
    "text": ["f", "m", "x"],
    "numbers as text": ["7", "2", "1.5"],
    "codes": ["01", "1", "007"],
    "numbers": [1, 2, 30],
    "parts": [0.5, 1.25, 3.0],
    "yes and no": [False, True],
    "capitals": ["No", "no", "NO "],
    "marks": ['a "b"', "a, b", "ü|n"],
}
OUTCOMES: dict[str, tuple[Any, Any]] = {
    "words": ("yes", "no"),
    "bits": (1, 0),
    "flags": (True, False),
    "signs": ("+", "-"),
}
WAYS = ("parquet", "feather", "duckdb, csv", "duckdb, parquet", "shuffled", "renamed", "duckdb, shuffled, renamed")
KEYS = (
    "rates",
    "gaps",
    "pairs",
    "dataset",
    "counts",
    "power",
    "smoothed",
    "unknown_group",
    "missing_labels",
    "norms",
    "like_with_like",
)


WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
"""Each example is several whole audits; shrinking one would take minutes."""


@dataclass(frozen=True)
class Table:
    """A drawn table: what stands in it, and how the case reads it."""

    frame: pd.DataFrame
    case: dict[str, Any]
    model: dict[str, Any]


def table_of(
    seed: int, names: tuple[str, str], first: str, second: str, outcome: str, weight: bool, cluster: bool, score: str,
    missing: bool,
) -> Table:  # fmt: skip
    rng = np.random.default_rng(seed)
    n = int(rng.integers(70, 130))
    yes, no = OUTCOMES[outcome]
    mine, twin = names
    frame = pd.DataFrame(
        {
            twin: rng.choice(np.array([yes, no], dtype=object), n),
            mine: rng.choice(np.array([yes, no], dtype=object), n, p=[0.4, 0.6]),
            "one of": rng.choice(np.array(GROUPS[first], dtype=object), n),
            "two of": rng.choice(np.array(GROUPS[second], dtype=object), n),
            "Truth": rng.choice(np.array([yes, no], dtype=object), n),
        }
    ).infer_objects()
    case = {"label": "Truth", "positive": yes, "favourable": yes, "sensitive": ["one of", "two of"]}
    model: dict[str, Any] = {"decision": mine}
    if missing:
        frame["one of"] = frame["one of"].astype(object).where(rng.random(n) >= 0.1, None)
    if weight:
        frame["Weight"] = np.round(rng.lognormal(0, 0.7, n), 3)
        case["weight"] = "Weight"
    if cluster:
        frame["who"] = rng.integers(0, n // 3, n)
        case["cluster"] = "who"
    if score != "none":
        frame["p"] = np.round(rng.beta(0.7, 2, n), 2 if score == "few" else 9)
        model = {"score": "p", "threshold": 0.25}
    return Table(frame, case, model)


TABLES = st.builds(
    table_of, st.integers(0, 10**6), st.sampled_from(NAMES), st.sampled_from(list(GROUPS)),
    st.sampled_from(list(GROUPS)), st.sampled_from(list(OUTCOMES)), st.booleans(), st.booleans(),
    st.sampled_from(["none", "few", "many"]), st.booleans(),
)  # fmt: skip


def numbers(folder: Path, table: Table, way: str) -> dict[str, Any]:
    """What `assay audit` says of the table, read in this way."""
    frame, back = table.frame, {}
    if "renamed" in way:
        for column in table.case["sensitive"]:
            values = sorted(frame[column].dropna().unique(), key=str)
            new = {v: f"{column[:3]}~{len(values) - i}~" for i, v in enumerate(values)}
            frame = frame.assign(**{column: frame[column].map(new)})
            back |= {name: said(old) for old, name in new.items()}
    if "shuffled" in way:
        frame = frame.sample(frac=1, random_state=1)
    kind = next((k for k in ("parquet", "feather", "xlsx") if k in way), "csv")
    folder.mkdir()
    path = folder / f"rows.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "xlsx":
        workbook(path, [list(frame), *frame.to_numpy().tolist()])
    else:
        getattr(frame.reset_index(drop=True), f"to_{kind}")(path)
    data = table.case | {"path": path.name} | ({"engine": "duckdb"} if "duckdb" in way else {})
    lines = ['[case]\nname = "t"\npurpose = "p"\n[data]']
    lines += [f"{k} = {write(v)}" for k, v in data.items()]
    lines += ["[model]", *(f"{k} = {write(v)}" for k, v in table.model.items())]
    (folder / "case.toml").write_text("\n".join(lines), encoding="utf-8")
    done = cli.main(["audit", str(folder / "case.toml"), "--out", str(folder / "run"), "--draws", "100"])
    assert done == 0
    document: dict[str, Any] = json.loads((folder / "run" / "evidence.json").read_bytes())
    return renamed({k: document[k] for k in KEYS if k in document}, back)  # type: ignore[no-any-return]


def said(value: Any) -> str:
    """A value as a group's name."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def nameless(value: Any) -> Any:
    """Records without whom they name, and in which order: of two groups exactly alike, one is named by its name."""
    if isinstance(value, list):
        return sorted((nameless(v) for v in value), key=lambda v: json.dumps(rounded(v), sort_keys=True))
    if isinstance(value, dict):
        named = ("highest", "lowest", "higher", "lower", "against", "group", "method", "reason")
        return {k: nameless(v) for k, v in value.items() if k not in named}
    return value


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return float(f"{value:.6g}") if isinstance(value, float) else value


@settings(
    max_examples=3, deadline=None, derandomize=True, phases=WITHOUT_SHRINKING, suppress_health_check=list(HealthCheck)
)
@example(
    table_of(3, ("c 1", "c\t1"), "yes and no", "marks", "flags", True, True, "many", True),
    ["duckdb, parquet", "duckdb, shuffled, renamed"],
)
@given(TABLES, st.permutations(WAYS))
def test_the_same_numbers(tmp_path_factory: Any, table: Table, ways: list[str]) -> None:
    folder = tmp_path_factory.mktemp("same")
    expected = numbers(folder / "first", table, "csv")
    for way in ways[:2]:
        result = numbers(folder / way.replace(", ", "_"), table, way)
        for key in expected:
            a, b = result[key], expected[key]
            if "renamed" in way and key not in ("rates", "counts", "dataset"):
                a, b = nameless(a), nameless(b)
            alike(a, b, f"{way}: {key}")


@pytest.mark.parametrize("way", ["csv", "duckdb, csv", "xlsx"])
def test_zeros_in_front_tell_groups_and_people_apart(way: str, tmp_path: Path) -> None:
    """Region 01 is not region 1, nor person 007 person 7; against counts of pandas. Zeros begin in row 200."""
    rng, n = np.random.default_rng(8), 600
    region = np.where(np.arange(n) < 200, rng.choice(["1", "2"], n), rng.choice(["01", "1", "007", ""], n))
    who = [f"{i // 3:03d}" if i >= 200 and i % 2 else str(i // 3) for i in range(n)]
    frame = pd.DataFrame(
        {"region": region, "who": who, "age": np.where(np.arange(n) % 2, "07", "71"),
         "Truth": rng.choice(["yes", "no"], n), "Decided": rng.choice(["yes", "no"], n)}
    )  # fmt: skip
    case = {
        "label": "Truth", "positive": "yes", "favourable": "yes", "sensitive": ["region", "age"], "cluster": "who",
        "bins": {"age": [40]},
    }  # fmt: skip
    result = numbers(tmp_path / "run", Table(frame, case, {"decision": "Decided"}), way)
    rates = {
        r["group"][0]: (r["numerator"], r["rows"])
        for r in result["rates"]
        if r["metric"] == "selection_rate" and r["attribute"] == ["region"]
    }
    named = frame.assign(region=frame["region"].replace("", "(unknown)"), yes=frame["Decided"] == "yes")
    expected = named.groupby("region")["yes"].agg(["sum", "size"])
    assert rates == {g: (int(v["sum"]), int(v["size"])) for g, v in expected.iterrows()}
    bands = {r["group"][0] for r in result["rates"] if r["attribute"] == ["age"]}
    assert bands == {"<40", ">=40"}
    evidence = json.loads((tmp_path / "run" / "run" / "evidence.json").read_bytes())
    assert f"{len(set(who)):,} people" in json.dumps(evidence["notes"])
    assert any("'region' is read as text: some of its numbers have zeros in front" in n for n in evidence["notes"])


@pytest.mark.parametrize("way", ["csv", "duckdb, parquet"])
def test_every_column_beside_a_twin_in_other_capitals(way: str, tmp_path: Path) -> None:
    """Decision, outcome, groups, weight, people and factor, each after a column of its name that says otherwise."""
    rng, n = np.random.default_rng(6), 400
    frame = pd.DataFrame(
        {
            "Sex": rng.choice(["f", "m"], n), "Team": rng.choice([1, 2, 3], n), "Truth": rng.choice(["yes", "no"], n),
            "Decided": rng.choice(["yes", "no"], n), "Weight": rng.lognormal(0, 0.5, n).round(3),
            "Who": rng.integers(0, 150, n), "Hours": rng.choice(["few", "many"], n),
        }
    )  # fmt: skip
    case = {
        "label": "Truth", "positive": "yes", "favourable": "yes", "sensitive": ["Sex", "Team"], "weight": "Weight",
        "cluster": "Who",
    } | ({"legitimate": {"Hours": "pay is by the hour"}} if way == "csv" else {})  # fmt: skip
    twins = frame.sample(frac=1, random_state=1, ignore_index=True).rename(columns=str.lower)
    twins["weight"] *= 7
    both = pd.concat([twins, frame], axis=1)
    alone = numbers(tmp_path / "alone", Table(frame, case, {"decision": "Decided"}), way)
    beside = numbers(tmp_path / "beside", Table(both, case, {"decision": "Decided"}), way)
    for key in alone:
        alike(beside[key], alone[key], key)
