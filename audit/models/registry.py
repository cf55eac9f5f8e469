"""A model of an MLflow registry: resolved once, its one file fetched, opened as any other file. No package of MLflow.

`mlflow.*.load_model` is never called: a crafted MLmodel runs its code there, whatever the settings. What is read of a
model's folder is MLmodel, as text, for the name of one file; that file goes to the worker as if a person had named it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from audit.case import ModelSpec, RegistrySpec
from audit.errors import CaseError, ModelError
from audit.files import private_folder, write_whole
from audit.models.files import SIZE_LIMIT
from audit.models.loaded import one_line
from audit.models.served.addresses import WEB, check_address
from audit.models.served.client import MOST_BYTES, Access, Client
from audit.numbers import many

URI = "MLFLOW_TRACKING_URI"
API = "/api/2.0/mlflow/"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
NATIVE = {"sklearn": "pickled_model", "lightgbm": "data", "xgboost": "data", "onnx": "data"}
"""Flavours whose file is opened here, and the key that names it."""
KEPT_SECONDS = 60.0
"""So long one process takes a resolved alias for true: a page that is drawn again does not fetch again."""

_fetched: dict[tuple[Any, ...], tuple[float, ModelSpec]] = {}


class Registry:
    """A context manager: the REST interface of a tracking server. Raises ModelError and CaseError."""

    def __init__(
        self, uri: str | None, *, ca: Path | None = None, plain_text: bool = False, what: str = "the registry"
    ):
        where = uri or os.environ.get(URI, "")
        if not where:
            raise CaseError(
                f"nobody says where {what} is",
                got=f"no `registry` under [model], and {URI} is empty",
                expected="the address of a tracking server, https://host or http://127.0.0.1:5000",
                todo=f'write registry = {{ uri = "https://..." }} under [model], or set {URI}',
            )
        source = URI if uri is None else f"the address of {what}"
        self.parts = check_address(where.rstrip("/"), WEB, plain_text, source)
        self.root = self.parts.path.rstrip("/")
        self.uri = where.rstrip("/")
        token, named = _credentials()
        access = Access(self.uri, what, ca=ca, plain_text=plain_text, token_env=named)
        self.client = Client(access, token=token)

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def get(self, path: str, **query: str) -> Any:
        """The document at `path`. Raises ModelError."""
        asked = "&".join(f"{k}={quote(v, safe='')}" for k, v in query.items())
        return self._document("GET", self.root + API + path + (f"?{asked}" if asked else ""), None)

    def post(self, path: str, *, once: bool = False, **body: Any) -> Any:
        """What the server answers. once: never asked a second time, since that would make a second one. Raises
        ModelError."""
        return self._document("POST", self.root + API + path, json.dumps(body, allow_nan=False).encode(), once)

    def artifacts(self, folder: str) -> list[dict[str, Any]]:
        """path, is_dir, file_size of what is in a folder of the artifact store. Raises ModelError."""
        document = self._document("GET", f"{self.root}{ARTIFACTS}?path={quote(folder, safe='')}", None)
        files = document.get("files") if isinstance(document, dict) else None
        return [f for f in files or [] if isinstance(f, dict) and isinstance(f.get("path"), str)]

    def artifact(self, path: str, most: int) -> bytes:
        """The bytes of one artifact. Raises ModelError."""
        reply = self.client.ask("GET", f"{self.root}{ARTIFACTS}/{quote(path)}", most=most)
        if reply.status != 200:
            raise self._refused(reply.status, reply.body)
        return reply.body

    def put_artifact(self, path: str, content: bytes) -> None:
        """Write one artifact. Raises ModelError."""
        reply = self.client.ask(
            "PUT", f"{self.root}{ARTIFACTS}/{quote(path)}", content, type="application/octet-stream"
        )
        if reply.status != 200:
            raise self._refused(reply.status, reply.body)

    def _document(self, method: str, path: str, body: bytes | None, once: bool = False) -> Any:
        reply = self.client.ask(method, path, body, most=8 * MOST_BYTES, once=once)
        if reply.status != 200:
            raise self._refused(reply.status, reply.body)
        try:
            return json.loads(reply.body)
        except (ValueError, RecursionError) as error:
            raise ModelError(
                f"{self.client.access.what} gives an answer that cannot be used",
                got="a web page" if reply.body.lstrip()[:1] == b"<" else "no JSON",
                expected="the REST interface of an MLflow tracking server",
                todo="correct the address",
            ) from error

    def _refused(self, status: int, body: bytes) -> ModelError:
        words = body[:4000].decode("utf-8", "replace")
        try:
            words = str(json.loads(words).get("message", words))
        except (ValueError, AttributeError):
            words = "a web page" if words.lstrip()[:1] == "<" else words
        todo = {
            401: "set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
            403: "ask for the right to read this model",
            404: "correct the name, the alias or the version",
        }.get(status, "look at the server's log")
        elsewhere = 300 <= status < 400
        return ModelError(
            f"{self.client.access.what} sends elsewhere, which is not followed" if elsewhere
            else f"{self.client.access.what} refused",
            got=f"HTTP {status}: {self.client.shown(words)}", expected="an answer with HTTP 200",
            todo="write the final address" if elsewhere else todo,
        )  # fmt: skip


def _credentials() -> tuple[str | None, str | None]:
    """A header for MLFLOW_TRACKING_USERNAME and _PASSWORD; else the variable that holds a token, if it is set."""
    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    if user and password is not None:
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode(), None
    return None, "MLFLOW_TRACKING_TOKEN" if os.environ.get("MLFLOW_TRACKING_TOKEN", "").strip() else None


def fetched(model: ModelSpec) -> ModelSpec:
    """The model with `path` at its file, and `registry` saying which version that is; others as they are.

    The file lies in a private cache under the sha256 of its bytes. Raises ModelError and CaseError.
    """
    spec = model.registry
    if spec is None or model.path is not None:
        return model
    key = (spec, os.environ.get(URI), model.load)
    known = _fetched.get(key)
    if known is not None and time.monotonic() - known[0] < KEPT_SECONDS and known[1].path and known[1].path.is_file():
        return replace(model, path=known[1].path, registry=known[1].registry)
    with Registry(spec.uri, ca=spec.ca, plain_text=spec.plain_text) as registry:
        resolved, content = _fetch(registry, spec, runs_code=model.load is not None)
    folder = cache() / hashlib.sha256(content).hexdigest()
    place = folder / Path(str(resolved.file)).name
    if not place.is_file() or place.read_bytes() != content:
        private_folder(folder)
        write_whole(place, content, mode=0o600)
    done = replace(model, path=place, registry=resolved)
    _fetched[key] = (time.monotonic(), done)
    return done


def cache() -> Path:
    """Where fetched files lie: under ASSAY_HOME, or the user's cache."""
    home = os.environ.get("ASSAY_HOME")
    if home:
        return Path(home) / "models"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "assay" / "models"


