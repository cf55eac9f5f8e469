"""The model that goes out: the same answers as skops and as ONNX, and the same figures when it is audited again."""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.case import Case, DataSpec, ModelSpec
from audit.errors import ModelError
from audit.evidence import sha256
from audit.gaps import Settings
from audit.load import load_policy, load_rows
from audit.metrics import SCORE_METRICS
from audit.models import Worker, describe
from audit.models.onnx_export import to_onnx
from audit.models.onnx_model import OnnxModel
from audit.models.skops_model import SkopsModel
from audit.models.thresholds_model import adjusted
from audit.models.write import skops_bytes
from audit.run import run_audit
from debias.mitigate import run_mitigate, summary

DRAWS = 40


def people(n: int = 1100, seed: int = 0) -> pd.DataFrame:
    """Numbers, whole numbers, truth values, text with accents, missing numbers and missing text, rare categories."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["Female", "Male"], n)
    merit = rng.normal(size=n)
    frame = pd.DataFrame(
        {
            "merit": merit + rng.normal(scale=0.8, size=n),
            "proxy": (sex == "Male") + rng.normal(scale=0.6, size=n),
            "years": rng.integers(0, 40, n),
            "owner": rng.random(n) < 0.4,
            "branch": rng.choice(["north", "süd", "east side"], n),
            "trade": rng.choice([f"trade {i}" for i in range(230)], n),
            "sex": sex,
            "age": rng.integers(18, 80, n).astype(float),
            "outcome": np.where(merit + 1.2 * (sex == "Male") + rng.normal(scale=0.8, size=n) > 0.9, "paid", "late"),
            "split": np.where(np.arange(n) % 5 < 3, "train", "test"),
        }
    )
    frame.loc[rng.random(n) < 0.1, "merit"] = np.nan
    frame.loc[rng.random(n) < 0.1, "branch"] = None
    frame.loc[np.flatnonzero(frame["split"] == "test")[:25], "branch"] = "never seen"
    return frame


FEATURES = ("merit", "proxy", "years", "owner", "branch", "trade")


def estimator(kind: str) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

    if kind == "custom":
        first: Any = FunctionTransformer(np.sqrt)
        prepare = ColumnTransformer([("years", first, ["years"])])
        return Pipeline([("prepare", prepare), ("model", GaussianNB())])
    one = OneHotEncoder(handle_unknown="ignore")
    text = Pipeline([("fill", SimpleImputer(strategy="constant", fill_value="")), ("one", one)])
    prepare = ColumnTransformer(
        [
            ("text", text if kind == "filled" else one, ["branch"]),
            ("numbers", SimpleImputer(), ["merit", "proxy", "years"]),
        ]
    )
    model = RandomForestClassifier(20, random_state=0) if kind == "forest" else LogisticRegression()
    return Pipeline([("prepare", prepare), ("model", model)])


def case_in(folder: Path, kind: str = "logistic", **more: Any) -> Case:
    frame = people()
    train = frame[frame["split"] == "train"]
    fitted = estimator(kind).fit(train[list(FEATURES)], train["outcome"])
    frame.assign(score=fitted.predict_proba(frame[list(FEATURES)])[:, 1]).to_parquet(folder / f"{kind}.parquet")
    (folder / f"{kind}.skops").write_bytes(skops_bytes(fitted))
    data = DataSpec(
        path=folder / f"{kind}.parquet",
        label="outcome",
        positive="paid",
        favourable="paid",
        sensitive=("sex", "age"),
        split="split",
        train="train",
        audit="test",
        features=FEATURES,
        bins={"age": (40.0,)},
    )
    case = Case("People", "Who gets a loan", data, ModelSpec("path", folder / f"{kind}.skops"), load_policy(None))
    return replace(case, **more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="module")
def case(folder: Path) -> Case:
    """A model without a converter's help: text is missing in some rows."""
    return case_in(folder, "gaps")


def scored(case: Case) -> Case:
    """The same decisions from a column of scores, so that the original is not asked in a process of its own."""
    return replace(case, model=ModelSpec("score", column="score", threshold=0.5))


def audited(case: Case, model: Path, out: Path) -> dict[str, Any]:
    return run_audit(replace(case, model=ModelSpec("path", model)), out, Settings(draws=DRAWS)).evidence


