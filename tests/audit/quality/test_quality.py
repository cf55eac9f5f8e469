"""Missing values, repeated rows, periods and proxies, by hand and on data where the answer is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit.case import Case, DataSpec, ModelSpec, Population
from audit.errors import CaseError
from audit.gaps import Settings
from audit.load import dump_case, load_case, load_policy, load_rows
from audit.publish import publish_files
from audit.quality.periods import within_and_mix
from audit.quality.proxies import association
from audit.quality.table import examine, look_at
from audit.run import run_audit

SETTINGS = Settings(draws=200)


def case_of(folder: Path, frame: pd.DataFrame, **roles: object) -> Case:
    path = folder / "people.parquet"
    frame.to_parquet(path)
    data = DataSpec(path=path, label="y", positive="1", favourable="1", sensitive=("g",))
    return Case("c", "p", replace(data, **roles), ModelSpec("decision", column="d"), load_policy(None))  # type: ignore[arg-type]


def people(rows: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = rng.choice(["f", "m"], rows)
    return pd.DataFrame(
        {
            "g": g,
            "echo": np.where(rng.random(rows) < 0.9, g, "x"),
            "noise": rng.normal(size=rows),
            "y": rng.integers(0, 2, rows),
            "d": rng.integers(0, 2, rows),
        }
    )


def examined(tmp_path: Path, frame: pd.DataFrame, **roles: object) -> dict:  # type: ignore[type-arg]
    case = case_of(tmp_path, frame, **roles)
    return examine(look_at(case, load_rows(case, everything=True), SETTINGS))


def test_missing_values_are_counted_by_group_and_the_gap_tested(tmp_path: Path) -> None:
    frame = people(400)
    frame["job"] = "a"
    women = np.flatnonzero(frame["g"] == "f")
    frame.loc[women[:60], "job"] = None
    frame.loc[women[60:70], "job"] = "?"
    result = examined(tmp_path, frame)["missing"]
    entry = next(c for c in result["columns"] if c["column"] == "job")
    assert (entry["missing"], entry["written"]) == (60, 10)
    rows = {tuple(r["group"]): r for r in result["by_group"] if r["column"] == "job"}
    assert rows["f",]["missing"] == 70
    assert rows["m",]["missing"] == 0
    gap = result["gaps"][0]
    assert (gap["highest"], gap["lowest"]) == (["f"], ["m"])
    assert gap["value"] == pytest.approx(70 / len(women))
    assert gap["p_adjusted"] < 1e-6


def test_the_gap_in_missing_values_is_of_the_two_groups_named(tmp_path: Path) -> None:
    """Of three groups: the interval holds for all pairs at once, the p-value is the pair's times three."""
    from tests.audit.test_pairs import mid_p

    counts = {"a": (40, 200), "b": (22, 200), "c": (5, 20)}
    rows = [(g, None if i < x else 1.5, i % 2) for g, (x, n) in counts.items() for i in range(n)]
    frame = pd.DataFrame(rows, columns=["g", "pay", "y"]).assign(d=1)
    gap = next(g for g in examined(tmp_path, frame)["missing"]["gaps"] if g["column"] == "pay")
    assert (gap["highest"], gap["lowest"]) == (["c"], ["b"])
    assert gap["p_value"] == pytest.approx(min(1.0, 3 * mid_p(5, 20, 22, 200)))
    assert gap["low"] < 0 < gap["high"]


def test_repeated_contradictory_and_learned_rows_are_counted(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "g": ["f", "f", "f", "m", "m", "f"],
            "x": [1, 1, 1, 2, 3, 1],
            "y": [1, 1, 0, 0, 1, 1],
            "d": [1, 0, 1, 0, 1, 1],
            "part": ["t", "t", "t", "t", "t", "l"],
        }
    )
    result = examined(tmp_path, frame, split="part", audit="t", train="l")["duplicates"]
    assert (result["rows"], result["repeated"], result["alike"]) == (5, 1, 2)
    assert result["contradicted"] == 3
    assert result["learned_from"] == 2
    by = {tuple(r["group"]): r for r in result["by_group"]}
    assert by["f",]["contradicted"] == 3
    assert by["m",] == {
        "attribute": ["g"], "group": ["m"], "rows": 2, "repeated": 0, "learned_from": 0, "contradicted": 0,
    }  # fmt: skip


