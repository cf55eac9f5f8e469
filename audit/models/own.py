"""A model in its own environment: the interpreter that it was made with, behind the same walls as every model.

Loading a pickle, or a folder with code, runs what is in it. So a person consents to the digest of exactly these bytes
first; they are copied into a private folder, digested as they are copied, and only the copy is loaded. The worker is
audit/models/own_worker.py, under the model's interpreter; nothing of Assay but that file and the walls is seen there.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audit.errors import DataError, ModelError
from audit.models import advice, wire
from audit.models.files import SIZE_LIMIT, ModelFile, read_bytes
from audit.models.held import Held
from audit.models.hybrids import LazyRows
from audit.models.loaded import one_line
from audit.models.process import Child, Limits
from audit.models.worker import _START_SECONDS, ModelInfo, Rows, Worker, _info
from audit.passing import make, remove
from audit.values import from_json

FILES_LIMIT = 20_000
_WORKER = Path(__file__).with_name("own_worker.py")
_ASKED = ("answer", "class_scores", "classes", "refit", "convert")
_REFUSALS = {
    "native_attributions": "refused",
    "native_interactions": "refused",
    "to_onnx": "reason",
}
LIMITS = Limits(file_size_bytes=2**30)


@dataclass(frozen=True, slots=True)
class Environment:
    """python: the interpreter; load: how the model is loaded there; consent: "sha256:...", or None.

    beside: the folder where the module of a `module:function` is looked for. made_here: the file was written by this
    very environment in a mitigation, whose own model a person had consented to.
    """

    python: Path
    load: str
    consent: str | None
    beside: Path
    made_here: bool = False
    by_option: bool = False
    """Consent is given as an option of the command line, and not in a case file."""


def parts_of(path: Path, environment: Environment) -> dict[str, Path]:
    """What is loaded, by its name in the private folder: the file, or all files of the folder, and the module.

    Raises ModelError for what is missing, a link, or too much.
    """
    parts = _in_folder(path) if path.is_dir() else {f"model/{path.name}": path}
    if ":" in environment.load:
        top = environment.load.partition(":")[0].split(".")[0]
        file, package = environment.beside / f"{top}.py", environment.beside / top
        if file.is_file():
            parts[f"code/{top}.py"] = file
        elif (package / "__init__.py").is_file():
            for place in sorted(package.rglob("*.py")):
                parts[f"code/{top}/{place.relative_to(package).as_posix()}"] = place
    return parts


def _in_folder(path: Path) -> dict[str, Path]:
    """The files of a model folder by their name in the private one. Raises ModelError for a link, or too many."""
    files: dict[str, Path] = {}
    for folder, folders, names in os.walk(path):
        for name in [*folders, *names]:
            if os.path.islink(os.path.join(folder, name)):
                raise ModelError(
                    f"the model folder {path.name!r} has a link inside",
                    got=name,
                    expected="files, so that what is digested is what is loaded",
                    todo="copy the folder with the links followed (cp -rL)",
                )
        for name in sorted(names):
            place = Path(folder) / name
            files[f"model/{place.relative_to(path).as_posix()}"] = place
        if len(files) > FILES_LIMIT:
            raise ModelError(
                f"the model folder {path.name!r} has too many files", expected=f"at most {FILES_LIMIT:,}",
                todo="name the folder of one model",
            )  # fmt: skip
    return files


def digest_of(path: Path, environment: Environment, into: Path | None = None) -> str:
    """The sha256, in hex, that a person consents to; with `into` everything is copied there as it is digested.

    Of one file, that of its bytes (as `sha256sum` says); of several, that of the lines "HEX  NAME", sorted by name.
    Raises ModelError.
    """
    lines, size = [], 0
    for name, place in sorted(parts_of(path, environment).items()):
        content = read_bytes(place) if place.stat().st_size else b""
        size += len(content)
        if size > SIZE_LIMIT:
            raise ModelError(
                f"the model {path.name!r} is too large", got=f"over {SIZE_LIMIT:,} bytes",
                todo=advice.COLUMN,
            )  # fmt: skip
        lines.append((hashlib.sha256(content).hexdigest(), name))
        if into is not None:
            target = into / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    if len(lines) == 1:
        return lines[0][0]
    return hashlib.sha256("".join(f"{digest}  {name}\n" for digest, name in lines).encode()).hexdigest()


def allowed(environment: Environment) -> str:
    """What a consent allows, in words."""
    return (
        f"its code then runs under {environment.python}, in a process of its own without network, without any file but "
        "the interpreter's libraries and this model (it writes in a folder in memory that ends with it), without new "
        "processes, and within limits of memory and time"
    )


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What the other interpreter says of itself and of how it may be asked about groups."""

    groups: tuple[Any, ...]
    versions: dict[str, Any]


