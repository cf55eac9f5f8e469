"""The table: boosting libraries' own files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io

from tests.audit.models.zoo.people import NUMBERS
from tests.audit.models.zoo.rows import KINDS, Kind, Made, good, kind

RIGHT = 'classes = { 0 = "denied", 1 = "approved" }'
TURNED = 'classes = { 0 = "approved", 1 = "denied" }'


def _boosted() -> None:
    import lightgbm
    import xgboost

    def light(name: str, target: str, value: object, form: str = "m.txt", **more: Any) -> None:
        def make(folder: Path, frame: pd.DataFrame) -> Made:
            rows = frame[NUMBERS]
            model = lightgbm.LGBMClassifier(n_estimators=4, min_child_samples=5, verbose=-1, n_jobs=1)
            model.fit(rows, frame[target])
            if form.endswith("skops"):
                skops.io.dump(model, folder / form)
            else:
                model.booster_.save_model(folder / form)
            return form, good(frame, model.predict(rows), value)

        KINDS.append(Kind(name, make, **more))

    light("LightGBM text, words", "words", "approved", refused=("which of the model's classes",), choose=(TURNED,))
    light("LightGBM text, bits", "bits", 1, label="bits", positive="1")
    light("LightGBM text, bits, positive 0", "bits", 0, label="bits", positive="0")
    light("LightGBM text, 1 and 2", "steps", 2, label="steps", positive="2", refused=("which of the model's classes",),
          choose=('classes = { 0 = "1", 1 = "2" }',))  # fmt: skip
    light("LightGBM text, 1 and 2, positive 1", "steps", 1, label="steps", positive="1",
          refused=("which of the model's classes",), choose=('classes = { 0 = "1", 1 = "2" }',))  # fmt: skip
    light("LightGBM text, -1 and 1", "signs", 1, label="signs", positive="1", refused=("which of the model's",),
          choose=('classes = { 0 = "-1", 1 = "1" }',))  # fmt: skip
    light("LightGBM as skops", "words", "approved", "m.skops")

    @kind("LightGBM, an objective of its own", refused=("no probability and no decision", "which of the model's"),
          choose=('link = "logit"', RIGHT))  # fmt: skip
    def own_objective(folder: Path, frame: pd.DataFrame) -> Made:
        def slope(result: Any, data: Any) -> Any:
            p = 1 / (1 + np.exp(-result))
            return p - data.get_label(), p * (1 - p)

        data = lightgbm.Dataset(frame[NUMBERS], frame["bits"])
        model = lightgbm.train({"objective": slope, "verbose": -1, "num_threads": 1}, data, 4)
        model.save_model(folder / "m.txt")
        return "m.txt", model.predict(frame[NUMBERS]) >= 0

    def extreme(name: str, target: str, value: object, form: str = "m.json", how: Any = None, **more: Any) -> None:
        def make(folder: Path, frame: pd.DataFrame) -> Made:
            rows = frame[NUMBERS]
            model = xgboost.XGBClassifier(n_estimators=4, n_jobs=1, **(how or {})).fit(rows, frame[target])
            if form.endswith("skops"):
                skops.io.dump(model, folder / form)
            else:
                model.save_model(folder / form)
            return form, good(frame, model.predict(rows), value)

        KINDS.append(Kind(name, make, **more))

    coded = {name: at for at, name in enumerate(("approved", "denied", "later"))}
    among = 'classes = { 0 = "approved", 1 = "denied", 2 = "later" }'

    @kind("LightGBM text, three classes, Windows' line ends", label="three", refused=("which of the model's classes",),
          choose=(among,))  # fmt: skip
    def three_light(folder: Path, frame: pd.DataFrame) -> Made:
        model = lightgbm.LGBMClassifier(n_estimators=3, min_child_samples=5, verbose=-1, n_jobs=1)
        model.fit(frame[NUMBERS], frame["three"])
        (folder / "m.txt").write_bytes(model.booster_.model_to_string().replace("\n", "\r\n").encode())
        return "m.txt", good(frame, model.predict(frame[NUMBERS]))

    for at, meant in (("1", 1), ("2", 2)):  # both are names of the label and places of other classes
        numbered = 'classes = { 0 = "1", 1 = "2", 2 = "10" }'

        @kind(f"LightGBM text, grades 1, 2 and 10, positive {at}", label="grades", positive=at,
              refused=("which of the model's classes",), choose=(numbered,))  # fmt: skip
        def graded(folder: Path, frame: pd.DataFrame, meant: int = meant) -> Made:
            model = lightgbm.LGBMClassifier(n_estimators=3, min_child_samples=5, verbose=-1, n_jobs=1)
            model.fit(frame[NUMBERS], frame["grades"]).booster_.save_model(folder / "m.txt")
            return "m.txt", good(frame, model.predict(frame[NUMBERS]), meant)

    @kind("XGBoost, three classes, stopped early", label="three", refused=("which of the model's classes",),
          choose=(among,), note="stopped early")  # fmt: skip
    def three_extreme(folder: Path, frame: pd.DataFrame) -> Made:
        rows, y = frame[NUMBERS], frame["three"].map(coded)
        model = xgboost.XGBClassifier(n_estimators=30, n_jobs=1, early_stopping_rounds=2)
        model.fit(rows[:120], y[:120], eval_set=[(rows[120:], y[120:])], verbose=False)
        model.save_model(folder / "m.json")
        return "m.json", good(frame, model.predict(rows), 0)

    @kind("XGBoost with categories, stopped early", label="bits", positive="1", features=("age", "pay", "job"),
          note="stopped early")  # fmt: skip
    def early(folder: Path, frame: pd.DataFrame) -> Made:
        rows = frame[["age", "pay", "job"]].astype({"job": "category"})
        model = xgboost.XGBClassifier(n_estimators=30, n_jobs=1, early_stopping_rounds=2, enable_categorical=True)
        model.fit(rows[:120], frame.bits[:120], eval_set=[(rows[120:], frame.bits[120:])], verbose=False)
        model.save_model(folder / "m.ubj")
        return "m.ubj", good(frame, model.predict(rows), 1)

    def wrapped(name: str, make: Any) -> None:
        """A wrapper that was trained on pandas' categories, as skops: it is given text, as a file holds it."""

        def write(folder: Path, frame: pd.DataFrame) -> Made:
            rows = frame[["job", "age", "pay"]].astype({"job": "category"})
            model = make().fit(rows, frame["bits"])
            skops.io.dump(model, folder / "m.skops")
            return "m.skops", good(frame, model.predict(rows), 1)

        KINDS.append(Kind(name, write, label="bits", positive="1", features=("job", "age", "pay")))

    wrapped("LightGBM with categories, as skops", lambda: lightgbm.LGBMClassifier(n_estimators=4, min_child_samples=5,
            verbose=-1, n_jobs=1))  # fmt: skip
    wrapped("XGBoost with categories, as skops", lambda: xgboost.XGBClassifier(n_estimators=4, n_jobs=1,
            enable_categorical=True))  # fmt: skip

    def trained(name: str, stop: int | None, at: float, how: dict[str, Any], **more: Any) -> None:
        def make(folder: Path, frame: pd.DataFrame) -> Made:
            whole = xgboost.DMatrix(frame[NUMBERS], frame["bits"])
            parts = [xgboost.DMatrix(frame[NUMBERS][s], frame.bits[s]) for s in (slice(0, 120), slice(120, None))]
            model = xgboost.train({"nthread": 1, **how}, parts[0], 30, evals=[(parts[1], "v")], verbose_eval=False,
                                  early_stopping_rounds=stop)  # fmt: skip
            model.save_model(folder / "m.json")
            return "m.json", model.predict(whole) >= at

        KINDS.append(Kind(name, make, label="bits", positive="1", **more))

    trained("XGBoost's own training, stopped early", 3, 0.5, {"objective": "binary:logistic"}, note="all ")
    trained("XGBoost, a ranking", None, 0.0, {"objective": "rank:pairwise"}, choose=("threshold = 0.0",),
            refused=("no probability and no decision",))  # fmt: skip
    extreme("XGBoost", "bits", 1, label="bits", positive="1")
    extreme("XGBoost, positive 0", "bits", 0, label="bits", positive="0")
    extreme("XGBoost, UBJSON, for words", "bits", 1, "m.ubj", refused=("which of the model's",), choose=(RIGHT,))
    extreme("XGBoost, hinge", "bits", 1, how={"objective": "binary:hinge"}, label="bits", positive="1")
    extreme("XGBoost as skops", "bits", 1, "m.skops", label="bits", positive="1")

    @kind("XGBoost, margins", label="bits", positive="1", refused=("no probability and no decision",),
          choose=('link = "logit"',))  # fmt: skip
    def margins(folder: Path, frame: pd.DataFrame) -> Made:
        data = xgboost.DMatrix(frame[NUMBERS], frame["bits"])
        model = xgboost.train({"objective": "binary:logitraw", "nthread": 1}, data, 4)
        model.save_model(folder / "m.json")
        return "m.json", model.predict(data) >= 0


_boosted()
