"""Model files that cannot be used: each is refused with what was got, what was expected and what to do."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import os
import pickle
import shutil
import struct
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost
from sklearn.linear_model import LogisticRegression

from audit.errors import ModelError
from audit.models import Worker, describe
from audit.models import files as model_files


@pytest.fixture(scope="module")
def model() -> LogisticRegression:
    return LogisticRegression().fit([[0.0], [1.0]], [0, 1])


@pytest.fixture(scope="module")
def good(model: LogisticRegression) -> bytes:
    return skops.io.dumps(model)


def refused(path: Path) -> ModelError:
    """The refusal, by `describe` and by a worker alike; every one has its parts and names the file, not its folder."""
    with pytest.raises(ModelError) as caught:
        describe(path)
    with pytest.raises(ModelError) as again, Worker(path):
        pass
    assert again.value.message == caught.value.message
    error = caught.value
    assert error.exit_code == 2
    assert error.problem
    assert error.expected
    assert error.todo
    assert "\n" not in error.message
    assert "Traceback" not in error.message
    return error


def refused_bytes(folder: Path, content: bytes, name: str = "model.skops") -> ModelError:
    (folder / name).write_bytes(content)
    return refused(folder / name)


class Bomb:
    """What a pickle can do: anything. This one leaves a mark when it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_named_skops_is_refused_and_never_opened(protocol: int, tmp_path: Path) -> None:
    error = refused_bytes(tmp_path, pickle.dumps(Bomb(tmp_path / "mark"), protocol))
    assert "a pickle is a program" in error.problem
    assert "skops" in error.todo
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_model_is_refused_with_the_way_out(protocol: int, tmp_path: Path, model: LogisticRegression) -> None:
    error = refused_bytes(tmp_path, pickle.dumps(model, protocol), "model.pkl")
    assert "a pickle is a program" in error.problem
    assert "assay convert " in error.todo


@pytest.mark.parametrize("compress", [0, ("zlib", 3), ("zlib", 9), ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3)])
def test_joblib_is_refused_with_the_way_out(compress: Any, tmp_path: Path, model: LogisticRegression) -> None:
    joblib.dump(model, tmp_path / "model.joblib", compress=compress)
    error = refused(tmp_path / "model.joblib")
    assert "pickle" in error.problem
    assert "assay convert " in error.todo


def test_the_way_out_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The command that is advised, word for word, with the interpreter and the table put in and the digest that the
    refusal of `convert` gives."""
    import cli

    monkeypatch.chdir(tmp_path)
    model = LogisticRegression().fit([[0.0, 1.0], [1.0, 0.0]], [0, 1])  # a table of one column is no table
    joblib.dump(model, "model.pkl")
    pd.DataFrame({"a": np.linspace(0, 1, 30), "b": np.linspace(1, 0, 30)}).to_csv("rows.csv", index=False)
    words = next(w for w in refused(tmp_path / "model.pkl").todo.split("`") if w.startswith("assay convert"))
    args = words.replace("../venv/bin/python", sys.executable).replace("TABLE", "rows.csv").split()[1:]
    args += ["--features", "a", "b"]  # it was fitted on a bare array, which names none
    assert cli.main(args) == 2
    errors = capsys.readouterr().err
    assert not (tmp_path / "model.skops").exists()
    assert cli.main([*args, *errors.split("`")[1].split()]) == 0
    assert describe(tmp_path / "model.skops").format == "skops"


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zlib.compress])
def test_compressed_bytes_are_refused(pack: Any, tmp_path: Path, good: bytes) -> None:
    assert "compressed" in refused_bytes(tmp_path, pack(good)).problem


def test_empty_folder_missing_and_garbage(tmp_path: Path) -> None:
    assert refused_bytes(tmp_path, b"").got == "0 bytes"
    assert refused(tmp_path).got == "a folder"
    assert "does not exist" in refused(tmp_path / "no.skops").problem
    assert refused_bytes(tmp_path, b"hello world\nthis is no model").got == "text that starts with 'hello world'"
    assert refused_bytes(tmp_path, bytes(range(256))).got.startswith("bytes that start with 00 01 02")
    assert "a Parquet file" in refused_bytes(tmp_path, b"PAR1" + b"\x00" * 50).got
    assert refused_bytes(tmp_path, b'{"a": 1}').got == "text that starts with '{\"a\": 1}'"
    assert refused_bytes(tmp_path, b"age,sex\n1,2\n").expected == model_files.EXPECTED
    assert "git lfs pull" in refused_bytes(tmp_path, b"version https://git-lfs.github.com/spec/v1\n").todo
    os.mkfifo(tmp_path / "pipe")
    assert "no ordinary file" in refused(tmp_path / "pipe").problem


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_skops_cut_short(share: float, tmp_path: Path, good: bytes) -> None:
    error = refused_bytes(tmp_path, good[: int(len(good) * share)])
    assert "cut short or damaged" in error.problem
    assert "again" in error.todo


def test_skops_with_flipped_bytes_gives_one_message_or_a_model(tmp_path: Path, good: bytes) -> None:
    """Damage shows when the file is described, or when it is loaded; never as another error."""
    from audit.models.skops_model import SkopsModel

    rng = np.random.default_rng(0)
    hurt = 0
    for at in rng.choice(len(good), 60, replace=False):
        content = good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :]
        (tmp_path / "m").write_bytes(content)
        with contextlib.suppress(ModelError):
            describe(tmp_path / "m")
            try:
                SkopsModel(content, ())
            except Exception:
                hurt += 1  # in a worker this is "the model raised an error"
            continue
        hurt += 1
    assert hurt > 0


def zipped(entries: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_archives_that_are_no_model(tmp_path: Path) -> None:
    assert "without a model" in refused_bytes(tmp_path, zipped({"a.txt": b"x"})).problem
    assert "archive of a.txt" in refused_bytes(tmp_path, zipped({"a.txt": b"x"})).got
    assert "without a model" in refused_bytes(tmp_path, zipped({})).problem
    assert "torch.save" in refused_bytes(tmp_path, zipped({"archive/data.pkl": b"x"})).got
    assert "schema.json cannot be read" in refused_bytes(tmp_path, zipped({"schema.json": b"{"})).problem
    nested = b"[" * 200_000 + b"]" * 200_000
    assert "schema.json cannot be read" in refused_bytes(tmp_path, zipped({"schema.json": nested})).problem


def test_archive_bombs_are_refused_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zeros = zipped({"schema.json": b"{}", "a.npy": bytes(70 * 2**20)})
    assert len(zeros) < 2**20
    assert "times its size" in refused_bytes(tmp_path, zeros).got
    monkeypatch.setattr(model_files, "ENTRIES_LIMIT", 10)
    assert "11 entries" in refused_bytes(tmp_path, zipped({f"{i}": b"" for i in range(11)})).got
    monkeypatch.setattr(model_files, "UNPACKED_LIMIT", 1000)
    assert "bytes unpacked" in refused_bytes(tmp_path, zipped({"schema.json": b"x" * 2000})).got
    monkeypatch.setattr(model_files, "UNPACKED_LIMIT", 10**9)
    monkeypatch.setattr(model_files, "SCHEMA_LIMIT", 1000)
    assert "schema.json over the limit" in refused_bytes(tmp_path, zipped({"schema.json": b"x" * 2000})).got
    monkeypatch.setattr(model_files, "SIZE_LIMIT", 100)
    assert "too large" in refused_bytes(tmp_path, zeros).problem


def test_an_encrypted_archive_is_refused(tmp_path: Path, good: bytes) -> None:
    content = bytearray(good)
    at = content.rfind(b"PK\x01\x02")
    content[at + 8] |= 1
    assert "encrypted" in refused_bytes(tmp_path, bytes(content)).problem


def swapped(good: bytes, module: str, name: str) -> bytes:
    """The good file with its estimator's type replaced."""
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        parts = {n: archive.read(n) for n in archive.namelist()}
    schema = json.loads(parts["schema.json"])
    schema["__module__"], schema["__class__"] = module, name
    return zipped(parts | {"schema.json": json.dumps(schema).encode()})


