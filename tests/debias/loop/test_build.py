"""Challengers by each method: made from rows alone, kept by their content, able to decide later rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit.case import Case
from audit.models.write import skops_bytes
from debias.loop.build import Lesson, build, point_gap, stand
from debias.loop.serve import Servers, coded_rows, labels_of, pack_decisions, unpack_decisions
from debias.loop.store import Served, Store
from tests.debias.loop.fed import people, write_case

KEY = "selection_rate/difference/sex"


def rows(n: int = 800, seed: int = 0) -> pd.DataFrame:
    """Outcomes that income tells, and a record that tells a person's sex and nothing else."""
    frame = people(n // 100, 100, seed=seed, gap=0.0)
    rng = np.random.default_rng(seed + 1)
    frame["record"] = (np.where(frame["sex"] == "M", 1.5, -1.5) + rng.normal(0, 1, n)).round(3)
    return frame


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A model that learned from outcomes in which most women who repaid were entered as late."""
    from sklearn.linear_model import LogisticRegression

    folder = tmp_path_factory.mktemp("built")
    learn = rows(seed=7)
    wrong = (learn["sex"] == "F") & (np.random.default_rng(0).random(len(learn)) < 0.7)
    model = LogisticRegression().fit(learn[["income", "record"]], learn["repaid"].where(~wrong, "no"))
    (folder / "model.skops").write_bytes(skops_bytes(model))
    built = write_case(folder, rows(), model='path = "model.skops"\nthreshold = 0.5')
    return replace(built, data=replace(built.data, features=("income", "record")))


def lesson(case: Case, frame: pd.DataFrame, broken: tuple[str, ...] = (KEY,)) -> Lesson:
    return Lesson(case, case.policy, frame, case.data.features or (), "f" * 64, broken, 0)


def own(case: Case, store: Store) -> Served:
    """The case's model in the store."""
    if case.model.kind != "path":
        return store.serve(
            method="case", file=None, format=None, threshold=case.model.threshold, attributes=[], groups=[], base=None
        )
    assert case.model.path is not None
    file = store.put(case.model.path.read_bytes(), "skops")
    return store.serve(
        method="case", file=file, format="skops", threshold=0.5, attributes=[], groups=[], base=None
    )  # fmt: skip


def gap(frame: pd.DataFrame, positive: np.ndarray) -> float:
    share = pd.Series(positive).groupby(frame["sex"].to_numpy()).mean()
    return float(share.max() - share.min())


@pytest.mark.parametrize("method", ["reweighing", "constrained_boosting", "search", "group_thresholds"])
def test_a_challenger_is_nearer_to_the_norm_on_later_people(case: Case, tmp_path: Path, method: str) -> None:
    store, frame, later = Store(tmp_path), rows(), rows(seed=5)
    with Servers(case, store) as servers:
        running = own(case, store)
        built = build(lesson(case, frame), method, running, servers, store)
        assert built.model is not None, built.problem
        before = servers.decide(running, later, case.data.features or ()).positive
        after = servers.decide(store.served(built.model), later, case.data.features or ()).positive
        if method == "constrained_boosting":
            again = build(lesson(case, frame), method, running, servers, store)
            assert again.model == built.model, "the same rows and seed make the same challenger"
    assert gap(later, after) < gap(later, before) - 0.1
    assert built.facts is not None
    assert built.facts["data"] == "f" * 64
    label = labels_of(case, later)
    assert (after != label).mean() < (before != label).mean()


def test_a_threshold_for_decisions_alone_cannot_be_had_and_that_is_said(case: Case, tmp_path: Path) -> None:
    decided = replace(case, model=replace(case.model, kind="decision", path=None, column="granted"))
    store = Store(tmp_path)
    with Servers(decided, store) as servers:
        running = own(decided, store)
        built = build(lesson(decided, rows()), "threshold", running, servers, store)
        assert (built.model, built.problem) == (None, "the running model gives decisions and no scores.")
        # A model can still be learned beside decisions that a person made.
        built = build(lesson(decided, rows()), "constrained_boosting", running, servers, store)
        assert built.model is not None, built.problem
        served = store.served(built.model)
        assert len(servers.decide(served, rows(seed=5), ("income", "record")).positive) == 800


def test_too_few_rows_are_one_sentence_and_no_exception(case: Case, tmp_path: Path) -> None:
    store = Store(tmp_path)
    with Servers(case, store) as servers:
        built = build(lesson(case, rows().iloc[:12]), "constrained_boosting", own(case, store), servers, store)
    assert built.model is None
    assert "few rows" in (built.problem or "")


def test_a_library_that_gives_up_does_not_stop_the_loop(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise FloatingPointError("singular")

    monkeypatch.setattr("debias.loop.build._task", breaks)
    store = Store(tmp_path)
    with Servers(case, store) as servers:
        built = build(lesson(case, rows()), "reweighing", own(case, store), servers, store)
    assert built.problem == "it failed (FloatingPointError: singular)."


def test_where_decisions_stand_by_hand(case: Case) -> None:
    frame = pd.DataFrame({"sex": ["F"] * 40 + ["M"] * 40, "repaid": (["yes"] * 20 + ["no"] * 20) * 2})
    positive = np.array([1] * 10 + [0] * 30 + [1] * 30 + [0] * 10)
    result = stand(lesson(case, frame, (KEY, "harm/sex=F")), coded_rows(case, frame, positive, labels_of(case, frame)))
    # 10 of 40 and 30 of 40: a gap of 0.5, 0.34 over the level for promotion. Wrong: 10 women, 10 men.
    assert result.excess == pytest.approx(0.5 - 0.16)
    assert result.error == pytest.approx(20 / 80)
    assert result.harmed == (pytest.approx(10 / 40),)
    assert not result.better(result)
    from audit.cube import cube_of

    coded = coded_rows(case, frame, positive, labels_of(case, frame))
    norm = case.policy.norms[0]
    assert point_gap(norm, cube_of(coded).margin(("sex",)), 30) == pytest.approx(0.5)
    assert point_gap(norm, cube_of(coded).margin(("sex",)), 41) is None
    assert point_gap(replace(norm, kind="ratio"), cube_of(coded).margin(("sex",)), 30) == pytest.approx(1 / 3)


def test_decisions_until_outcomes_are_due_take_a_bit_each() -> None:
    rng = np.random.default_rng(0)
    mapping = {"a" * 64: rng.integers(0, 2, 1001), "b" * 64: rng.integers(0, 2, 1001)}
    packed = pack_decisions(mapping)
    assert len(packed) < 2 * (1001 / 8 * 4 / 3 + 80) + 30
    n, result = unpack_decisions(packed)
    assert n == 1001
    assert {k: v.tolist() for k, v in result.items()} == {k: v.tolist() for k, v in mapping.items()}
