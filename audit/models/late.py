"""scipy.stats when it is asked for, and not when scikit-learn is imported.

scikit-learn takes five names from scipy.stats at import and calls them in few places; importing it is a quarter of what
a model's process needs before it can load a model. Here a module stands in its place that gives stand-ins for these
five while `until_asked` lasts. Whatever else is asked of it, then or later, a submodule of its included, is asked of
the module itself, which loads for that and fills the same object.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, cast

NAME = "scipy.stats"
TAKEN = frozenset({"chi2", "gmean", "mode", "rankdata", "spearmanr"})
"""What scikit-learn takes from it while it is imported."""


class _StandIn:
    """A name of the module, called or asked as the real one is."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return getattr(_filled(), self._name)(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(getattr(_filled(), self._name), name)


class _Folders(list[str]):
    """Where the submodules are. They are looked for when one is imported: the module itself comes first."""

    def __iter__(self) -> Iterator[str]:
        _filled()
        return super().__iter__()


class _Late(ModuleType):
    open = True
    """Whether stand-ins are given: while scikit-learn is imported."""

    def __getattr__(self, name: str) -> Any:
        if name in TAKEN and self.open:
            return _StandIn(name)
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_filled(), name)


def _filled() -> ModuleType:
    """The real module."""
    module = sys.modules[NAME]
    if isinstance(module, _Late):
        spec = cast(importlib.machinery.ModuleSpec, module.__spec__)
        assert spec.loader is not None
        module.__class__ = ModuleType
        module.__path__ = list(spec.submodule_search_locations or ())
        spec.loader.exec_module(module)
    return module


@contextmanager
def until_asked() -> Iterator[None]:
    """Within, what imports scikit-learn gets the stand-ins. Nothing changes where scipy.stats is loaded already."""
    import scipy

    # Before the many modules of pandas and scikit-learn: skops looks for the home of each of its functions in every
    # module loaded before it.
    import scipy.special

    spec = None if NAME in sys.modules else importlib.util.find_spec(NAME)
    if spec is None or spec.origin is None:
        yield
        return
    module = _Late(NAME)
    module.__spec__, module.__loader__, module.__file__ = spec, spec.loader, spec.origin
    module.__package__, module.__path__ = NAME, _Folders(spec.submodule_search_locations or ())
    sys.modules[NAME] = scipy.stats = module
    try:
        yield
    finally:
        _Late.open = False