def _fetch(registry: Registry, spec: RegistrySpec, *, runs_code: bool) -> tuple[RegistrySpec, bytes]:
    if spec.alias is not None:
        answer = registry.get("registered-models/alias", name=spec.name, alias=spec.alias)
    else:
        answer = registry.get("model-versions/get", name=spec.name, version=str(spec.version))
    entry = answer.get("model_version") if isinstance(answer, dict) else None
    version = str((entry or {}).get("version", ""))
    if not entry or not version.isdigit() or (spec.version is not None and version != spec.version):
        raise ModelError(
            "the registry does not say which version is meant", got=one_line(version or "nothing"),
            expected=f"a version of {spec.name!r}", todo="look at the registry",
        )  # fmt: skip
    where = registry.get("model-versions/get-download-uri", name=spec.name, version=version).get("artifact_uri", "")
    folder = _folder(str(where))
    listed = {str(f.get("path")).rpartition("/")[2]: f for f in registry.artifacts(folder)}
    if "MLmodel" not in listed:
        raise ModelError(
            f"{spec.asked} holds no MLmodel",
            got=", ".join(repr(n) for n in list(listed)[:8]) or "an empty folder",
            expected="the folder that mlflow.<flavour>.log_model writes",
            todo="log the model again, or name its file as `path`",
        )
    name = file_of(registry.artifact(f"{folder}/MLmodel", MOST_BYTES), spec, version, runs_code=runs_code)
    size = listed.get(name, {}).get("file_size", 0)
    if isinstance(size, int) and size > SIZE_LIMIT:
        raise ModelError(f"the file of {spec.asked} is too large", got=many(size, "byte"), expected=f"{SIZE_LIMIT:,}")
    content = registry.artifact(f"{folder}/{name}", SIZE_LIMIT)
    record = replace(
        spec, version=version, uri=registry.uri, run_id=one_line(entry.get("run_id") or "", 80) or None,
        source=one_line(entry.get("source") or "", 200) or None, file=name,
    )  # fmt: skip
    return record, content


