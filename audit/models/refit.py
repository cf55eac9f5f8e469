"""The operation `refit`: the same estimator, fitted anew on other rows or with weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from audit.errors import ModelError
from audit.models.arrays import FLOATS, arrays_in
from audit.models.loaded import Loaded, class_index

_PROBE_ROWS = 400
_STOPPED = ("early_stopping_round", "early_stopping_rounds", "early_stopping", "n_iter_no_change")
"""What LightGBM and XGBoost call the rounds without progress after which training stops."""


@dataclass(frozen=True, slots=True, eq=False)
class FitRequest:
    """What a fit is asked with: see `refit` and `refit_answer`."""

    labels: np.ndarray
    sample_weight: FLOATS | None = None
    parameters: str | None = None
    seed: int | None = None
    positive: str = ""

    def unfitted(self, fitted: Any) -> Any:
        """A clone with the parameters that are asked for, and the seed where none is set."""
        from sklearn.base import clone

        estimator = clone(fitted)
        _train_to_the_best_round(fitted, estimator)
        if self.parameters is not None:
            estimator.set_params(**json.loads(self.parameters))
        if self.seed is not None:
            _seed(estimator, self.seed)
        return estimator


def refit(model: Loaded, frame: pd.DataFrame | None, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Fit a clone of the model's estimator on `frame` (n rows).

    arrays: `labels` (n,) text, the names of the model's classes; `sample_weight` (n,) optional; `parameters` optional,
    a JSON object for set_params; `seed` optional, given to every random_state that is not set.

    Returns `model` (uint8, a skops file, the same bytes for the same input), `weights` (text: how they went in, or
    why not), `weights_used` (0 or 1), `weights_effect` (0 or 1: on a probe of up to 400 rows, strongly uneven weights
    changed what the estimator learnt; -1 where there were none).

    Raises ModelError for formats that hold no training recipe (LightGBM text, XGBoost, ONNX), unknown
    labels, bad parameters.
    """
    if model.format != "skops":
        raise ModelError(
            f"a model in the format {model.format} cannot be trained again",
            got=f"{model.format}: fitted trees or a graph, without the recipe that made them",
            expected="a scikit-learn estimator as skops (LGBMClassifier and XGBClassifier included)",
            todo="save the scikit-learn object with skops.io.dump, or choose a mitigation that leaves the model alone",
        )
    from audit.models.write import skops_bytes

    assert frame is not None
    asked = arrays_in(FitRequest, arrays)
    target = _target(model, asked.labels)
    estimator = asked.unfitted(model.estimator)
    weight = asked.sample_weight
    rows = frame if model.facts.features is not None else frame.to_numpy()
    keyword, reason = _weight_keyword(estimator)
    effect = -1
    if weight is not None:
        if weight.shape != (len(frame),) or not np.isfinite(weight).all() or (weight < 0).any() or not weight.sum() > 0:
            raise ModelError(
                "the weights for training cannot be used",
                got=f"shape {weight.shape}, smallest {weight.min() if weight.size else 'none'}",
                expected=f"{len(frame)} finite weights of 0 or more",
                todo="report this as a fault of Assay",
            )
        effect = int(keyword is not None and weights_matter(estimator, rows, target, keyword))
    if weight is not None and keyword is not None:
        estimator.fit(rows, target, **{keyword: weight})
    else:
        estimator.fit(rows, target)
    used = weight is not None and keyword is not None
    return {
        "model": np.frombuffer(skops_bytes(estimator), dtype=np.uint8),
        "weights": np.array("none given" if weight is None else reason),
        "weights_used": np.array(int(used)),
        "weights_effect": np.array(effect),
    }