def test_a_copy_of_the_attribute_is_a_proxy_and_noise_is_none(tmp_path: Path) -> None:
    result = examined(tmp_path, people(3000), features=("echo", "noise"))["proxies"]
    by = {f["feature"]: f for f in result["features"]}
    assert by["echo"]["cramers_v"] > 0.8
    assert by["echo"]["auc"] > 0.9
    assert by["echo"]["p_explore"] < 1e-10
    assert by["noise"]["cramers_v"] < 0.08
    assert abs(by["noise"]["auc"] - 0.5) < 0.05
    assert by["noise"]["p_value"] > 0.001
    together = result["together"][0]
    assert together["auc"] > 0.9
    assert all(g["low"] <= g["auc"] <= g["high"] for g in together["by_group"])


def test_features_that_say_nothing_predict_nothing(tmp_path: Path) -> None:
    """Cross-validated: on noise the area is one half, where a fit judged on its own rows would see a pattern."""
    rng = np.random.default_rng(1)
    frame = people(600).assign(**{f"n{i}": rng.normal(size=600) for i in range(12)})
    together = examined(tmp_path, frame, features=tuple(f"n{i}" for i in range(12)))["proxies"]["together"][0]
    assert together["by_group"][0]["low"] < 0.5 < together["by_group"][0]["high"]


def test_the_attribute_is_not_its_own_proxy(tmp_path: Path) -> None:
    result = examined(tmp_path, people(300), features=("g", "noise"))["proxies"]
    assert [f["feature"] for f in result["features"]] == ["noise"]


def test_association_by_hand() -> None:
    v, information, share, p = association(np.array([[500.0, 0.0], [0.0, 500.0]]))
    assert v == pytest.approx(1.0, abs=0.001)
    assert information == pytest.approx(np.log(2), abs=0.001)
    assert share == pytest.approx(1.0, abs=0.001)
    assert p < 1e-100
    assert association(np.array([[250.0, 250.0], [250.0, 250.0]])) == (0.0, 0.0, 0.0, 1.0)


def test_trap_13_a_constant_label_is_an_incident_of_the_data(tmp_path: Path) -> None:
    frame = people(600)
    frame["when"] = np.repeat([2021, 2022, 2023], 200)
    frame.loc[frame["when"] == 2022, "y"] = 1
    frame.loc[frame["g"] == "f", "y"] = 0
    case = case_of(tmp_path, frame, time="when")
    evidence = run_audit(case, tmp_path / "out", SETTINGS).evidence
    note = next(n for n in evidence["notes"] if "every known outcome is the same" in n)
    assert "f (all" in note
    assert "are '0'" in note
    frame = people(600)
    frame["when"] = np.repeat([2021, 2022, 2023], 200)
    frame.loc[frame["when"] == 2022, "y"] = 1
    result = examined(tmp_path, frame, time="when")["periods"]
    assert [(p["period"], p["constant"]) for p in result["periods"]] == [
        ("2021", False), ("2022", True), ("2023", False),
    ]  # fmt: skip


def test_trap_14_a_change_of_the_mix_alone_is_said_to_be_that(tmp_path: Path) -> None:
    """Each group's rate stays, the groups' shares change: all of the change is mix."""
    total, within, mix = within_and_mix(*(np.array(v, dtype=float) for v in ([90, 10], [9, 5], [10, 90], [1, 45])))
    assert total == pytest.approx(0.46 - 0.14)
    assert within == pytest.approx(0)
    assert mix == pytest.approx(total)
    total, within, mix = within_and_mix(*(np.array(v, dtype=float) for v in ([50, 50], [5, 25], [50, 50], [15, 25])))
    assert within == pytest.approx(0.1)
    assert mix == pytest.approx(0)
    # A group that comes new is mix.
    total, within, mix = within_and_mix(*(np.array(v, dtype=float) for v in ([50, 0], [5, 0], [50, 50], [5, 50])))
    assert (within, mix) == (pytest.approx(0), pytest.approx(total))
    with pytest.raises(ValueError, match="nobody"):
        within_and_mix(np.zeros(2), np.zeros(2), np.ones(2), np.ones(2))
    frame = pd.DataFrame(
        {
            "g": ["f"] * 90 + ["m"] * 10 + ["f"] * 10 + ["m"] * 90,
            "y": [1] * 9 + [0] * 81 + [1] * 5 + [0] * 5 + [1] + [0] * 9 + [1] * 45 + [0] * 45,
            "d": [0, 1] * 100,
            "when": [1] * 100 + [2] * 100,
        }
    )
    change = examined(tmp_path, frame, time="when")["periods"]["changes"][0]
    assert change["within_groups"] == pytest.approx(0)
    assert change["mix_of_groups"] == pytest.approx(change["change"])


