"""Every row of the table does what it says: stage, needs, constraints; bounded loss; the correlation remover."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.case import Case, DataSpec, ModelSpec
from audit.errors import GateBroken, InputError
from audit.gaps import Settings
from audit.load import load_policy, load_rows
from audit.models import Worker
from audit.run import run_audit
from debias.fit_reductions import reduced
from debias.methods.boost import BoostSettings, boost, bounds_of, gap_of
from debias.methods.method import BOUNDED_LOSS, CONSTRAINTS
from debias.methods.table import METHODS, constraint_for
from debias.mitigate import run_mitigate, summary

pytestmark = pytest.mark.usefixtures("coarse_calibration")

DRAWS = 40
FEATURES = ("merit", "proxy", "branch")


def hard(seed: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A majority that merit decides, and a minority (one in seven) in which another column does."""
    rng = np.random.default_rng(seed)
    group = (rng.random(n) < 0.15).astype(np.int64)
    other = rng.integers(0, 3, n)
    a, b = rng.normal(size=n), rng.normal(size=n)
    mark = group + rng.normal(scale=0.35, size=n)
    label = (np.where(group == 1, b - 0.8 * a, a) + rng.normal(scale=0.5, size=n) > 0).astype(np.int64)
    return np.column_stack([a, b, mark]), label, group, other


def errors(label: np.ndarray, decided: np.ndarray, group: np.ndarray) -> np.ndarray:
    return np.array([float((decided[group == g] != label[group == g]).mean()) for g in np.unique(group)])


def bounded(tolerance: float, loss_from: float = 0.2, trees: int = 40) -> tuple[Any, np.ndarray]:
    """The run, and each group's error on people it never saw."""
    import lightgbm as lgb

    x, label, group, _ = hard(0, 4000)
    learn = np.arange(len(label)) % 4 != 0
    bounds, small = bounds_of(BOUNDED_LOSS, [("group", group)], label, 1, learn)
    assert small == []
    settings = BoostSettings(trees=trees, leaves=5, learning_rate=0.05)
    done = boost(x, label, None, bounds, learn, tolerance=tolerance, settings=settings, loss_from=loss_from, seed=3)
    x, label, group, _ = hard(9, 20_000)
    return done, errors(label, np.asarray(lgb.Booster(model_str=done.text).predict(x) >= 0.5), group)


def test_bounded_loss_lowers_the_worst_groups_error() -> None:
    free, before = bounded(0.8)
    held, after = bounded(0.0)
    assert before[1] > before[0] + 0.1
    assert after[1] < before[1] - 0.03
    assert after[0] < before[0] + 0.05
    assert free.met
    assert all(v >= 0 for v in held.multipliers["group"])
    # The group that errs most is the one that counts more.
    assert held.multipliers["group"][1] > held.multipliers["group"][0]


def test_what_bounded_loss_reports_is_the_largest_error_on_rows_not_learned_from() -> None:
    import lightgbm as lgb

    done, _ = bounded(0.0)
    x, label, group, _ = hard(0, 4000)
    held = np.arange(len(label)) % 4 == 0
    decided = np.asarray(lgb.Booster(model_str=done.text).predict(x) >= 0.5)
    worst = errors(label[held], decided[held], group[held]).max()
    assert done.gap == pytest.approx(worst - 0.2, abs=1e-12)
    assert done.met == (done.gap <= 0)
    assert bounded(0.0)[0].text == done.text


def test_exponentiated_gradient_serves_bounded_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("debias.fit_reductions.RUNS", 5)
    x, label, group, _ = hard(0, 1000)
    fresh, truth, groups, _ = hard(9, 6000)

    def worst(tolerance: float) -> float:
        members, shares = reduced(False, BOUNDED_LOSS, tolerance, x, label, group, 1, 0, loss_from=0.05)
        score = sum(s * m.predict_proba(fresh)[:, 1] for s, m in zip(shares, members, strict=True))
        return float(errors(truth, np.asarray(score >= 0.5), groups).max())

    assert worst(0.0) <= worst(0.9) + 0.01


