"""A model in a process of its own: what it may not do, what happens when it fails, and that nothing else is harmed."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC

from audit.errors import ModelError
from audit.models import Limits, Worker
from audit.models import worker as worker_module
from audit.models.refit import refit, weights_matter
from audit.models.skops_model import SkopsModel

CODE = Path(__file__).parent / "code"
ALLOW = ("hostile_estimator.Hostile",)
GIB = 2**30


def deeds(*numbers: int) -> pd.DataFrame:
    return pd.DataFrame({"deed": list(numbers)})


def gone(pid: int) -> bool:
    """True where no such process is left, not even as a zombie."""
    return not Path(f"/proc/{pid}").exists()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Any]]:
    """The hostile model's file, and the same object here."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "secret").write_text("secret")
    (folder / "to-remove").write_text("kept")
    sys.path.insert(0, str(CODE))
    try:
        import hostile_estimator

        model = hostile_estimator.Hostile(str(folder), str(folder / "secret"), os.getpid())
        model.fit(np.zeros((2, 1)), np.array(["no", "yes"]))
        path = folder / "hostile.skops"
        skops.io.dump(model, path)
        yield path, model
    finally:
        sys.path.remove(str(CODE))
        sys.modules.pop("hostile_estimator", None)


@pytest.fixture(scope="module")
def worker(hostile: tuple[Path, Any]) -> Iterator[Worker]:
    os.environ["ASSAY_TEST_SECRET"] = "s3cret"
    try:
        with Worker(hostile[0], allow=ALLOW, code=[CODE], limits=Limits(memory_bytes=2 * GIB)) as opened:
            assert opened.info.classes == ("no", "yes")
            yield opened
    finally:
        del os.environ["ASSAY_TEST_SECRET"]


# Which word of `info.isolation` claims that these deeds are refused.
CLAIMS = {
    "no-network: ": (1, 2, 3),
    "no-processes: ": (10, 11, 30, 31),
    "files: ": (20, 21, 22, 23, 24, 25, 26),
}


@pytest.mark.parametrize("claim", list(CLAIMS))
def test_what_is_claimed_is_refused(claim: str, worker: Worker, hostile: tuple[Path, Any]) -> None:
    numbers = CLAIMS[claim]
    # Outside, each of these deeds works; otherwise a refusal inside would show nothing.
    outside = hostile[1].predict_proba(deeds(*numbers))[:, 1]
    assert outside.tolist() == [1.0] * len(numbers)
    inside = worker.scores(deeds(*numbers), "yes")
    claimed = any(word.startswith(claim) for word in worker.info.isolation)
    assert inside.tolist() == [0.0 if claimed else 1.0] * len(numbers)


def test_what_this_kernel_offers_is_used(worker: Worker) -> None:
    words = " ".join(worker.info.isolation)
    assert worker.info.isolation[:2] == ("process", "rlimits")
    libc = ctypes.CDLL(None)
    landlock = libc.syscall(444, None, ctypes.c_size_t(0), 1) >= 1
    seccomp = "Seccomp:" in Path("/proc/self/status").read_text() and platform.machine() in ("x86_64", "aarch64")
    assert ("landlock" in words) == landlock
    assert ("seccomp" in words) == seccomp


def test_limits_stay_and_secrets_are_not_passed_on(worker: Worker, hostile: tuple[Path, Any]) -> None:
    assert hostile[1].predict_proba(deeds(32, 33))[:, 1].tolist() == [1.0, 1.0]
    assert worker.scores(deeds(32, 33), "yes").tolist() == [0.0, 0.0]


def test_threads_work_and_prints_do_not_mix_with_answers(worker: Worker) -> None:
    assert worker.scores(deeds(40, 41, 40), "yes").tolist() == [1.0, 1.0, 1.0]


def test_a_model_that_raises_says_so_and_goes_on(worker: Worker) -> None:
    with pytest.raises(ModelError) as caught:
        worker.scores(deeds(50), "yes")
    assert caught.value.got.startswith("ValueError: bad [31mrow xxx")
    assert caught.value.got.isprintable()
    assert len(caught.value.got) <= 300
    with pytest.raises(ModelError, match="SystemExit: 3"):
        worker.scores(deeds(51), "yes")
    assert worker.scores(deeds(40), "yes").tolist() == [1.0]