@pytest.mark.parametrize("kind", ["month", "number"])
def test_many_times_are_put_together(tmp_path: Path, kind: str) -> None:
    frame = people(300)
    if kind == "month":
        frame["when"] = pd.date_range("2025-01-01", periods=300, freq="D")
    else:
        frame["when"] = np.arange(300)
    table = examined(tmp_path, frame, time="when")["periods"]["periods"]
    assert sum(p["rows"] for p in table) == 300
    assert 2 <= len(table) <= 36
    if kind == "month":
        assert table[0]["period"] == "2025-01"


POPULATION = Population({"g": {"f": 0.5, "m": 0.4, "d": 0.1}}, "census")


def test_a_reference_population_is_set_beside_the_data(tmp_path: Path) -> None:
    frame = people(1000)
    frame["g"] = ["f"] * 300 + ["m"] * 650 + [None] * 50
    case = replace(case_of(tmp_path, frame), population=POPULATION)
    result = run_audit(case, tmp_path / "out", SETTINGS).evidence["population"]
    table = result["tables"][0]
    assert (table["people"], table["unknown"]) == (950, 50)
    rows = {g["group"][0]: g for g in table["groups"]}
    assert rows["f"]["share"] == pytest.approx(300 / 950)
    assert rows["f"]["ratio"] == pytest.approx(300 / 950 / 0.5)
    assert rows["f"]["high"] < 0.5
    assert (rows["d"]["people"], rows["d"]["share"]) == (0, 0)
    assert table["p_value"] < 1e-6
    assert table["distances"]["total_variation_distance"] == pytest.approx(650 / 950 - 0.4)


def test_the_population_is_read_and_written(tmp_path: Path) -> None:
    case = replace(case_of(tmp_path, people(50)), population=POPULATION)
    dump_case(case, tmp_path / "case.toml")
    assert load_case(tmp_path / "case.toml").population == POPULATION


@pytest.mark.parametrize(
    ("shares", "word"),
    [
        ({"g": {"f": 0.5, "m": 0.1}}, "add up"),
        ({"h": {"f": 0.5, "m": 0.5}}, "sensitive"),
        ({"g": {"f": 1.0}}, "1 group"),
    ],
)
def test_shares_that_cannot_be_meant_are_refused(tmp_path: Path, shares: dict, word: str) -> None:  # type: ignore[type-arg]
    case = replace(case_of(tmp_path, people(50)), population=Population(shares))
    dump_case(case, tmp_path / "case.toml")
    with pytest.raises(CaseError, match=word):
        load_case(tmp_path / "case.toml")


def test_what_was_counted_on_rows_withholds_small_groups_too(tmp_path: Path) -> None:
    frame = people(400)
    frame.loc[:3, "g"] = "tiny"
    frame["job"] = "a"
    frame.loc[:100, "job"] = None
    run_audit(case_of(tmp_path, frame), tmp_path / "out", SETTINGS)
    files = {n: (tmp_path / "out" / n).read_bytes() for n in ("evidence.json", "cube.json")}
    assert "tiny" in json.dumps(json.loads(files["evidence.json"])["quality"])
    assert "tiny" not in json.dumps(json.loads(publish_files(files)["evidence.json"])["quality"])


def test_what_leaves_is_counted_as_if_rare_people_were_not_there(tmp_path: Path) -> None:
    """Nothing in the report differs from an audit of the others alone, so no difference tells of them."""
    frame = people(400)
    frame.loc[:3, "g"] = "tiny"
    frame["job"] = "a"
    frame.loc[:100, "job"] = None
    seen = {}
    for name, rows in (("all", frame), ("others", frame[frame["g"] != "tiny"].reset_index(drop=True))):
        (tmp_path / name).mkdir()
        out = tmp_path / name / "out"
        run_audit(case_of(tmp_path / name, rows), out, SETTINGS)
        content = publish_files({n: (out / n).read_bytes() for n in ("evidence.json", "cube.json")})
        seen[name] = json.loads(content["evidence.json"])
    assert seen["all"]["quality"]["missing"]["columns"] != []
    for key in ("quality", "slices"):
        assert seen["all"][key] == seen["others"][key]
    assert seen["all"]["individual"]["neighbours"] == seen["others"]["individual"]["neighbours"]


def test_the_same_case_gives_the_same_bytes_and_nothing_is_changed(tmp_path: Path) -> None:
    case = case_of(tmp_path, people(500))
    rows = load_rows(case, everything=True)
    before = rows.frame.copy()
    first = examine(look_at(case, rows, SETTINGS))
    assert json.dumps(first) == json.dumps(examine(look_at(case, rows, SETTINGS)))
    pd.testing.assert_frame_equal(rows.frame, before)