class OwnWorker(Worker):
    builds_rows = False
    """As `Worker`, for a model that its own interpreter loads. Raises ModelError from `__enter__` where nobody has
    consented to these bytes."""

    def __init__(
        self, path: str | Path, environment: Environment, *, limits: Limits | None = None, kept: bool = False
    ) -> None:
        super().__init__(path, limits=limits or LIMITS, kept=kept)
        self._environment = environment
        self._folder: Path | None = None
        self._spawned = False
        self._groups: tuple[str, ...] = ()
        self.keys: tuple[str, ...] = ()
        """The groups that the model knows by name, where its `predict` wants people's groups."""
        self.versions: dict[str, str] = {}

    def __enter__(self) -> OwnWorker:
        python, path = self._environment.python, self._path
        if not (python.is_file() and os.access(python, os.X_OK)):
            raise ModelError(
                "the model's interpreter is not there",
                got=str(python),
                expected="a Python 3.8 or newer, such as ../venv/bin/python",
                todo="correct `python` under [model]; it is read beside the case file",
            )
        if not path.exists():
            read_bytes(path)  # which says so
        self._spawned = False
        folder = self._folder = make()
        try:
            digest = digest_of(path, self._environment, folder)
            self._consented(digest)
            self._file = ModelFile(path, self._environment.load, digest, 0)
            self._hold((digest, self._environment, self._limits), self._spawn)
        except BaseException:
            remove(folder)
            raise
        if not self._spawned:  # a process of the job had loaded these bytes already
            remove(folder)
        return self

    def _spawn(self) -> Held:
        """A process for the private folder, which goes with it."""
        folder, self._spawned = self._folder, True
        assert folder is not None
        child = Child(
            self._limits,
            serve=f"{_WORKER}:serve",
            readable=[str(folder), str(_WORKER.with_name("own_loaders.py"))],
            packages=(),
            scratch=True,
            python=str(self._environment.python),
        )
        return Held(child, lambda child: self._load_from(child, folder), lambda: remove(folder))

    def _consented(self, digest: str) -> None:
        env, name = self._environment, self._path.name
        if env.made_here or env.consent == f"sha256:{digest}":
            return
        line, where = f'consent = "sha256:{digest}"', " under [model]"
        if env.by_option:
            line, where = f"--consent sha256:{digest}", ""
        if env.consent is not None:
            raise ModelError(
                f"{name!r} is not what was consented to",
                got=f"sha256:{digest}",
                expected=env.consent,
                todo=f"find out why it changed; if you know where these bytes are from, write `{line}`{where}: "
                + allowed(env),
            )
        raise ModelError(
            f"loading {name!r} with {env.load} runs code that is in it, and nobody has consented to that",
            got=f"sha256:{digest}",
            expected="the consent of a person who knows where these bytes are from",
            todo=f"add `{line}`{where}: {allowed(env)}" + ("" if env.by_option else "; the report will say so"),
        )

    def _load_from(self, child: Child, folder: Path) -> dict[str, Any]:
        code = folder / "code"
        name = self._path.name if not self._path.is_dir() else ""
        fields = {
            "do": "load",
            "load": self._environment.load,
            "path": str(folder / "model" / name) if name else str(folder / "model"),
            "folder": str(code) if code.is_dir() else None,
        }
        reply = child.ask(wire.pack(fields), _START_SECONDS + self._limits.wall_seconds)
        self._model_info(reply.fields)  # what is no answer is seen here
        return reply.fields

    def _model_info(self, fields: dict[str, Any]) -> ModelInfo:
        loaded = from_json(_Loaded, fields)
        self.keys = tuple(map(str, loaded.groups))
        self.versions = {str(k): one_line(v, 40) for k, v in dict(loaded.versions).items()}
        info = _info(self._environment.load, self._file.sha256, fields)
        return replace(info, notes=(self._loading_note(), *info.notes))

    def _loading_note(self) -> str:
        known = ", ".join(f"{k} {v}" for k, v in self.versions.items())
        by = "made here, by the audited model's own environment" if self._environment.made_here else (
            f"by a person's consent to sha256:{self._file.sha256}"
        )  # fmt: skip
        return (
            f"The model was loaded with {self._environment.load} in its own environment ({known}), which runs code "
            f"that is in the file; allowed {by}. It ran behind the same walls as every model."
        )

    # -- what it needs to see ----------------------------------------------------------------------------------------

    def read_groups(self, columns: tuple[str, ...]) -> None:
        """The model's `predict` is told these columns of every row."""
        info = self.info
        self._groups = columns
        if info.features is not None:
            self._info = replace(info, features=tuple(dict.fromkeys([*info.features, *columns])))

    def learn_classes(self, frame: pd.DataFrame) -> None:
        """For a model that names no classes: what it answers for these rows."""
        held = self._held
        assert held is not None
        with held.lock:
            answer = held.child.ask(self._blocks({"do": "call", "op": "classes"}, self._select(frame), None), 900.0)
        kept = self.info
        self._info = replace(
            self._model_info({**answer.fields, "isolation": list(kept.isolation)}),
            features=kept.features,
        )

    # -- asking ------------------------------------------------------------------------------------------------------

    def call(self, op: str, frame: pd.DataFrame | None = None, **arrays: Any) -> dict[str, np.ndarray]:
        if op in _REFUSALS:
            self.info  # noqa: B018 - a model that cannot be loaded is told so
            why = "the model runs in its own environment"
            empty = {"onnx": np.zeros(0, dtype=np.uint8), "difference": np.array(np.nan)}
            return {_REFUSALS[op]: np.array(why, dtype=object), **(empty if op == "to_onnx" else {})}
        if op not in _ASKED:
            return super().call(op, frame, **arrays)
        table = None if frame is None else self._select(frame)
        return self._ask({"do": "call", "op": op}, table=table, arrays={k: np.asarray(v) for k, v in arrays.items()})

    def _blocks(self, fields: dict[str, Any], table: Rows | None, arrays: dict[str, np.ndarray] | None) -> list[Any]:
        assert not isinstance(table, LazyRows)
        more: dict[str, np.ndarray] = {k: v if v.ndim or v.dtype.kind not in "UO" else v.reshape(1)
                                       for k, v in (arrays or {}).items()}  # fmt: skip
        fields |= {"groups": list(self._groups)}
        if table is not None:
            kinds, columns = columns_of(table)
            fields |= {"columns": kinds}
            more |= columns
        return wire.pack(fields, more)