def test_a_model_that_wants_too_much_memory_names_the_limit_and_goes_on(worker: Worker) -> None:
    with pytest.raises(ModelError) as caught:
        worker.scores(deeds(52), "yes")
    assert caught.value.expected == "at most 2,048 MiB"
    assert worker.scores(deeds(40), "yes").tolist() == [1.0]


def test_scores_that_are_not_numbers_are_counted(worker: Worker) -> None:
    with pytest.raises(ModelError) as caught:
        worker.scores(deeds(40, 53, 53), "yes")
    assert caught.value.got == "2 of 3 scores are NaN or infinite, the first in row 2"


def test_unknown_class_and_other_number_of_columns_are_refused(worker: Worker) -> None:
    with pytest.raises(ModelError) as caught:
        worker.scores(deeds(40), "yess")
    assert "'no', 'yes'" in caught.value.expected
    assert "did you mean 'yes'?" in caught.value.todo
    with pytest.raises(ModelError) as caught:
        worker.scores(deeds(40).assign(other=1), "yes")
    assert caught.value.got == "2 columns: deed, other"


def test_an_operation_outside_the_registry_is_refused(worker: Worker) -> None:
    with pytest.raises(ModelError) as caught:
        worker.call("os:system")
    assert "refit" in caught.value.expected


def test_no_rows_give_no_scores(worker: Worker) -> None:
    assert worker.scores(deeds(), "yes").shape == (0,)


ENDS = {
    100: ("the model's process crashed", "exit code 7", Limits()),
    101: ("the model's process crashed", "signal SIGSEGV", Limits()),
    102: ("the model took too long", "no answer within 1 second", Limits(wall_seconds=1.0)),
    103: ("the model's process gave an answer that cannot be read", "over the limit", Limits(wall_seconds=20.0)),
}


def test_a_model_that_ends_its_process_ends_nothing_else(hostile: tuple[Path, Any], worker: Worker) -> None:
    opened = [Worker(hostile[0], allow=ALLOW, code=[CODE], limits=end[2]).__enter__() for end in ENDS.values()]
    pids = [w._held.child.pid for w in opened if w._held is not None]
    assert len(pids) == len(ENDS)
    try:
        for ending, (deed, (problem, got, _limits)) in zip(opened, ENDS.items(), strict=True):
            with pytest.raises(ModelError) as caught:
                ending.scores(deeds(40, deed), "yes")
            assert caught.value.problem == problem
            assert got in caught.value.got
            # From then on the worker says so, and does not wait.
            with pytest.raises(ModelError, match="the model's process has ended"):
                ending.scores(deeds(40), "yes")
    finally:
        for ending in opened:
            ending.close()
    assert all(gone(pid) for pid in pids)
    assert worker.scores(deeds(40), "yes").tolist() == [1.0]
    assert (hostile[0].parent / "to-remove").read_text() == "kept"


def test_processor_time_over_the_limit_is_named(hostile: tuple[Path, Any]) -> None:
    with (
        Worker(hostile[0], allow=ALLOW, code=[CODE], limits=Limits(cpu_seconds=1)) as ending,
        pytest.raises(ModelError, match="used up its processor time") as caught,
    ):
        ending.scores(deeds(102), "yes")
    assert "1 second" in caught.value.got


def test_closing_while_it_loads_leaves_nothing(hostile: tuple[Path, Any]) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with Worker(hostile[0], allow=ALLOW, code=[CODE]) as closing:
        assert closing._held is not None
        pid = closing._held.child.pid
    assert gone(pid)
    assert set(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ModelError, match="the model's process has ended"):
        closing.scores(deeds(40), "yes")


def test_code_that_no_folder_holds_is_named(hostile: tuple[Path, Any]) -> None:
    with Worker(hostile[0], allow=ALLOW) as lost, pytest.raises(ModelError, match="hostile_estimator"):
        _ = lost.info