@pytest.mark.parametrize("constraint", ["demographic_parity", "equal_opportunity", "equalized_odds"])
def test_several_attributes_and_their_intersection_at_once(constraint: str) -> None:
    """Each bound is held at once, on people never seen; twice the same text."""
    import lightgbm as lgb

    def people(seed: int, n: int) -> tuple[np.ndarray, np.ndarray, list[tuple[str, np.ndarray]]]:
        rng = np.random.default_rng(seed)
        sex, race, old = rng.integers(0, 2, n), rng.integers(0, 2, n), rng.integers(0, 2, n)
        merit = rng.normal(size=n)
        x = np.column_stack([merit + rng.normal(scale=0.7, size=n), sex, race, old + rng.normal(scale=0.4, size=n)])
        # Against those of both: no single attribute shows all of it.
        label = (merit + 0.4 * sex + 0.3 * old - 0.9 * (sex & race) + rng.normal(scale=0.6, size=n) > 0).astype(int)
        named = [("sex", sex), ("race", race), ("old", old), ("all", sex * 4 + race * 2 + old)]
        return x, label, named

    x, label, named = people(0, 5000)
    learn = np.arange(len(label)) % 4 != 0
    settings = BoostSettings(trees=60, leaves=8)
    texts, gaps = [], []
    for tolerance, seed in ((1.0, 0), (0.05, 0), (0.05, 0)):
        bounds, _ = bounds_of(constraint, named, label, 1, learn)
        done = boost(x, label, None, bounds, learn, tolerance=tolerance, settings=settings, seed=seed)
        texts.append(done.text)
        fresh, truth, groups = people(50, 20_000)
        decided = (lgb.Booster(model_str=done.text).predict(fresh) >= 0.5).astype(float)
        everyone = np.ones(len(truth), dtype=bool)
        each = [bounds_of(constraint, [g], truth, 1, everyone)[0] for g in groups]
        gaps.append([gap_of(b, decided, np.ones(len(truth))) for b in each])
    assert texts[1] == texts[2] != texts[0]
    free, held = gaps[0], gaps[1]
    assert max(free) > 0.2
    assert max(held) < 0.6 * max(free)
    for before, after in zip(free, held, strict=True):
        assert after <= max(before, 0.05) + 0.03


# -- whole runs ----------------------------------------------------------------------------------------------------


