"""`assay convert`: a model file that loads without running code, made by the model's own interpreter and checked here.

The model is loaded in its own environment, by a person's consent, and written there by that environment's skops or
skl2onnx; then the new file is opened as every model is, and asked about the same rows. It is kept only where both
decide alike.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audit.errors import InputError, ModelError
from audit.files import canonical, write_whole
from audit.models.arrays import arrays_in
from audit.models.own import Environment, OwnWorker
from audit.models.worker import Worker

ROWS = 100
FORMATS = {".skops": ("skops", 1e-9), ".onnx": ("onnx", 1e-5)}
"""By the name of the new file: its format, and how far scores may differ (ONNX computes in single precision)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """What the model's own environment answers: the new file, and what the old one says of the same rows."""

    content: bytes
    scores: np.ndarray
    decided: np.ndarray


@dataclass(frozen=True, slots=True)
class Converted:
    """What was made: the file, and its record, which stands beside it as FILE.json. rows: compared; apart: by how much
    scores differ at most."""

    path: Path
    record: dict[str, Any]
    rows: int
    apart: float


def convert(path: Path, environment: Environment, out: Path, frame: pd.DataFrame, features: Sequence[str]) -> Converted:
    """Convert, check on up to 100 rows of `frame`, and write `out` and `out`.json.

    features: the columns that the model takes, where it does not know them by name. Raises ModelError where nobody has
    consented, the environment cannot write the format, or the two files do not answer alike; then nothing is written.
    """
    if out.suffix not in FORMATS:
        raise InputError(
            "the new file's name does not say its format", got=out.name, expected="a name that ends in .skops or .onnx",
            todo="skops for scikit-learn and what goes with it, ONNX for the rest",
        )  # fmt: skip
    form, tolerance = FORMATS[out.suffix]
    rows = frame.sample(min(ROWS, len(frame)), random_state=0).reset_index(drop=True)
    with OwnWorker(path, environment) as worker:
        info = worker.info
        chosen = rows[list(info.features or features or rows.columns)]
        if info.output == "unknown":
            worker.learn_classes(chosen)
            info = worker.info
        made = worker.call("convert", chosen, to=form)
        versions, sha256 = worker.versions, info.sha256
    answers = arrays_in(_Made, made)
    content, scores, decided = answers.content, answers.scores, answers.decided
    with tempfile.TemporaryDirectory() as place:
        new = Path(place) / out.name
        new.write_bytes(content)
        with Worker(new) as opened:
            there = opened.info
            if info.classes:
                found = opened.class_scores(chosen)
                own = opened.answer(chosen, there.classes[0]).decided
            else:
                found, own = opened.scores(chosen, "")[:, None], None
    if len(there.classes) != len(info.classes) or (there.named and there.classes != info.classes):
        raise _unlike("other classes", ", ".join(there.classes) or "none", ", ".join(info.classes) or "none")
    # A model without probabilities gives 1 and 0 there; the new file may have margins, which are no probabilities.
    apart = 0.0 if info.output == "decision" else float(np.abs(found - scores).max(initial=0.0))
    if apart > tolerance:
        raise _unlike("other scores", f"up to {apart:.2g} apart", f"at most {tolerance:g}")
    if own is not None and len(decided) and not np.array_equal(own, decided):
        raise _unlike("other decisions", f"{int((own != decided).sum())} of {len(own)} rows", "the same")
    record = {
        "schema": "assay/converted/1",
        "from": {"file": path.name, "sha256": sha256, "load": environment.load, "versions": versions},
        "to": {"file": out.name, "sha256": hashlib.sha256(content).hexdigest(), "format": form},
        "classes": list(info.classes),
        "features": list(chosen.columns),
        "checked": {
            "rows": len(chosen),
            "largest_difference": apart,
            "tolerance": tolerance,
            "fingerprint": _fingerprint(scores, decided),
        },
    }
    write_whole(out, content)
    write_whole(out.with_name(out.name + ".json"), canonical(record))
    return Converted(out, record, len(chosen), apart)


def _fingerprint(scores: np.ndarray, decided: np.ndarray) -> str:
    """The sha256 of the old model's answers: decisions, and scores to six digits."""
    body = np.round(scores, 6).astype("<f8").tobytes() + decided.astype("<i8").tobytes()
    return hashlib.sha256(body).hexdigest()


def _unlike(what: str, got: str, expected: str) -> ModelError:
    return ModelError(
        f"the converted model gives {what} than the one it was made from",
        got=got,
        expected=expected,
        todo="nothing was written; audit the model in its own environment instead: `python` and `load` under [model]",
    )