# -- what is asked and what comes back -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    n = 400
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "hours per week": rng.normal(40, 10, n),
            "kind": pd.Series(rng.choice(np.array(["x", "y", None], dtype=object), n), dtype=object),
        }
    )


@pytest.fixture(scope="module")
def forest(people: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Worker]]:
    """A pipeline with classes 1 and 2, as numbers, and an encoder that tells None from NaN."""
    y = np.where(people["age"] + people["hours per week"] > 85, 2, 1)
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(handle_unknown="error"), ["kind"]), remainder="passthrough"),
        RandomForestClassifier(15, random_state=0),
    ).fit(people, y)
    path = tmp_path_factory.mktemp("forest") / "forest.model"
    skops.io.dump(model, path)
    with Worker(path) as opened:
        yield model, opened


def test_scores_equal_the_library_and_leave_the_frame_alone(people: pd.DataFrame, forest: tuple[Any, Worker]) -> None:
    model, opened = forest
    shuffled = people[["kind", "hours per week", "age"]].assign(other="not sent")
    before = shuffled.copy(deep=True)
    scores = opened.scores(shuffled, "2")
    assert np.array_equal(scores, model.predict_proba(people)[:, 1])
    pd.testing.assert_frame_equal(shuffled, before)
    assert np.array_equal(opened.scores(shuffled, "1.0"), model.predict_proba(people)[:, 0])
    assert opened.info.estimator == "Pipeline(ColumnTransformer, RandomForestClassifier)"
    assert (opened.info.classes, opened.info.task, opened.info.output) == (("1", "2"), "classification", "probability")
    assert opened.info.features == ("age", "hours per week", "kind")


def test_chunks_change_nothing(
    people: pd.DataFrame, forest: tuple[Any, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = forest[1].scores(people, "2")
    monkeypatch.setattr(worker_module, "CHUNK_ROWS", 150)
    steps: list[tuple[int, int]] = []
    parts = forest[1].scores(people, "2", progress=lambda done, total: steps.append((done, total)))
    assert np.array_equal(whole, parts)
    assert steps == [(150, 400), (300, 400), (400, 400)]


def test_missing_columns_are_named_with_the_nearest(people: pd.DataFrame, forest: tuple[Any, Worker]) -> None:
    with pytest.raises(ModelError) as caught:
        forest[1].scores(people.rename(columns={"hours per week": "hours-per-week"}), "2")
    assert "missing 'hours per week'" in caught.value.got
    assert "'hours-per-week'" in caught.value.got
    assert "did you mean 'hours-per-week'?" in caught.value.todo


def test_an_unseen_category_is_the_models_own_message(people: pd.DataFrame, forest: tuple[Any, Worker]) -> None:
    with pytest.raises(ModelError) as caught:
        forest[1].scores(people.assign(kind="z"), "2")
    assert "Found unknown categories" in caught.value.got
    assert forest[1].scores(people.head(1), "2").shape == (1,)


def test_refit_uses_weights_and_repeats_byte_for_byte(people: pd.DataFrame, forest: tuple[Any, Worker]) -> None:
    model, opened = forest
    labels = np.array(["1", "2"] * 200)
    weight = np.where(labels == "1", 1.0, 3.0)
    first = opened.call("refit", people, labels=labels, sample_weight=weight, seed=1)
    again = opened.call("refit", people, labels=labels, sample_weight=weight, seed=1)
    assert first["model"].tobytes() == again["model"].tobytes()
    assert str(first["weights"]) == "given to RandomForestClassifier, the pipeline's last step"
    assert (int(first["weights_used"]), int(first["weights_effect"])) == (1, 1)
    trusted = ["sklearn.tree._tree.Tree", "sklearn.compose._column_transformer._RemainderColsList"]
    got = skops.io.loads(first["model"].tobytes(), trusted=trusted)
    from sklearn.base import clone

    expected = clone(model).fit(people, np.where(labels == "1", 1, 2), randomforestclassifier__sample_weight=weight)
    assert np.array_equal(got.predict_proba(people), expected.predict_proba(people))
    plain = opened.call("refit", people, labels=labels, seed=1)
    assert (str(plain["weights"]), int(plain["weights_used"])) == ("none given", 0)
    assert not np.array_equal(
        skops.io.loads(plain["model"].tobytes(), trusted=trusted).predict_proba(people), got.predict_proba(people)
    )


def test_refit_refuses_labels_that_are_no_class(people: pd.DataFrame, forest: tuple[Any, Worker]) -> None:
    with pytest.raises(ModelError, match="no class of the name"):
        forest[1].call("refit", people, labels=np.array(["1", "3"] * 200))
    with pytest.raises(ModelError, match="weights for training cannot be used"):
        forest[1].call("refit", people, labels=np.array(["1", "2"] * 200), sample_weight=np.full(400, -1.0))


def built(model: Any) -> SkopsModel:
    """As the child builds it, in this process."""
    return SkopsModel(skops.io.dumps(model), ())


def test_models_without_probabilities_say_so() -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(120, 2)), columns=["a", "b"])
    model = LinearSVC().fit(frame, frame["a"] > 0)
    svc = built(model)
    assert np.array_equal(svc.scores(frame, "True"), model.predict(frame).astype(float))
    assert np.array_equal(svc.scores(frame, "true"), svc.scores(frame, "True"))
    assert (svc.facts.output, svc.facts.classes) == ("decision", ("False", "True"))
    assert "no probabilities" in svc.facts.notes[0]