def people(n: int = 1500, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    sex = rng.choice(["Female", "Male"], n)
    merit = rng.normal(size=n)
    frame = pd.DataFrame(
        {
            "merit": merit + 0.8 * (sex == "Male") + rng.normal(scale=0.5, size=n),
            "proxy": 3.0 * (sex == "Male") + rng.normal(scale=0.6, size=n),
            "branch": rng.choice(["north", "south"], n),
            "sex": sex,
            "age": rng.integers(20, 70, n).astype(float),
            "outcome": np.where(merit + 1.2 * (sex == "Male") + rng.normal(scale=0.8, size=n) > 0.9, "paid", "late"),
            "split": np.where(np.arange(n) % 5 < 3, "train", "test"),
            "w": rng.uniform(0.5, 2, n),
        }
    )
    frame.loc[::17, "proxy"] = np.nan
    return frame


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    folder = tmp_path_factory.mktemp("methods")
    frame = people()
    train = frame[frame["split"] == "train"]
    prepare = ColumnTransformer([("text", OneHotEncoder(), ["branch"])], remainder=SimpleImputer())
    fitted = Pipeline([("prepare", prepare), ("model", LogisticRegression())])
    fitted.fit(train[list(FEATURES)], train["outcome"])
    score = fitted.predict_proba(frame[list(FEATURES)])[:, 1]
    frame.assign(score=score).to_parquet(folder / "people.parquet")
    data = DataSpec(
        path=folder / "people.parquet",
        label="outcome",
        positive="paid",
        favourable="paid",
        sensitive=("sex", "age"),
        split="split",
        train="train",
        audit="test",
        features=FEATURES,
        bins={"age": (45.0,)},
        weight="w",
    )
    return Case("People", "Who gets a loan", data, ModelSpec("score", column="score", threshold=0.5), load_policy(None))


def gap(arm: dict[str, Any], attribute: str) -> float:
    items = [g for g in arm["gaps"] if (g["metric"], g["kind"]) == ("selection_rate", "difference")]
    return float(next(g["value"] for g in items if g["attribute"] == [attribute]))


@pytest.mark.usefixtures("here")
def test_the_correlation_remover_needs_the_sensitive_columns_to_decide(case: Case, tmp_path: Path) -> None:
    """They are inputs of the saved pipeline, an audit hands them over, and both are said."""
    mitigation = run_mitigate(case, "correlation_remover", tmp_path / "run", draws=DRAWS)
    assert mitigation["needs_sensitive_at_decision"] is True
    assert mitigation["notice"] in "\n".join(summary(mitigation))
    assert any("at every decision" in n for n in mitigation["notes"])
    assert any("takes no survey weights" in n for n in mitigation["notes"])
    assert gap(mitigation["arms"]["candidate"], "sex") < 0.7 * gap(mitigation["arms"]["original"], "sex")
    model = tmp_path / "run" / "mitigated.skops"
    again = run_audit(replace(case, model=ModelSpec("path", model)), tmp_path / "again", Settings(draws=DRAWS))
    for lists in ("rates", "gaps", "counts"):
        assert again.evidence[lists] == mitigation["arms"]["candidate"][lists]
    assert any("reads the sensitive value" in n and "age, sex" in n.replace("sex, age", "age, sex")
               for n in again.evidence["notes"])  # fmt: skip
    rows = load_rows(case, everything=True)
    with Worker(model) as worker:
        assert set(worker.info.features or ()) == {*FEATURES, "sex", "age"}
        few = rows.frame.loc[rows.audit].head(30)
        changed = worker.scores(few.assign(sex=np.where(few["sex"] == "Male", "Female", "Male")), "paid")
        unknown = worker.scores(few.assign(sex="Other"), "paid")
        assert (worker.scores(few, "paid") != changed).any()
        assert np.isfinite(unknown).all()


def test_what_is_left_does_not_follow_the_sensitive_columns() -> None:
    """By hand: after the removal no feature is correlated with a sensitive column on the training rows."""
    from debias.fit_remover import remover

    frame = people(seed=4)[["sex", "age", *FEATURES]]
    model = remover(frame, ("sex", "age"), 0)
    left = np.asarray(model[:-1].fit(frame).transform(frame))
    assert left.shape == (len(frame), 4)
    for sensitive in ((frame["sex"] == "Male").to_numpy(float), frame["age"].to_numpy()):
        for column in left.T:
            assert abs(np.corrcoef(column, sensitive)[0, 1]) < 1e-9
    names = [type(s).__name__ for _, s in model.steps]
    assert names == ["ColumnTransformer", "CorrelationRemover", "HistGradientBoostingClassifier"]


@pytest.mark.usefixtures("here")
def test_bounded_loss_from_end_to_end_and_at_the_gate(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("debias.fit_reductions.RUNS", 5)
    mitigation = run_mitigate(
        case, "constrained_boosting", tmp_path / "run", constraint="bounded_loss", tolerance=0.1, draws=DRAWS
    )
    aim = mitigation["constraint"]
    assert aim["bound"] == pytest.approx(mitigation["parameters"]["loss_from"] + 0.1)
    accuracy = [
        r for r in mitigation["arms"]["candidate"]["rates"] if r["metric"] == "accuracy" and len(r["attribute"]) == 1
    ]
    assert aim["largest_error"] == pytest.approx(1 - min(r["value"] for r in accuracy))
    assert aim["reached"] == pytest.approx(aim["largest_error"] - aim["from"])
    assert aim["met"] == (aim["reached"] <= 0.1)
    assert [b["attribute"] for b in aim["by"]][:2] == [["sex"], ["age"]]
    # Nothing can err less than nobody: the best reached is said, and the gate ends with 3.
    with pytest.raises(GateBroken, match="bounded loss was not met") as broken:
        run_mitigate(
            case, "exponentiated_gradient", tmp_path / "gate", constraint="bounded_loss", tolerance=0.0, gate=True,
            attributes=["sex"], draws=DRAWS,
        )  # fmt: skip
    assert "the best that" in broken.value.message
    assert broken.value.exit_code == 3


def test_every_method_takes_its_constraints_and_refuses_the_others() -> None:
    assert set(CONSTRAINTS) == {"demographic_parity", "equal_opportunity", "equalized_odds", "bounded_loss"}
    for method in METHODS.values():
        for constraint in CONSTRAINTS:
            if constraint in method.constraints:
                assert constraint_for(method, constraint) == constraint
            else:
                with pytest.raises(InputError, match="does not aim at"):
                    constraint_for(method, constraint)
        with pytest.raises(InputError, match=r"no such constraint.*did you mean 'equalized_odds'"):
            constraint_for(method, "equalised_odds")
    serve = [m.name for m in METHODS.values() if BOUNDED_LOSS in m.constraints]
    assert serve == ["constrained_boosting", "exponentiated_gradient", "grid_search"]
    stages = {m.name: m.stage for m in METHODS.values()}
    assert stages == {
        "reweighing": "pre",
        "resampling": "pre",
        "correlation_remover": "pre",
        "constrained_boosting": "in",
        "exponentiated_gradient": "in",
        "grid_search": "in",
        "group_thresholds": "post",
    }


def test_the_screen_shows_the_notice_and_names_every_aim() -> None:
    """The screen's own source: what it shows comes from the table, and each constraint has words."""
    assert all(row.words for row in CONSTRAINTS.values())


def test_every_test_that_the_page_names_is_there() -> None:
    """docs/mitigation.md: trap -> test; methods and constraints as in the table."""
    import re

    here = Path(__file__).parent
    page = (here.parents[1] / "docs" / "mitigation.md").read_text(encoding="utf-8")
    traps = re.findall(r"^\| \d\. .*$", page, flags=re.MULTILINE)
    assert len(traps) == 7
    for trap in traps:
        file = ""
        for name in re.findall(r"`([^`]+)`", trap.split("|")[2]):
            file = name.split("::")[0] if "::" in name else file
            wanted = name.split("::")[-1].removesuffix("...")
            assert re.search(rf"^def {wanted}", (here / file).read_text(encoding="utf-8"), flags=re.MULTILINE), name
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]+) \|", page, flags=re.MULTILINE)
    assert [name for name, _, _ in rows] == list(METHODS)
    stages = {"pre": "data", "in": "learning", "post": "decision"}
    for name, stage, reads in rows:
        assert stage == stages[METHODS[name].stage]
        assert reads.startswith("**") == METHODS[name].needs_sensitive_at_decision
