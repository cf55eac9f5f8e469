"""XGBoost models in XGBoost's own JSON or UBJSON.

The file holds no class names, only their places: "0", "1", ...
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pandas as pd

from audit.errors import ModelError
from audit.models.loaded import DECISION, PROBABILITY, RAW, VALUE, Facts, Loaded, as_category, needs, one_class
from audit.sentences import NO_PROBABILITIES, SCORES_COLUMN

_VALUES = ("reg:", "count:", "survival:", "rank:")


def import_xgboost() -> Any:
    """xgboost without its scikit-learn wrappers. Raises ModelError where it is not installed."""
    hidden = "sklearn" not in sys.modules and "xgboost" not in sys.modules
    if hidden:
        sys.modules["sklearn"] = None  # type: ignore[assignment]  # an import then fails as if it were not installed
    try:
        import xgboost
    except ImportError as error:
        raise needs("xgboost", "xgboost-cpu") from error
    finally:
        if hidden:
            del sys.modules["sklearn"]
    return xgboost


class XgboostModel(Loaded):
    """An xgboost.Booster."""

    format = "xgboost"

    def __init__(self, content: bytes) -> None:
        self._library = import_xgboost()
        self.estimator = self._library.Booster({"nthread": 2})
        self.estimator.load_model(bytearray(content))
        settings = json.loads(self.estimator.save_config())["learner"]
        objective = str(settings["objective"]["name"])
        count = max(int(settings["learner_model_param"]["num_class"]), 1)
        names = self.estimator.feature_names
        self._kinds = dict(zip(names or [], self.estimator.feature_types or [], strict=False))
        self._categories = self._stored_categories()
        notes = self._stopped_early()  # which may cut the booster, and its categories with it
        classes: tuple[str, ...]
        if objective == "binary:logistic":
            classes, task, output = ("0", "1"), "classification", PROBABILITY
        elif objective == "binary:hinge":
            classes, task, output = ("0", "1"), "classification", DECISION
        elif objective == "binary:logitraw":
            classes, task, output = ("0", "1"), "classification", RAW
        elif objective in ("multi:softprob", "multi:softmax"):
            classes, task = tuple(str(c) for c in range(count)), "classification"
            output = PROBABILITY if objective == "multi:softprob" else DECISION
        elif objective.startswith(_VALUES) and objective != "reg:logistic":
            classes, task, output = (), "regression", VALUE
        elif objective == "reg:logistic":
            classes, task, output = ("0", "1"), "classification", PROBABILITY
        else:
            raise ModelError(
                "the XGBoost model has an objective whose output is no score of a class",
                got=f"objective {objective!r}",
                expected="binary:logistic, multi:softprob or a regression",
                todo=SCORES_COLUMN,
            )
        if output == DECISION:
            notes = (*notes, NO_PROBABILITIES)
        self.facts = Facts(
            estimator=f"xgboost.Booster({objective}, {self.estimator.num_boosted_rounds()} rounds)",
            classes=classes,
            features=None if names is None else tuple(str(n) for n in names),
            columns=int(self.estimator.num_features()),
            task=task,
            output=output,
            decides=output not in (VALUE, RAW),
            notes=notes,
            named=False,
        )

    def _stopped_early(self) -> tuple[str, ...]:
        """Keep the rounds that the scikit-learn wrappers predict with: up to the best one, where training was stopped
        early. A booster that was saved by itself is asked with all of its rounds, as its own `predict` does."""
        best = self.estimator.attr("best_iteration")
        rounds = self.estimator.num_boosted_rounds()
        if best is None or not best.isdecimal() or int(best) + 1 >= rounds:
            return ()
        if self.estimator.attr("scikit_learn") is None:
            note = f"all {rounds} rounds decide, as Booster.predict does, though the best was round {int(best) + 1}"
            return (f"training stopped early: {note}; to audit the best, save booster[:{int(best) + 1}]",)
        if json.loads(self.estimator.save_config())["learner"]["gradient_booster"]["name"] == "gblinear":
            return ()  # its wrapper predicts with all of it
        self.estimator = self.estimator[: int(best) + 1]
        return (f"training stopped early: the first {int(best) + 1} of {rounds} rounds decide, as XGBoost's own",)

    def _stored_categories(self) -> dict[str, list[Any]]:
        """The categories of training by column. Raises ModelError where the file has lost them: codes alone could
        mean anything, and XGBoost would take them in silence."""
        wanted = [name for name, kind in self._kinds.items() if kind == "c"]
        if not wanted:
            return {}
        stored = self.estimator.get_categories(export_to_arrow=True)
        categories = {} if stored.empty() else {str(n): v.to_pylist() for n, v in stored.to_arrow() if v is not None}
        lost = [name for name in wanted if name not in categories]
        if lost:
            raise ModelError(
                "the XGBoost file has categorical columns without their categories",
                got=", ".join(repr(n) for n in lost[:8]),
                expected="a file that XGBoost 3.1 or newer wrote after training on a data frame",
                todo="train and save it with XGBoost 3.1 or newer, or audit a column of its scores",
            )
        return categories

    def prepare(self, frame: pd.DataFrame) -> Any:
        """An xgboost.DMatrix with the categories of training; a value that training never saw is missing to the model.

        Raises ModelError for text in a column that was numeric in training.
        """
        if self.facts.features is None:
            return self._library.DMatrix(frame.to_numpy(dtype=np.float32))
        return self._library.DMatrix(self.typed(frame), enable_categorical=True)

    def typed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The columns as in training. Raises ModelError as `prepare`."""
        assert self.facts.features is not None
        rows = frame.copy(deep=False)
        for name in self.facts.features:
            dtype = frame[name].dtype
            if name in self._categories:
                rows[name] = as_category(frame[name], self._categories[name])
            elif not pd.api.types.is_numeric_dtype(dtype):
                raise ModelError(
                    "the XGBoost model takes numbers where the data have something else",
                    got=f"{name!r} ({dtype})",
                    expected="numbers in this column, as in training",
                    todo="code the column as training did, or save the pipeline that codes it (as skops)",
                )
        return rows

    def scores(self, frame: pd.DataFrame, positive: str) -> np.ndarray:
        index = self.class_index(positive) if self.facts.classes else None
        raw = np.asarray(self.estimator.predict(self.prepare(frame)), dtype=np.float64)
        if index is None:
            return raw
        if raw.ndim == 1 and len(self.facts.classes) > 2:
            hit: np.ndarray = raw == index
            return hit.astype(np.float64)
        return one_class(raw, index, self.facts.output)

    def class_scores(self, frame: pd.DataFrame) -> np.ndarray:
        count = len(self.facts.classes)
        if count <= 2:
            return super().class_scores(frame)
        raw = np.asarray(self.estimator.predict(self.prepare(frame)), dtype=np.float64)
        return raw if raw.ndim == 2 else (raw[:, None] == np.arange(count)[None, :]).astype(np.float64)
