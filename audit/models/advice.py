"""What a file is that no safe reader takes, and the true way in for it: (problem, got, todo) in words.

Judged by content. The ways: the model's own environment (`python` and `load` in the case), a conversion there
(`assay convert`), another export, or a column of scores where no interpreter of Python can load it.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Collection
from pathlib import Path
from shlex import quote

from audit.models.formats import PICKLES, endings

COLUMN = (
    'write what it decided into a column of the table and say under [model] `decision = "COLUMN"` (or its scores, '
    '`score = "COLUMN"` with a `threshold`) in place of `path`; or serve it and name its `endpoint`'
)
"""The way that is always there."""

Advice = tuple[str, str, str]
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x5d\x00\x00": "lzma",
}
RUNS = "is a pickle (joblib and cloudpickle files are pickles too), and a pickle is a program that runs when opened"
OTHER = "is not a model that Assay reads"
R_WAY = (
    'in R, write the model\'s scores into the table, data$score <- predict(model, data, type = "response") for a glm, '
    'save it as CSV and say under [model] `score = "score"` in place of `path`'
)


def own(name: str, load: str, to: str = "model.skops") -> str:
    """The model's own interpreter loads it, or converts it there once for all."""
    return (
        'name the interpreter that it was made with: under [model] `python = "../venv/bin/python"` and '
        f'`load = "{load}"`; or write it once in a format that runs no code: '
        f"`assay convert {quote(name)} --python ../venv/bin/python --load {load} --out {to} --data TABLE`"
    )


def of_pickle(name: str, content: bytes) -> Advice:
    """A pickle, by what it names."""
    return RUNS, "a pickle", own(name, _loader(content))


def _loader(content: bytes) -> str:
    start = content[: 2**22]
    if b"statsmodels." in start:
        return "statsmodels"
    if b"joblib.numpy_pickle" in start:
        return "joblib"
    return "cloudpickle" if b"cloudpickle" in start else "pickle"


def of_file(name: str, content: bytes) -> Advice | None:
    """A file of another kind, or None."""
    head = content[:4096]
    kind = next((k for magic, k in _PACKED.items() if head.startswith(magic)), None)
    if head[:1] == b"\x78" and len(head) > 2 and (head[0] * 256 + head[1]) % 31 == 0:
        kind = "zlib"
    if kind is not None:
        return _compressed(name, content, kind)
    for magics, advice in _BY_START:
        if head.startswith(magics):
            return advice(name, content)
    if head.lstrip().startswith((b"<?xml", b"<PMML")):
        return _xml(head)
    return _named(name, head)


def _compressed(name: str, content: bytes, kind: str) -> Advice:
    inside = _unpacked(content, kind)
    if inside.startswith((b"X\n", b"A\n", b"RDX", b"RDA")):
        return "is a file of R, which Python does not load", f"an .rds or .RData file ({kind})", R_WAY
    if inside and not inside.startswith(b"\x80"):
        return "is a compressed file", f"{kind} data, no pickle inside", "unpack it and name the file inside"
    return (
        "is a compressed file, as joblib.dump(compress=...) writes them; inside is a pickle, and a pickle is a "
        "program that runs when it is opened",
        f"{kind} data",
        own(name, "joblib"),
    )


def _hdf5(name: str, content: bytes) -> Advice:
    if b"keras" in content[: 2**22] or b"layer_names" in content[: 2**22]:
        return OTHER, "an HDF5 file, as Keras writes them", own(name, "keras", "model.onnx")
    return (
        OTHER,
        "an HDF5 file",
        "data in it are exported as CSV or Parquet and named under [data]; if it is a model of Keras, "
        + own(name, "keras", "model.onnx"),
    )


def _xml(head: bytes) -> Advice:
    if b"<PMML" not in head:
        return OTHER, "XML", "score the table with the program that reads it, and " + COLUMN
    return (
        OTHER,
        "PMML",
        "score the table with the program that reads PMML (in Java jpmml-evaluator, in Python pypmml), and say "
        'under [model] `score = "score"` in place of `path`; or save the model that the PMML was made from',
    )


def _always(problem: str, got: str, todo: str) -> Callable[[str, bytes], Advice]:
    return lambda name, content: (problem, got, todo)


_TABLE = "name it under [data], and the model under [model]"
_BY_START: tuple[tuple[tuple[bytes, ...], Callable[[str, bytes], Advice]], ...] = (
    (
        (b"RDX", b"RDA", b"X\n\x00\x00"),
        _always("is a file of R, which Python does not load", "an .rds or .RData file", R_WAY),
    ),
    ((b"\x89HDF",), _hdf5),
    (
        (b"CatBoost", b"CBM1"),
        lambda name, content: (
            OTHER,
            "a CatBoost model",
            own(name, "catboost", "model.onnx") + " (ONNX has no categories of text)",
        ),
    ),
    ((b"PAR1",), _always(OTHER, "a Parquet file: this is a table, not a model", _TABLE)),
    ((b"ARROW1",), _always(OTHER, "a Feather file: this is a table, not a model", _TABLE)),
    (
        (b"binf", b"bs64"),
        _always(OTHER, "XGBoost's old binary format", "save it again with booster.save_model('model.json')"),
    ),
    ((b"%PDF",), _always(OTHER, "a PDF", "name a model file")),
    (
        (b"version https://git-lfs",),
        _always(OTHER, "a Git LFS pointer, not the file itself", "run `git lfs pull` and try again"),
    ),
)
"""First bytes -> what to say of the file (name, content)."""


