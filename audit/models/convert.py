"""`assay convert`: a model file that loads without running code, made by the model's own interpreter and checked here.

The model is loaded in its own environment, by a person's consent, and written there by that environment's skops or
skl2onnx; then the new file is opened as every model is, and asked about the same rows. It is kept only where both
decide alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audit import progress
from audit.errors import InputError, ModelError
from audit.files import canonical, write_whole
from audit.models.arrays import arrays_in
from audit.models.formats import FORMATS
from audit.models.onnx_export import how_far_apart
from audit.models.own import Environment, OwnWorker
from audit.models.worker import Worker
from audit.numbers import brief, many
from audit.passing import passing

ROWS = 100
ROWS_HERE = 20_000
"""Where both files answer here: single precision moves a value across a threshold in one row of thousands."""
CONVERTED = {f.endings[0]: f for f in FORMATS.values() if f.converted is not None}
"""By the name of the new file: its format."""


@dataclass(frozen=True, slots=True, eq=False)
class _Conversion:
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


def convert(
    path: Path, environment: Environment | None, out: Path, frame: pd.DataFrame, features: Sequence[str],
    allow: Sequence[str] = (),
) -> Converted:  # fmt: skip
    """Convert, check on up to 100 rows of `frame`, and write `out` and `out`.json.

    environment: None for a file that opens without running code (skops, LightGBM, XGBoost), which becomes ONNX.
    features: the columns that the model takes, where it does not know them by name. Raises ModelError where nobody has
    consented, the environment cannot write the format, or the two files do not answer alike; then nothing is written.
    """
    if environment is None:
        return _opened(path, out, frame, features, allow)
    if out.suffix not in CONVERTED:
        raise InputError(
            "the new file's name does not say its format", got=out.name,
            expected=f"a name that ends in {' or '.join(CONVERTED)}",
            todo="skops for scikit-learn and what goes with it, ONNX for the rest",
        )  # fmt: skip
    form, tolerance = CONVERTED[out.suffix].name, CONVERTED[out.suffix].converted or 0.0
    rows = frame.sample(min(ROWS, len(frame)), random_state=0).reset_index(drop=True)
    progress.stage("Writing the new file")
    with OwnWorker(path, environment) as worker:
        info = worker.info
        chosen = rows[list(info.features or features or rows.columns)]
        if info.output == "unknown":
            worker.learn_classes(chosen)
            info = worker.info
        arrays = worker.call("convert", chosen, to=form)
        versions, sha256 = worker.versions, info.sha256
    answers = arrays_in(_Conversion, arrays)
    content, scores, decided = answers.content, answers.scores, answers.decided
    progress.stage("Comparing both files")
    with passing() as place:
        new = place / out.name
        new.write_bytes(content)
        with Worker(new) as opened:
            there = opened.info
            if info.classes:
                new_scores = opened.class_scores(chosen)
                own = opened.answer(chosen, there.classes[0]).decided
            else:
                new_scores, own = opened.scores(chosen, "")[:, None], None
    if len(there.classes) != len(info.classes) or (there.named and there.classes != info.classes):
        raise _unlike("other classes", ", ".join(there.classes) or "none", ", ".join(info.classes) or "none")
    # A model without probabilities gives 1 and 0 there; the new file may have margins, which are no probabilities.
    apart = 0.0 if info.output == "decision" else float(np.abs(new_scores - scores).max(initial=0.0))
    if apart > tolerance:
        raise _unlike("other scores", f"up to {brief(apart, 2)} apart", f"at most {brief(tolerance)}")
    if own is not None and len(decided) and not np.array_equal(own, decided):
        raise _unlike("other decisions", f"{int((own != decided).sum())} of {many(len(own), 'row')}", "the same")
    was = {"file": path.name, "sha256": sha256, "load": environment.load, "versions": versions}
    checked = {
        "rows": len(chosen), "largest_difference": apart, "tolerance": tolerance,
        "fingerprint": _fingerprint(scores, decided),
    }  # fmt: skip
    return _written(out, content, was, form, info.classes, chosen, checked)


def _written(
    out: Path, content: bytes, was: dict[str, Any], form: str, classes: Sequence[str], chosen: pd.DataFrame,
    checked: dict[str, Any],
) -> Converted:  # fmt: skip
    record = {
        "schema": "assay/converted/1",
        "from": was,
        "to": {"file": out.name, "sha256": hashlib.sha256(content).hexdigest(), "format": form},
        "classes": list(classes),
        "features": list(chosen.columns),
        "checked": checked,
    }
    write_whole(out, content)
    write_whole(out.with_name(out.name + ".json"), canonical(record))
    return Converted(out, record, len(chosen), float(checked.get("largest_difference", 0.0)))


def _opened(path: Path, out: Path, frame: pd.DataFrame, features: Sequence[str], allow: Sequence[str]) -> Converted:
    """A file that opens without running code, as ONNX: written in its sandbox, and asked there beside the original."""
    if out.suffix != ".onnx":
        raise InputError(
            "this model opens without running code as it is", got=out.name, expected="a name that ends in .onnx",
            todo="name it as `path` under [model]; for another format name the interpreter that made it, with --python",
        )  # fmt: skip
    rows = frame.sample(min(ROWS_HERE, len(frame)), random_state=0).reset_index(drop=True)
    progress.stage("Writing the new file")
    with Worker(path, allow=tuple(allow)) as worker:
        info = worker.info
        positive = info.classes[-1] if info.classes else ""
        chosen = rows[list(info.features or features or rows.columns)]
        arrays = worker.call("to_onnx", chosen, positive=positive)
        was, before = worker.answer(chosen, positive), _each(worker, chosen, positive)
    content = np.asarray(arrays.get("onnx"), dtype=np.uint8).tobytes()
    if not content:
        raise ModelError(
            "this model cannot be written as ONNX", got=str(np.asarray(arrays.get("reason")).reshape(-1)[0]),
            expected="a model whose ONNX file answers alike", todo="audit it as it is: `path` under [model]",
        )  # fmt: skip
    progress.stage("Comparing both files")
    with passing() as place:
        new = place / out.name
        new.write_bytes(content)
        with Worker(new) as other:
            there = other.info
            if len(there.classes) != len(info.classes) or (
                there.named and info.named and there.classes != info.classes
            ):
                raise _unlike("other classes", ", ".join(there.classes) or "none", ", ".join(info.classes) or "none")
            answer = there.classes[-1] if there.classes else ""
            new_answer, after = other.answer(chosen, answer), _each(other, chosen, answer)
    far = how_far_apart(after, before, info.task)
    tolerance = FORMATS["onnx"].converted or 0.0
    if far > tolerance:
        raise _unlike("other scores", f"up to {brief(far, 2)} apart", f"at most {brief(tolerance)}")
    if (
        was.decided is not None
        and new_answer.decided is not None
        and not np.array_equal(was.decided, new_answer.decided)
    ):
        raise _unlike(
            "other decisions",
            f"{int((was.decided != new_answer.decided).sum())} of {many(len(chosen), 'row')}",
            "the same",
        )
    decided = np.zeros(0, dtype=np.int64) if was.decided is None else was.decided
    checked = {
        "rows": len(chosen), "largest_difference": far, "tolerance": tolerance,
        "fingerprint": _fingerprint(was.score, decided),
    }  # fmt: skip
    made_of = {"file": path.name, "sha256": info.sha256, "load": info.format, "versions": {}}
    return _written(out, content, made_of, "onnx", info.classes, chosen, checked)


def _each(worker: Worker, rows: pd.DataFrame, positive: str) -> np.ndarray:
    """(n, k) the score of each class where there are more than two; else of one, or the number that is predicted."""
    if len(worker.info.classes) > 2:
        return worker.class_scores(rows)
    return worker.scores(rows, positive).reshape(-1, 1)


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