def columns_of(frame: pd.DataFrame) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """The frame for an interpreter that need not have Arrow: how each column is meant, and its numbers or JSON.

    Raises DataError for doubled names, and for values that are neither text, numbers nor truth values.
    """
    names = [str(c) for c in frame.columns]
    if len(set(names)) < len(names):
        doubled = sorted({n for n in names if names.count(n) > 1})
        raise DataError(
            "the data have columns of the same name", got=", ".join(repr(d) for d in doubled[:12]),
            expected="each name once", todo="rename or drop the doubled columns",
        )  # fmt: skip
    kinds: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    for at, name in enumerate(names):
        values = frame.iloc[:, at]
        dtype = values.dtype
        column: dict[str, Any] = {"name": name, "kind": "plain"}
        if isinstance(dtype, pd.CategoricalDtype):
            column |= {"kind": "category", "ordered": bool(dtype.ordered)}
            arrays[f"c{at}"] = values.cat.codes.to_numpy(dtype=np.int64)
            arrays[f"w{at}"] = _json(list(dtype.categories), name)
        elif isinstance(dtype, pd.DatetimeTZDtype) or dtype.kind == "M":
            zone = str(dtype.tz) if isinstance(dtype, pd.DatetimeTZDtype) else ""
            column |= {"kind": "time", "zone": zone}
            plain = values.dt.tz_convert("UTC").dt.tz_localize(None) if zone else values
            arrays[f"c{at}"] = plain.to_numpy(dtype="datetime64[ns]").view(np.int64)
        elif isinstance(dtype, np.dtype) and dtype.kind in "fiub":
            arrays[f"c{at}"] = values.to_numpy()
        elif pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype):
            column |= {"kind": "nullable", "dtype": str(dtype).replace("boolean", "boolean")}
            gone = values.isna().to_numpy(dtype=bool)
            arrays[f"m{at}"] = gone.astype(np.uint8)
            arrays[f"c{at}"] = values.fillna(0).to_numpy(dtype=_numpy_name(str(dtype)))
        else:
            lost = values[values.isna()]
            column |= {"kind": "object", "missing": "none" if len(lost) and lost.iloc[0] is None else "nan"}
            arrays[f"c{at}"] = _json([None if m else v for v, m in zip(values, values.isna(), strict=True)], name)
        kinds.append(column)
    return kinds, arrays


def _numpy_name(dtype: str) -> str:
    return "bool" if dtype == "boolean" else dtype.lower()


def _json(values: list[Any], name: str) -> np.ndarray:
    try:
        text = json.dumps([v.item() if isinstance(v, np.generic) else v for v in values])
    except (TypeError, ValueError) as error:
        raise DataError(
            "a column of the data cannot be sent to the model",
            got=f"{name!r}: {one_line(error)}",
            expected="columns that hold numbers, text, truth values or dates",
            todo="write the values of the column as text or numbers",
        ) from error
    return np.array([text], dtype=object)