def _folder(uri: str) -> str:
    """The folder in the server's artifact store. Raises ModelError for one that only its disk or a cloud has."""
    parts = urlsplit(uri)
    path = parts.path.strip("/")
    if parts.scheme != "mlflow-artifacts" or not path or ".." in path.split("/"):
        raise ModelError(
            "the registry does not hand out the model's files itself",
            got=f"they are at {one_line(uri, 120) or 'no place'}",
            expected="an artifact store that the server serves (mlflow server --artifacts-destination ...)",
            todo="fetch the folder with MLflow where it can be read (mlflow artifacts download --artifact-uri "
            "models:/NAME/VERSION -d model) and name its file as `path`",
        )
    return path


_LINE = re.compile(r"([A-Za-z_][\w.]*):(?: (.*))?")


def flavours(text: str) -> dict[str, dict[str, str]]:
    """Flavour -> its plain settings, of an MLmodel. Two levels of a YAML that MLflow writes; everything else is passed
    over, and nothing is built."""
    out: dict[str, dict[str, str]] = {}
    inside, here = False, None
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip(" "))
        match = _LINE.fullmatch(line.strip())
        if depth == 0:
            inside, here = line.rstrip() == "flavors:", None
        elif inside and match and depth == 2:
            here = out.setdefault(match[1], {})
        elif inside and match and depth == 4 and here is not None and match[2]:
            here[match[1]] = match[2].strip().strip("'\"")
    return out


def file_of(content: bytes, spec: RegistrySpec, version: str, *, runs_code: bool = False) -> str:
    """The name of the one file, inside the folder, that the MLmodel names. Raises ModelError with the true way in."""
    known = flavours(content.decode("utf-8", "replace"))
    ways = (
        f'log it again as skops (mlflow.sklearn.log_model(..., serialization_format="skops")); or serve it (mlflow '
        f'models serve -m models:/{spec.name}/{version}) and name that: endpoint = {{ url = "http://127.0.0.1:PORT", '
        'protocol = "mlflow" }; or name the environment that made it: `python = "../venv/bin/python"` and '
        '`load = "cloudpickle"` beside this path'
    )
    for flavour, key in NATIVE.items():
        name = known.get(flavour, {}).get(key)
        if name is None:
            continue
        if not re.fullmatch(r"[\w.-]{1,200}", name) or name.startswith("."):
            raise ModelError(
                f"the MLmodel of {spec.asked} names a file outside its folder",
                got=one_line(name, 120),
                expected="the name of a file beside it",
                todo="do not use this model; tell whoever keeps the registry",
            )
        form = known[flavour].get("serialization_format", "skops" if name.endswith(".skops") else "")
        if flavour == "sklearn" and form != "skops" and not runs_code:
            raise ModelError(
                f"{spec.asked} is version {version}, and it is a pickle: a program that runs when it is opened",
                got=f"{name}, written with {form or 'pickle'}",
                expected="skops, LightGBM, XGBoost or ONNX",
                todo=ways,
            )
        return name
    kinds = ", ".join(sorted(known)) or "no flavour"
    raise ModelError(
        f"{spec.asked} is version {version}, of a kind that is opened by running its code only",
        got=f"the flavours {kinds}",
        expected="a scikit-learn (skops), LightGBM, XGBoost or ONNX model",
        todo=ways,
    )


def record(spec: RegistrySpec) -> dict[str, Any]:
    """The `registry` entry of evidence.json."""
    return {k: getattr(spec, k) for k in ("uri", "name", "version", "alias", "run_id", "source", "file")}
