"""The [model] section of a case file: to a frozen `ModelSpec` and back. The format is docs/case-file.md."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit.case import ModelSpec
from audit.errors import CaseError
from audit.load import endpoints, schema
from audit.load.toml import Reader, relative, resolve_path
from audit.load.values import name_of
from audit.load.written import ENDPOINT, ModelSection, RegistrySection
from audit.models.own_loaders import WAYS
from audit.numbers import brief

KINDS = ("path", "endpoint", "decision", "score")

_FOR_FILES = ("python", "load", "consent", "classes", "link", "registry")
_ALSO = {("classes", "decision"), ("classes", "endpoint"), ("link", "endpoint")}
"""Keys of model files that may stand beside other kinds."""


def read(at: Reader, folder: Path) -> ModelSpec:
    """Raises CaseError for an unknown key, no or two kinds of model, and keys that do not go together."""
    return from_section(schema.read(at, ModelSection), at, folder)


def from_section(section: ModelSection, at: Reader, folder: Path) -> ModelSpec:
    """The section as it was read by `at`, for what a refusal shows. Raises CaseError."""
    if section.outcomes:
        return ModelSpec("decision", outcomes=True)
    kinds = [k for k in KINDS if k in at.table]
    if len(kinds) != 1:
        raise CaseError(
            "[model] names more than one kind of model" if kinds else "[model] names no model",
            got=" and ".join(kinds) if kinds else "none of " + ", ".join(KINDS),
            expected="exactly one of " + ", ".join(KINDS),
            todo="keep the one whose decisions are to be audited"
            if kinds
            else 'add for example path = "model.skops"; where nothing was decided, outcomes = true',
        )
    kind = kinds[0]
    served = None
    if section.endpoint is not None:
        served = endpoints.from_section(section.endpoint, Reader(at.section("endpoint"), ENDPOINT, at.error), folder)
    value = served.url if served is not None else str(at.table[kind])
    if section.threshold is not None and kind == "decision":
        raise CaseError(
            "[model] has a threshold for decisions that are already made",
            got=f"decision = {value!r} and threshold = {brief(section.threshold)}",
            expected="a threshold only with path, endpoint or score",
            todo="remove `threshold`, or name the column of scores as `score`",
        )
    for key in _FOR_FILES:
        if key in at.table and kind != "path" and (key, kind) not in _ALSO:
            raise CaseError(
                f"[model] has `{key}` and no model file",
                got=f"{kind} = {value!r} and {key} = {at.table[key]!r}",
                expected=f"`{key}` only with path",
                todo=f"remove `{key}`",
            )
    _other(section.python, section.load, section.consent)
    registry = None
    if kind == "path" and value.startswith("mlflow:"):
        registry = endpoints.registry_of(value, section.registry or RegistrySection(), folder)
    elif section.registry is not None:
        raise CaseError(
            "[model] has `registry`, and its path is a file",
            got=f"path = {value!r}",
            expected='`registry` only beside path = "mlflow:NAME@ALIAS" or "mlflow:NAME/VERSION"',
            todo="remove `registry`",
        )
    return ModelSpec(
        kind=kind,
        path=resolve_path(folder, value) if kind == "path" and registry is None else None,
        column=value if kind in ("decision", "score") else None,
        endpoint=served,
        threshold=0.5 if section.threshold is None else section.threshold,
        threshold_given=section.threshold is not None,
        link=section.link,
        classes=_classes(section.classes),
        python=None if section.python is None else resolve_path(folder, section.python),
        load=section.load,
        consent=section.consent,
        origin=section.origin,
        registry=registry,
    )


def _other(python: str | None, load: str | None, consent: str | None) -> None:
    """Keys of a model in its own environment go together. Raises CaseError."""
    if (python is None) != (load is None):
        present, absent = ("python", "load") if load is None else ("load", "python")
        raise CaseError(
            f"[model] has `{present}` without `{absent}`",
            got=f"{present} = {python or load!r}",
            expected="both: the interpreter that the model was made with, and how it is loaded there",
            todo='add for example load = "joblib"' if load is None else 'add for example python = "../venv/bin/python"',
        )
    if consent is not None and python is None:
        raise CaseError(
            "[model] has `consent` without `python` and `load`",
            got=f"consent = {consent!r}",
            expected="consent only for a file that runs code when it is loaded, in an environment of its own",
            todo="remove `consent`, or add `python` and `load`",
        )
    if consent is not None and not re.fullmatch(r"sha256:[0-9a-f]{64}", consent):
        raise CaseError(
            "`consent` in [model] is no digest",
            got=repr(consent),
            expected="sha256: and 64 hexadecimal digits in lower case",
            todo="leave it out; the refusal prints the line to add",
        )
    if load is not None and load not in WAYS and not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", load):
        raise CaseError(
            "`load` in [model] is not known",
            got=repr(load),
            expected="one of " + ", ".join(WAYS) + ', or a function of yours as "module:function"',
            todo='for a file written by joblib.dump say load = "joblib"',
        )


def _classes(classes: Mapping[str, Any]) -> dict[str, str]:
    out = {k: name_of(v) for k, v in classes.items()}
    if out and (len(out) < 2 or len(set(out.values())) < len(out)):
        raise CaseError(
            "`classes` under [model] does not give each class a name of its own",
            got=repr(out),
            expected="every class of the model (or decision), and a different value of the label for each",
            todo='write for example classes = { 0 = "rejected", 1 = "approved" }',
        )
    return out


def from_lines(path: Path, lines: str) -> ModelSpec:
    """A model file with further lines as they would stand under [model]. Raises CaseError."""
    try:
        table = tomllib.loads(lines)
    except tomllib.TOMLDecodeError as problem:
        raise CaseError(
            "the lines for the model are no TOML",
            got=str(problem),
            expected='lines such as classes = { 0 = "denied", 1 = "approved" }',
            todo="copy the line from the message as it stands, without the quotation marks around it",
        ) from problem
    if "path" in table:
        raise CaseError("the lines for the model name a path", expected="the uploaded file", todo="leave out `path`")
    return read(Reader({"path": path.name, **table}, "the lines for the model", CaseError), path.parent)


def to_table(model: ModelSpec, folder: Path) -> dict[str, Any]:
    """As `read` reads it; keys that are not given are left out."""
    if model.outcomes:
        return {"outcomes": True}
    file = None if model.path is None else relative(model.path, folder)
    where: dict[str, Any] = {
        "path": file if model.registry is None else model.registry.asked,
        "endpoint": None if model.endpoint is None else endpoints.to_table(model.endpoint, folder),
    }
    out: dict[str, Any] = {model.kind: where.get(model.kind, model.column)}
    is_given = model.threshold_given or (model.threshold != 0.5 and model.kind != "decision")
    more = {
        "threshold": model.threshold if is_given else None,
        "link": model.link,
        "classes": dict(model.classes) or None,
        "python": None if model.python is None else relative(model.python, folder),
        "load": model.load,
        "consent": model.consent,
        "origin": model.origin,
        "registry": None if model.registry is None else endpoints.registry_to_table(model.registry, folder),
    }
    return out | {k: v for k, v in more.items() if v is not None}
