"""A fitted estimator from a notebook, put where an audit asks it.

Where skops can save it and what is loaded back decides the same for every row, the audit asks that file in a process of
its own, as the command line does. Otherwise the estimator decides in the notebook's process, and the evidence says so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assay._frames import Columns
from audit.errors import ModelError, nearest


def columns_of(
    model: Any, table: Columns, exclude: Collection[str], roles: Mapping[str, Any], sensitive: Sequence[str]
) -> list[str]:
    """The columns that the model reads: those it says it was fitted on, else all of the table that have no other role.

    Raises ModelError where one that it was fitted on is not in the table.
    """
    fitted = getattr(model, "feature_names_in_", None)
    if fitted is None and _booster(model):
        fitted = model.feature_name() if callable(getattr(model, "feature_name", None)) else model.feature_names
        fitted = None if fitted is None or not {*fitted} <= {*table.own} else fitted
    if fitted is not None:
        lacking = [str(c) for c in fitted if str(c) not in table.own]
        if lacking:
            raise ModelError(
                "the model was fitted on a column that the table does not have",
                got=f"no column {lacking[0]!r}",
                expected=", ".join(repr(str(c)) for c in fitted[:8]),
                todo=nearest(lacking[0], table.own),
            )
        return [str(c) for c in fitted]
    never = {*exclude, *(r for r in roles.values() if r is not None)}
    return [c for c in table.own if c not in never]


def _booster(model: Any) -> str | None:
    """The file in which a booster of XGBoost's or LightGBM's own is saved; None of every other model."""
    kind = f"{type(model).__module__}.{type(model).__name__}"
    return {"xgboost.core.Booster": "model.ubj", "lightgbm.basic.Booster": "model.txt"}.get(kind)


def placed(
    model: Any, table: Columns, reads: Sequence[str], folder: Path, threshold: float | None = None
) -> dict[str, Any]:
    """The `[model]` section for this estimator; writes `model.skops` or a column of decisions. Raises ModelError."""
    if not hasattr(model, "predict"):
        raise ModelError(
            "this is no fitted estimator",
            got=type(model).__name__,
            expected="an object with predict, the path of a model file, assay.endpoint(...), or decision= or score=",
            todo="pass the fitted estimator; of a function, its answers: decision=function(table)",
        )
    if (file := _booster(model)) is not None:
        model.save_model(str(folder / file))
        return {"path": file}
    features = table.frame[list(reads)]
    named = hasattr(model, "feature_names_in_")
    # What scikit-learn fitted on an array is asked with one; a class of a person's own is given what the person gave.
    asked = features if named or (table.named and not hasattr(model, "n_features_in_")) else features.to_numpy()
    try:
        decided = np.asarray(model.predict(asked))
    except Exception as error:  # whatever a person's estimator raises
        raise ModelError(
            "the model did not answer for the rows of this table",
            got=f"{type(error).__name__}: {error}"[:300],
            expected="one decision a row",
            todo="pass the table that model.predict takes, and `features` where it has more columns",
        ) from error
    if decided.shape != (len(features),):
        raise ModelError(
            "the model did not give one decision a row",
            got=f"shape {decided.shape}",
            expected=f"({len(features)},)",
            todo="pass the output that decides in place of the model, for example decision=model.predict(table)[:, 0]",
        )
    if named and _saved(model, folder / "model.skops", features, decided):
        return {"path": "model.skops"}
    if threshold is not None or (decided.dtype.kind == "f" and (decided % 1 != 0).any()):
        raise ModelError(
            "a model that no file can hold here gives scores, and its decisions are what is read off",
            got=f"{type(model).__name__}.predict with values such as {decided[0]}",
            expected="decisions, or a column of scores with a threshold",
            todo="pass score=..., one number a row, and threshold=... in place of the model",
        )
    column = "decided_by_model"
    table.role("decision", decided, as_name=column)
    kind = type(model).__name__
    origin = (
        f"{kind}.predict in the notebook's own process, with nothing between it and the machine; no model file was kept"
    )
    return {"decision": column, "origin": origin}


def _saved(model: Any, path: Path, features: Any, decided: np.ndarray) -> bool:
    """Whether skops writes the model, the worker may load it, and what is loaded back decides the same."""
    from audit.models import describe

    try:
        import skops.io

        skops.io.dump(model, path)
        alike = not describe(path).unknown_types and np.array_equal(
            np.asarray(skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path)).predict(features)), decided
        )
    except Exception:  # skops raises what the estimator's own pickling raises
        alike = False
    if not alike:
        path.unlink(missing_ok=True)
    return alike
