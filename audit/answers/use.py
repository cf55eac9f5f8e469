"""Which store a piece of work uses: that of its run folder, or none."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import hashlib
import importlib.util
import inspect
import json
import platform
import sys
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from audit import progress
from audit.answers.store import Store, place_of, quota
from audit.numbers import are, many

_here: ContextVar[Store | None] = ContextVar("answers", default=None)
_never: ContextVar[bool] = ContextVar("never", default=False)
SCORERS = ("lightgbm", "numpy", "onnx", "onnxruntime", "pandas", "pyarrow", "scikit-learn", "scipy", "shap", "skops",
           "xgboost")  # fmt: skip
"""Packages by which a model's answer comes about."""
SOURCES = ("models/*.py", "explain/native*.py", "explain/tree_*.py", "explain/owners.py")
P = ParamSpec("P")
T = TypeVar("T")


def key_of(facts: dict[str, Any]) -> str:
    """The sha256 of `facts` as canonical JSON; the order of keys does not matter."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def current() -> Store | None:
    """The store of the work that is under way."""
    return _here.get()


@contextlib.contextmanager
def keeping(out: Path) -> Iterator[Store | None]:
    """Answers are looked for, and kept, in the store of this run folder; in that of the work around it, if any.

    None where nothing may be kept: within `never`, and with a quota of 0.
    """
    if (around := _here.get()) is not None or _never.get() or not quota():
        yield around
        return
    store = Store(place_of(out), out)
    token = _here.set(store)
    try:
        yield store
        _report_reused(store)
    finally:
        _here.reset(token)
        store.close()


@contextlib.contextmanager
def never() -> Iterator[None]:
    """Everything is asked: what is verified does not rest on what was kept."""
    tokens = _never.set(True), _here.set(None)
    try:
        yield
    finally:
        _never.reset(tokens[0])
        _here.reset(tokens[1])


def keeps(work: Callable[P, T]) -> Callable[P, T]:
    """Work with a parameter `out`, inside `keeping(out)`."""
    signature = inspect.signature(work)

    @functools.wraps(work)
    def inside(*args: P.args, **kwargs: P.kwargs) -> T:
        with keeping(Path(signature.bind(*args, **kwargs).arguments.get("out", ""))):
            return work(*args, **kwargs)

    return inside


def day(when: float) -> str:
    """The date of a time, UTC."""
    return dt.datetime.fromtimestamp(when, dt.UTC).date().isoformat()


def _report_reused(store: Store) -> None:
    if store.found and store.oldest is not None:
        progress.say(
            f"{store.found:,} of {many(store.found + store.missed, 'answer')} {are(store.found, 'was', 'were')} "
            f"kept (since {day(store.oldest)}) and not asked for again."
        )
    if store.distrusted:
        progress.say(
            f"{many(store.distrusted, 'kept answer')} {are(store.distrusted)} not as they were written: "
            "asked for again."
        )


@functools.cache
def versions() -> dict[str, str]:
    """What an answer follows from beside model and question."""
    known = {"python": platform.python_version(), "machine": platform.machine()}
    for name in SCORERS:
        with contextlib.suppress(PackageNotFoundError):
            known[name] = version(name)
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parents[1]
    for pattern in SOURCES:
        for path in sorted(root.glob(pattern)):
            digest.update(path.read_bytes())
    return {**known, "source": digest.hexdigest()}


def allowed_code(names: Iterable[str]) -> dict[str, str]:
    """What types that a person allowed are made of, by package: the digest of its Python files, whatever version it
    says it is. Packages of `versions` are left out."""
    digests = {}
    for top in sorted({n.partition(".")[0] for n in names} - set(sys.stdlib_module_names)):
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError):
            spec = None
        if top == "sklearn" or top in SCORERS or spec is None:
            continue
        folders = [Path(place) for place in spec.submodule_search_locations or ()]
        paths = [p for folder in folders for p in sorted(folder.rglob("*.py"))] or [Path(spec.origin or "")]
        digest = hashlib.sha256()
        for path in paths:
            if path.is_file():
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        digests[top] = digest.hexdigest()
    return digests
