"""The formats of model that are read without running what is in a file: a row each, and nothing else lists them.

    FORMATS["skops"].words, .endings        # refusals, screens, docs/case-file.md
    load("skops", content, allow)           # in the model's process; the library is imported then

Which format a file has is judged by its content, in the order of the rows, and never by its name.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audit.models.protobuf import looks_like_onnx

if TYPE_CHECKING:
    from audit.models.loaded import Loaded

Damage = tuple[str, str] | None
"""What is wrong, and what was got; None where nothing is."""


@dataclass(frozen=True, slots=True)
class ModelFormat:
    """One format.

    words: in a list of what is read; empty: made by Assay alone. endings: of names, in lower case. loader, check:
    "file:name" of audit/models: the class that is built of the bytes, and what looks at them before. known: whether
    bytes are of it; signed: from how they begin, so that they are no other format's. damage: of bytes that are. types:
    whether a person allows types in it. onnx: what writes it as ONNX, each tried (audit/models/onnx_export.py).
    converted: how far scores may be apart in a file that is written in it, or None.
    """

    name: str
    words: str
    endings: tuple[str, ...]
    loader: str
    known: Callable[[bytes], bool]
    damage: Callable[[bytes], Damage] = lambda content: None
    signed: bool = True
    types: bool = False
    check: str = ""
    onnx: tuple[str, ...] = ()
    converted: float | None = None


def _is_zip(content: bytes) -> bool:
    return content.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"))


def _is_lightgbm(content: bytes) -> bool:
    return content.startswith((b"tree\n", b"tree\r\n"))


def _is_json(content: bytes) -> bool:
    return content[:4096].lstrip()[:1] == b"{"


def _is_xgboost(content: bytes) -> bool:
    ubjson = content.startswith(b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner")
    return ubjson or (_is_json(content) and b'"learner"' in content[:65536])


def _lightgbm_damage(content: bytes) -> Damage:
    if b"version=" not in content[:65536] or b"feature_names=" not in content[: 2**24]:
        return "starts like LightGBM text and is not whole", "no version or feature_names line"
    if b"\nend of trees" not in content:
        return "is LightGBM text that was cut short", "no line `end of trees`"
    # What comes after the trees names the categories of training; without it codes would be taken for numbers.
    if b"\nparameters:" in content and b"\nend of parameters" not in content:
        return "is LightGBM text that was cut short", "no line `end of parameters`"
    return None


def _xgboost_damage(content: bytes) -> Damage:
    if b'"learner"' not in content[:65536]:
        return None  # UBJSON, which is read in the model's process
    try:
        json.loads(content)
    except (ValueError, RecursionError) as error:
        return "is XGBoost JSON that was cut short or damaged", str(error)
    return None


FORMATS: dict[str, ModelFormat] = {
    f.name: f
    for f in (
        ModelFormat(
            "skops", "skops", (".skops",), "skops_model:SkopsModel", _is_zip, types=True,
            onnx=("_own", "_double", "_single"), converted=1e-9,
        ),
        ModelFormat(
            "lightgbm", "LightGBM text", (".txt", ".lgb"), "lightgbm_model:LightgbmModel", _is_lightgbm,
            _lightgbm_damage, check="tree_files:check_lightgbm", onnx=("_lightgbm",),
        ),
        ModelFormat(
            "group-thresholds", "", (".json",), "thresholds_model:ThresholdsModel",
            lambda content: _is_json(content) and b'"assay/group-thresholds/1"' in content, types=True,
        ),
        ModelFormat(
            "xgboost", "XGBoost (JSON, UBJSON)", (".json", ".ubj", ".xgb"), "xgboost_model:XgboostModel", _is_xgboost,
            _xgboost_damage, check="tree_files:check_xgboost", onnx=("_xgboost",),
        ),
        # A protobuf has no first bytes of its own, and ONNX computes in single precision.
        ModelFormat(
            "onnx", "ONNX", (".onnx",), "onnx_model:OnnxModel", looks_like_onnx, signed=False, converted=1e-5
        ),
    )
}  # fmt: skip


PICKLES = (".pkl", ".pickle", ".joblib")
"""How pickles are called: programs, which are loaded in their own environment alone, by a person's consent."""


def in_words() -> str:
    """The formats that are read, as a list in a sentence."""
    words = [f.words for f in FORMATS.values() if f.words]
    return f"{', '.join(words[:-1])} or {words[-1]}"


def endings() -> tuple[str, ...]:
    """The ends of the names of model files, each with its dot, once."""
    return tuple(dict.fromkeys(e for f in FORMATS.values() for e in f.endings))


def load(kind: str, content: bytes, allow: Sequence[str]) -> Loaded:
    """Build the model, once its bytes were looked at. Imports what the format needs and nothing else."""
    row = FORMATS[kind]
    if row.check:
        _named(row.check)(content)
    build = _named(row.loader)
    model: Loaded = build(content, allow) if row.types else build(content)
    return model


def _named(place: str) -> Any:
    file, _, name = place.partition(":")
    return getattr(importlib.import_module(f"audit.models.{file}"), name)