def refit_answer(model: Loaded, frame: pd.DataFrame | None, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Fit a clone on the first rows of `frame` and ask it about the rest, in one piece: nothing is written.

    arrays: `labels` (m,) text, of the first m rows; `positive` the class asked about; `seed`, `parameters` as in
    `refit`. Returns `scores` and, where the estimator decides, `decided`, of the other rows. Raises ModelError as it.
    """
    if model.format != "skops":
        raise ModelError(
            f"a model in the format {model.format} cannot be trained again",
            got=f"{model.format}: fitted trees or a graph, without the recipe that made them",
            expected="a scikit-learn estimator as skops (LGBMClassifier and XGBClassifier included)",
            todo="save the scikit-learn object with skops.io.dump",
        )
    import copy

    assert frame is not None
    asked = arrays_in(FitRequest, arrays)
    learn = len(asked.labels)
    fresh = copy.copy(model)
    fresh.estimator = asked.unfitted(model.estimator)
    rows = frame.iloc[:learn]
    fresh.estimator.fit(rows if model.facts.features is not None else rows.to_numpy(), _target(model, asked.labels))
    names = [str(c) for c in fresh.estimator.classes_]
    if names != [str(c) for c in model.estimator.classes_]:
        raise ModelError(
            "the rows to learn from lack an outcome",
            got=", ".join(names),
            expected="both outcomes",
            todo="hit fewer rows",
        )
    rest = frame.iloc[learn:]
    out = {"scores": np.asarray(fresh.scores(rest, asked.positive), dtype=np.float64)}
    decided = fresh.decided(rest)
    return out if decided is None else out | {"decided": decided}


def _target(model: Loaded, labels: np.ndarray) -> Any:
    """The labels as the estimator's own class values."""
    names = labels.astype(object).ravel().tolist()
    if model.facts.task == "regression":
        return np.array([float(v) for v in names])
    classes = np.asarray(model.estimator.classes_)
    index = {name: class_index(model.facts.classes, name) for name in dict.fromkeys(names)}
    return classes[np.array([index[name] for name in names])]


def _seed(estimator: Any, seed: int) -> None:
    unset = {
        name: seed
        for name, value in estimator.get_params(deep=True).items()
        if value is None and (name == "random_state" or name.endswith("__random_state"))
    }
    if unset:
        estimator.set_params(**unset)


def _train_to_the_best_round(fitted: Any, estimator: Any) -> None:
    """A booster that stopped early watched rows that nobody has here, and will not be trained without: its clone takes
    as many rounds as the booster predicts with."""
    parts = {"": fitted, **{f"{name}__": part for name, part in fitted.get_params(deep=True).items()}}
    for at, part in parts.items():
        if type(part).__module__.partition(".")[0] not in ("lightgbm", "xgboost"):
            continue
        # LightGBM counts the best round from 1; 0 and None are of training that ran to its end.
        best = getattr(part, "best_iteration_", None)
        if best is None and part.get_params().get("early_stopping_rounds"):
            best = part.best_iteration + 1
        wanted = [name for name in _STOPPED if part.get_params().get(name)]
        if wanted and best:
            estimator.set_params(**{at + name: None for name in wanted}, **{f"{at}n_estimators": int(best)})


def _weight_keyword(estimator: Any) -> tuple[str | None, str]:
    """The name under which `fit` takes weights, and how to say it; None where it takes none."""
    from sklearn.model_selection._search import BaseSearchCV
    from sklearn.utils.validation import has_fit_parameter

    steps = getattr(estimator, "steps", None)
    if steps:
        name, last = steps[-1]
        inner, note = _weight_keyword(last)
        return (f"{name}__{inner}", f"{note}, the pipeline's last step") if inner else (None, note)
    kind = type(estimator).__name__
    if has_fit_parameter(estimator, "sample_weight"):
        return "sample_weight", f"given to {kind}"
    if isinstance(estimator, BaseSearchCV):  # it hands fit parameters on to the estimator it searches over
        inner, note = _weight_keyword(estimator.estimator)
        return (inner, f"{note}, inside {kind}") if inner else (None, note)
    return None, f"{kind} takes no weights: trained without them"


def weights_matter(estimator: Any, rows: Any, target: np.ndarray, keyword: str) -> bool:
    """Whether uneven weights change the model, tried on few rows: some estimators accept weights and ignore them."""
    from sklearn.base import clone

    pick = np.unique(np.linspace(0, len(target) - 1, min(len(target), _PROBE_ROWS)).astype(int))
    few = rows.iloc[pick] if isinstance(rows, pd.DataFrame) else rows[pick]
    aim = target[pick]
    if len(np.unique(aim)) < 2:
        return True  # nothing can be learnt from one class, and nothing shown
    uneven = np.where(aim == aim[0], 50.0, 0.02)
    answers = []
    for weight in (np.ones(len(aim)), uneven):
        probe = clone(estimator)
        _seed(probe, 0)
        try:
            probe.fit(few, aim, **{keyword: weight})
        except Exception:
            return True  # the few rows are at fault; the real fit will tell
        answers.append(np.asarray(getattr(probe, "predict_proba", probe.predict)(few)))
    return not np.array_equal(answers[0], answers[1])