def test_an_unknown_type_is_named_and_needs_consent(tmp_path: Path, good: bytes) -> None:
    path = tmp_path / "m.skops"
    path.write_bytes(swapped(good, "mycompany.models", "Scorer"))
    assert describe(path).unknown_types == ("mycompany.models.Scorer",)
    with pytest.raises(ModelError, match="does not know") as caught, Worker(path):
        pass
    assert caught.value.got == "mycompany.models.Scorer"
    with pytest.raises(ModelError, match="does not know"), Worker(path, allow=["mycompany.models.Other"]):
        pass


@pytest.mark.parametrize(("module", "name"), [("os", "system"), ("builtins", "exec"), ("subprocess", "Popen")])
def test_some_names_are_refused_whoever_allows_them(module: str, name: str, tmp_path: Path, good: bytes) -> None:
    path = tmp_path / "m.skops"
    path.write_bytes(swapped(good, module, name))
    with pytest.raises(ModelError, match="what no model needs") as caught, Worker(path, allow=[f"{module}.{name}"]):
        pass
    assert caught.value.got == f"{module}.{name}"


def test_lightgbm_and_xgboost_cut_short(tmp_path: Path) -> None:
    x, y = np.arange(60.0).reshape(-1, 1), np.arange(60) % 2
    text = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(x, y).booster_.model_to_string().encode()
    (tmp_path / "whole.txt").write_bytes(text)
    assert describe(tmp_path / "whole.txt").format == "lightgbm"
    for share in (0.2, 0.5, 0.9):
        assert "cut short" in refused_bytes(tmp_path, text[: int(len(text) * share)]).problem
    assert "not whole" in refused_bytes(tmp_path, b"tree\nversion=v4\n").problem
    xgboost.XGBClassifier(n_estimators=2, n_jobs=1).fit(x, y).save_model(tmp_path / "m.json")
    content = (tmp_path / "m.json").read_bytes()
    assert "cut short" in refused_bytes(tmp_path, content[: len(content) // 2]).problem


def test_a_file_that_breaks_its_library_is_one_message(tmp_path: Path) -> None:
    """LightGBM text whose tree says what cannot be, in a real worker: a message, or the end of the worker alone."""
    x, y = np.arange(60.0).reshape(-1, 1), np.arange(60) % 2
    text = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(x, y).booster_.model_to_string()
    path = tmp_path / "m.txt"
    path.write_text(text.replace("num_leaves=", "num_leaves=9999"))
    with Worker(path) as worker, pytest.raises(ModelError) as caught:
        _ = worker.info
    assert caught.value.todo
    assert "Traceback" not in caught.value.message


def test_what_is_on_disk_stays_as_it_was(tmp_path: Path) -> None:
    content = struct.pack("<Q", 1) * 10
    refused_bytes(tmp_path, content, "m.skops")
    assert (tmp_path / "m.skops").read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["m.skops"]
    shutil.rmtree(tmp_path)