def _named(name: str, head: bytes) -> Advice | None:
    """What can be told from the first bytes and the ending of the name alone, or None."""
    ending = name.rpartition(".")[2].lower()
    if head[4:8] == b"TFL3":
        return OTHER, "a TensorFlow Lite model", "export the network it was made from as ONNX; or " + COLUMN
    if head.startswith(b"GGUF") or ending == "safetensors":
        return OTHER, "weights without the network around them", "export the whole network as ONNX; or " + COLUMN
    if head.lstrip()[:1] == b"{" and b'"num_tree_per_iteration"' in head[:2000]:
        return OTHER, "LightGBM's dump_model, which it does not read back", "save it with booster.save_model('m.txt')"
    if head.lstrip()[:1] == b"[" and b'"nodeid"' in head:
        return OTHER, "XGBoost's dump_model, which it does not read back", "save it with booster.save_model('m.json')"
    sources = {"py": "Python", "sql": "SQL", "r": "R", "sas": "SAS", "java": "Java", "js": "JavaScript", "c": "C"}
    if ending in sources:
        return OTHER, f"a program in {sources[ending]}", "run it on the table, and " + COLUMN
    return None


def _unpacked(content: bytes, kind: str) -> bytes:
    """The first bytes inside, at most a few kilobytes; nothing where they cannot be had."""
    start = content[:65536]
    with contextlib.suppress(Exception):
        if kind in ("gzip", "zlib"):
            return zlib.decompressobj(31 if kind == "gzip" else 15).decompress(start, 4096)
        if kind == "bzip2":
            import bz2

            return bz2.BZ2Decompressor().decompress(start, 4096)
        if kind in ("xz", "lzma"):
            import lzma

            return lzma.LZMADecompressor().decompress(start, 4096)
    return b""


def of_archive(name: str, names: Collection[str]) -> Advice:
    """A zip archive without a skops schema, by the names inside."""
    if "config.json" in names and (name.endswith(".keras") or any(n.endswith(".weights.h5") for n in names)):
        return OTHER, "a Keras model (.keras)", own(name, "keras", "model.onnx")
    if "model.ini" in names:
        return (
            OTHER,
            "an H2O MOJO",
            "score the table with H2O, h2o.mojo_predict_csv(input_csv_path=..., mojo_zip_path=...), and say under "
            '[model] `score = "score"` in place of `path`, with the column of probabilities that it wrote',
        )
    if any(n.endswith("data.pkl") for n in names):
        return (
            "is an archive with a pickle inside, as torch.save writes it, and a pickle is a program that runs when "
            "opened",
            "a file of torch.save",
            "export the network, torch.onnx.export(model, sample, 'model.onnx'), and name model.onnx; or put a "
            "function that makes the network and loads its weights into a file beside the model, and write under "
            "[model] "
            '`python = "../venv/bin/python"` and `load = "FILE:FUNCTION"` (without .py)',
        )
    if any(n.endswith(PICKLES) for n in names):
        return RUNS, "an archive with a pickle inside", "unpack it and name the pickle; " + own("model.pkl", "joblib")
    shown = ", ".join(sorted(names)[:5]) or "nothing"
    if any(n.endswith("xl/workbook.xml") or n == "content.xml" for n in names):
        return OTHER, "a workbook: this is a table, not a model", "name it under [data]; rules in it: " + COLUMN
    return (
        "is a zip archive without a model",
        f"an archive of {shown}",
        "if a model file is inside, unpack it and name that file; else " + COLUMN,
    )


def of_folder(path: Path) -> Advice:
    """A folder, by what stands in it."""
    if (path / "MLmodel").is_file():
        lines = (path / "MLmodel").read_text(encoding="utf-8", errors="replace")[:65536].splitlines()
        named = [line.partition(":")[2].strip().strip("'\"") for line in lines if line.startswith("    ")]
        safe = [n for n in named if n.endswith(endings()) and (path / n).is_file()]
        if safe:
            todo = f'name the model inside: `path = "{path.name}/{safe[0]}"`'
            return "is an MLflow folder", "a folder with MLmodel", todo
        return "is an MLflow folder", "a folder with MLmodel", own(path.name, "mlflow")
    if (path / "saved_model.pb").is_file():
        return (
            "is a TensorFlow SavedModel",
            "a folder with saved_model.pb",
            f"convert it: python -m tf2onnx.convert --saved-model {path.name} --output model.onnx, and name model.onnx",
        )
    return "is a folder", "a folder", "if a model file is inside, name that file; else " + COLUMN