def by_decision(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that follow from decisions alone."""
    return [r for r in records if r.get("metric") not in SCORE_METRICS]


@pytest.fixture(scope="module")
def boosted(case: Case, folder: Path) -> dict[str, Any]:
    return run_mitigate(
        scored(case), "constrained_boosting", folder / "boosted", constraint="equalized_odds", attributes=["sex"],
        draws=DRAWS, onnx=True,
    )  # fmt: skip


def fitted(method: str, frame: pd.DataFrame, label: np.ndarray) -> Any:
    """The pipeline that the method saves, fitted by its own parts."""
    from sklearn.pipeline import Pipeline

    from debias.fit_reductions import mean_of, reduced
    from debias.fit_remover import remover
    from debias.learner import encoder, own_learner

    if method in ("reweighing", "resampling"):
        return own_learner(frame, 0).fit(frame, label)
    if method == "correlation_remover":
        return remover(frame, ("sex", "age"), 0).fit(frame, label)
    prepare, _ = encoder(frame)
    x = np.asarray(prepare.fit_transform(frame), dtype=np.float64)
    group = (frame["sex"] == "Male").to_numpy(np.int64)
    result = reduced(
        method == "grid_search", "demographic_parity", 0.05, x, (label == "paid").astype(np.int64), group, 1, 0
    )
    return Pipeline([("prepare", prepare), ("model", mean_of(*result, ["late", "paid"]))])


@pytest.mark.parametrize(
    "method", ["reweighing", "resampling", "correlation_remover", "exponentiated_gradient", "grid_search"]
)
def test_every_methods_own_pipeline_answers_the_same_as_onnx(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With categories never seen, rare ones, missing text and numbers, whole numbers and truth values."""
    from threadpoolctl import threadpool_limits

    monkeypatch.setattr("debias.fit_reductions.RUNS", 5)
    monkeypatch.setattr("debias.fit_reductions.GRID", 5)
    frame = people()
    columns = [*(["sex", "age"] if method == "correlation_remover" else ["sex"]), *FEATURES]
    train, test = (frame.loc[frame["split"] == part] for part in ("train", "test"))
    with threadpool_limits(1):
        model = fitted(method, train[columns], train["outcome"].to_numpy())
        inputs = SkopsModel(skops_bytes(model), ())
        result = to_onnx(inputs, test[columns], {"positive": np.array("paid")})
    assert str(result["reason"]) == ""
    assert float(result["difference"]) < 1e-12
    graph = OnnxModel(result["onnx"].tobytes())
    assert graph.facts.classes == ("late", "paid")
    assert set(graph.facts.features or ()) == set(columns)
    np.testing.assert_allclose(
        graph.scores(test[columns], "paid"), inputs.scores(test[columns], "paid"), rtol=0, atol=1e-12
    )
    np.testing.assert_allclose(
        graph.scores(test[columns], "late"), inputs.scores(test[columns], "late"), rtol=0, atol=1e-12
    )


def test_onnx_and_skops_audit_to_the_figures_of_the_comparison(
    case: Case, folder: Path, boosted: dict[str, Any]
) -> None:
    onnx, out = boosted["onnx"], folder / "boosted"
    assert onnx["file"] == "mitigated.onnx", onnx
    assert onnx["rows"] == boosted["splits"]["test"]
    assert onnx["difference"] < 1e-12
    assert onnx["decisions_differ"] == 0
    assert onnx["sha256"] == sha256((out / "mitigated.onnx").read_bytes())
    arm = boosted["arms"]["candidate"]
    for file in ("mitigated.skops", "mitigated.onnx"):
        again = audited(case, out / file, out / f"again {file}")
        for lists in ("rates", "gaps", "counts"):
            if file == "mitigated.skops":
                assert again[lists] == arm[lists], lists
            # Another order of additions may move the last digit of a score.
            assert [r for r in by_decision(again[lists]) if "p_value" not in r] == [
                r for r in by_decision(arm[lists]) if "p_value" not in r
            ], (file, lists)
            values = [[r.get(k) for k in ("value", "low", "high", "p_value")] for r in again[lists]]
            wanted = [[r.get(k) for k in ("value", "low", "high", "p_value")] for r in arm[lists]]
            np.testing.assert_allclose(np.array(values, dtype=float), np.array(wanted, dtype=float), atol=1e-9)
    assert "ONNX: mitigated.onnx" in "\n".join(summary(boosted))


@pytest.mark.parametrize("kind", ["logistic", "forest"])
def test_a_model_of_somebody_else_goes_through_the_public_converter(kind: str) -> None:
    """What reweighing fits again; in single precision where double has no converter, and compared all the same."""
    frame = people()
    # The public converters know no missing text; Assay's own graphs do.
    frame["branch"] = frame["branch"].fillna("none")
    train, test = (frame.loc[frame["split"] == part] for part in ("train", "test"))
    inputs = SkopsModel(skops_bytes(estimator(kind).fit(train[list(FEATURES)], train["outcome"])), ())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in the child: a converter's warnings are its own affair
        result = to_onnx(inputs, test[list(FEATURES)], {"positive": np.array("paid")})
    assert str(result["reason"]) == ""
    assert float(result["difference"]) <= 1e-5
    scores = OnnxModel(result["onnx"].tobytes()).scores(test[list(FEATURES)], "paid")
    np.testing.assert_allclose(scores, inputs.scores(test[list(FEATURES)], "paid"), rtol=0, atol=1e-5)


def test_what_no_converter_can_do_is_said_and_skops_is_whole(folder: Path) -> None:
    case = case_in(folder, "custom")
    out = folder / "custom"
    out.mkdir()
    (out / "mitigated.onnx").write_bytes(b"of an earlier candidate")
    mitigation = run_mitigate(case, "reweighing", out, attributes=["sex"], draws=DRAWS, onnx=True)
    assert mitigation["onnx"]["file"] is None
    assert "FunctionTransformer" in mitigation["onnx"]["reason"]
    assert json.loads((out / "mitigation.json").read_bytes())["onnx"] == mitigation["onnx"]
    assert not (out / "mitigated.onnx").exists()
    assert describe(out / "mitigated.skops").format == "skops"
    assert "not written" in "\n".join(summary(mitigation))


@pytest.mark.usefixtures("here")
def test_a_missing_library_is_one_message_after_everything_else(
    case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child cannot be patched from here, so the operation itself is asked, and what the parent does with it."""

    class Nothing:
        format = "skops"

    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ModelError, match="library is missing") as report:
        to_onnx(Nothing(), pd.DataFrame(), {"positive": np.array("paid")})  # type: ignore[arg-type]
    assert "requirements/extra" in report.value.message
    monkeypatch.undo()
    real = Worker.call

    def call(self: Worker, op: str, *args: Any, **more: Any) -> Any:
        if op == "to_onnx":
            raise report.value
        return real(self, op, *args, **more)

    monkeypatch.setattr(Worker, "call", call)
    out = folder / "missing"
    with pytest.raises(ModelError, match="library is missing"):
        run_mitigate(scored(case), "constrained_boosting", out, attributes=["sex"], draws=DRAWS, onnx=True)
    assert {p.name for p in out.iterdir()} - {".store"} == {
        "mitigated.skops",
        "mitigation.json",
        "mlbom.cdx.json",
        "modelcard.md",
        "provenance.json",
    }
    assert json.loads((out / "mitigation.json").read_bytes())["onnx"]["file"] is None


@pytest.mark.usefixtures("here")
def test_the_same_candidate_gives_the_same_bytes_of_every_file(
    case: Case, folder: Path, boosted: dict[str, Any]
) -> None:
    run_mitigate(
        scored(case), "constrained_boosting", folder / "twice", constraint="equalized_odds", attributes=["sex"],
        draws=DRAWS, onnx=True,
    )  # fmt: skip
    names = [
        "mitigated.onnx",
        "mitigated.skops",
        "mitigation.json",
        "mlbom.cdx.json",
        "modelcard.md",
        "provenance.json",
    ]
    assert sorted(p.name for p in (folder / "twice").iterdir()) == names
    for name in names:
        assert (folder / "twice" / name).read_bytes() == (folder / "boosted" / name).read_bytes(), name


def test_group_thresholds_are_a_model_that_the_same_commands_take(case: Case, folder: Path) -> None:
    """Bands of age and sex; the file holds the audited model; a group never seen is decided by the stated default."""
    out = folder / "thresholds"
    mitigation = run_mitigate(case, "group_thresholds", out, draws=DRAWS, onnx=True, tolerance=0.05)
    assert mitigation["onnx"]["file"] is None
    assert "a rule around it" in mitigation["onnx"]["reason"]
    file = describe(out / "mitigated.json")
    assert (file.format, file.sha256) == ("group-thresholds", mitigation["model"]["sha256"])
    again = audited(case, out / "mitigated.json", out / "again")
    arm = mitigation["arms"]["candidate"]
    for lists in ("rates", "gaps", "counts"):
        assert again[lists] == arm[lists], lists
    assert any("reads the sensitive value" in n and "sex" in n for n in again["notes"])
    # The model reads sex: the audit tries each person with another value of it.
    assert again["individual"]["model_flips"]
    table = json.loads((out / "mitigated.json").read_bytes())
    assert table["bins"] == {"age": [40.0]}
    rows = load_rows(case, everything=True)
    few = rows.frame.loc[rows.audit].head(60)
    with Worker(case.model.path) as old, Worker(out / "mitigated.json") as new:  # type: ignore[arg-type]
        before = old.scores(few, "paid")
        np.testing.assert_array_equal(new.scores(few.assign(sex="Other", age=np.nan), "paid"), before)
        after = new.scores(few, "paid")
        with pytest.raises(ModelError, match="another positive label"):
            new.scores(few, "late")
        with pytest.raises(ModelError, match="lack columns"):
            new.scores(few.drop(columns="sex"), "paid")
    at = {tuple(t["group"]): t["threshold"] for t in table["thresholds"]}
    own = [at[s, "<40" if a < 40 else ">=40"] for s, a in zip(few["sex"], few["age"], strict=True)]
    np.testing.assert_array_equal(after >= table["default"], before >= np.array(own))
    assert (after != before).any()


def test_group_thresholds_over_a_column_of_scores(case: Case, folder: Path) -> None:
    frame = people()
    frame["points"] = 100 * frame["proxy"] + 300
    frame.to_parquet(folder / "points.parquet")
    data = replace(case.data, path=folder / "points.parquet", features=None)
    case = replace(case, data=data, model=ModelSpec("score", column="points", threshold=360.0, threshold_given=True))
    out = folder / "points"
    mitigation = run_mitigate(case, "group_thresholds", out, draws=DRAWS, attributes=["sex"])
    model = replace(case, model=ModelSpec("path", out / "mitigated.json", threshold=360.0))
    again = run_audit(model, out / "again", Settings(draws=DRAWS)).evidence
    assert by_decision(again["rates"]) == by_decision(mitigation["arms"]["candidate"]["rates"])
    assert json.loads((out / "mitigated.json").read_bytes())["probability"] is False


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d | {"base": d["base"] | {"sha256": "0" * 64}},
        lambda d: d | {"base": d["base"] | {"content": "%%%"}},
        lambda d: d | {"base": d["base"] | {"format": "onnx"}},
        lambda d: {k: v for k, v in d.items() if k != "thresholds"},
        lambda d: d | {"thresholds": [{"group": ["a", "b", "c"], "threshold": 0.5}]},
        lambda d: d | {"thresholds": [{"group": ["Male", "<40"], "threshold": "many"}]},
        lambda d: d | {"attributes": []},
        lambda d: d | {"default": None},
    ],
)
def test_a_damaged_thresholds_file_is_one_message(spoil: Any, folder: Path, tmp_path: Path) -> None:
    document = json.loads((folder / "thresholds" / "mitigated.json").read_bytes())
    (tmp_path / "mitigated.json").write_text(json.dumps(spoil(document)))
    with pytest.raises(ModelError, match=r"group thresholds|another kind of model"):
        describe(tmp_path / "mitigated.json")


def test_the_model_inside_is_judged_as_if_it_came_alone(folder: Path, tmp_path: Path) -> None:
    """A pickle or an unknown type does not get in through the wrapper."""
    import base64
    import pickle

    document = json.loads((folder / "thresholds" / "mitigated.json").read_bytes())
    body = pickle.dumps({"a": 1})
    inner = {"format": "skops", "sha256": sha256(body), "content": base64.b64encode(body).decode(), "column": None}
    (tmp_path / "mitigated.json").write_text(json.dumps(document | {"base": inner}))
    with pytest.raises(ModelError, match="pickle"):
        describe(tmp_path / "mitigated.json")


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=40),
    st.floats(0, 1) | st.just(float(np.nextafter(1, 2))),
    st.floats(0.01, 1),
    st.booleans(),
)
def test_adjusted_scores_decide_as_the_groups_threshold_does(
    values: list[float], threshold: float, default: float, probability: bool
) -> None:
    score = np.array(values)
    result = adjusted(score, np.full(len(score), threshold), default, probability)
    np.testing.assert_array_equal(result >= default, score >= threshold)
    if probability:
        assert ((result >= 0) & (result <= 1)).all()
    order = np.argsort(score, kind="stable")
    assert (np.diff(result[order]) >= 0).all()