def test_a_regression_gives_its_value() -> None:
    frame = pd.DataFrame({"a": [0.0, 1.0, 2.0]})
    line = built(LinearRegression().fit(frame, frame["a"] * 2 + 1))
    assert line.scores(frame, "whatever").tolist() == pytest.approx([1, 3, 5])
    assert (line.facts.task, line.facts.output, line.facts.classes) == ("regression", "value", ())


def test_columns_by_position_and_an_estimator_without_weights() -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(120, 2)), columns=["a", "b"])
    truth = (frame["a"] > 0).to_numpy()
    model = KNeighborsClassifier().fit(frame.to_numpy(), truth.astype(float))
    near = built(model)
    assert (near.facts.features, near.facts.columns, near.facts.classes) == (None, 2, ("0.0", "1.0"))
    assert np.array_equal(near.scores(frame, "1"), model.predict_proba(frame.to_numpy())[:, 1])
    labels = np.where(truth, "1", "0").astype(object)
    report = refit(near, frame, {"labels": labels, "sample_weight": np.ones(120)})
    assert int(report["weights_used"]) == 0
    assert str(report["weights"]) == "KNeighborsClassifier takes no weights: trained without them"


class TakesWeightsAndIgnoresThem(LogisticRegression):
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        return super().fit(X, y)


def test_weights_that_are_taken_and_ignored_are_found_out() -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(120, 2)), columns=["a", "b"])
    truth = np.where(frame["a"] + rng.normal(size=120) > 0, "yes", "no").astype(object)
    effects = []
    for model in (LogisticRegression(), TakesWeightsAndIgnoresThem()):
        effects.append(weights_matter(model, frame, np.asarray(truth, dtype=str), "sample_weight"))
    assert effects == [True, False]


def test_an_unfitted_model_is_refused() -> None:
    with pytest.raises(ModelError, match="the model is not fitted"):
        built(LogisticRegression())
    with pytest.raises(ModelError, match="does not predict"):
        built(OneHotEncoder())


def test_tree_attributions_run_inside(people: pd.DataFrame, tmp_path: Path) -> None:
    """shap, and what it imports and compiles, works in a process that may write nowhere."""
    rows = people[["age", "hours per week"]]
    model = RandomForestClassifier(5, max_depth=3, random_state=0).fit(rows, (rows["age"] > 50).astype(int))
    skops.io.dump(model, tmp_path / "m.skops")
    with Worker(tmp_path / "m.skops") as opened:
        report = opened.call("native_attributions", rows, rows=20, positive="1", output="probability")
        assert report["values"].shape == (20, 2)
        total = report["values"].sum(axis=1) + report["base"]
        assert np.allclose(total, opened.scores(rows.head(20), "1"), atol=1e-6)
