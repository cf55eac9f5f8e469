"""scipy.stats when it is asked for, and not when scikit-learn is imported.

scikit-learn takes five names from scipy.stats at import and calls them in few places; importing it is a quarter of what
a model's process needs before it can load a model. While `until_asked` lasts a module stands in its place that gives
stand-ins for these five. Whatever else is asked of it is asked of scipy.stats itself, which is imported for that as
ever; after `until_asked` who imports it gets it as if nothing had stood there.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

NAME = "scipy.stats"
TAKEN = frozenset({"chi2", "gmean", "mode", "rankdata", "spearmanr"})
"""What scikit-learn takes from it while it is imported."""


class _StandIn:
    """A name of the module, called or asked as the real one is."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return getattr(_real(), self._name)(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(getattr(_real(), self._name), name)


class _Late(ModuleType):
    open = True
    """Whether stand-ins are given: while scikit-learn is imported."""

    def __getattr__(self, name: str) -> Any:
        if name in TAKEN and self.open:
            return _StandIn(name)
        if name.startswith("__") and name != "__all__":
            raise AttributeError(name)
        return getattr(_real(), name)

    def __dir__(self) -> list[str]:
        return dir(_real())


class _Parts(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """A part of the module that is imported meanwhile: the module itself comes first, and has most of its parts loaded
    then. Those are handed over as they are: one that is made twice has two of each of its classes."""

    def __init__(self) -> None:
        self._specs: dict[str, importlib.machinery.ModuleSpec | None] = {}

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if not name.startswith(f"{NAME}.") or not isinstance(sys.modules.get(NAME), _Late):
            return None
        _real()
        there = sys.modules.get(name)
        if there is None:
            return None
        # importlib prefers the spec of what was loaded in passing, and would load it again by it.
        self._specs[name], there.__spec__ = there.__spec__, None
        return importlib.machinery.ModuleSpec(name, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._specs.pop(module.__name__)


def _real() -> ModuleType:
    """scipy.stats itself. importlib lets threads wait for each other."""
    if isinstance(sys.modules.get(NAME), _Late):
        sys.modules.pop(NAME, None)
    return importlib.import_module(NAME)


UNUSED = ("f2py", "testing")
"""Parts of NumPy that load when they are asked for. scipy.special and scikit-learn copy all of NumPy's names and use
none of these: a third of what scipy.special takes to load."""


class _Aside(ModuleType):
    """In a part's place while names are copied; whoever asks it for something asks the part."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def numpy_in_part() -> Iterator[None]:
    """Within, what copies NumPy's names does not load these. Whoever asks NumPy for them later gets them as ever."""
    import numpy

    names = numpy.__dict__
    aside = {name: _Aside(f"numpy.{name}") for name in UNUSED if name not in names}
    names.update(aside)
    try:
        yield
    finally:
        for name, stand_in in aside.items():
            if names.get(name) is stand_in:  # and not the part itself, imported meanwhile
                del names[name]


@contextmanager
def until_asked() -> Iterator[None]:
    """Within, what imports scikit-learn gets the stand-ins. Nothing changes where scipy.stats is loaded already."""
    with numpy_in_part(), _scipy_stats_aside():
        yield


@contextmanager
def _scipy_stats_aside() -> Iterator[None]:
    import scipy

    # Before the many modules of pandas and scikit-learn: skops looks for the home of each of its functions in every
    # module loaded before it.
    import scipy.special

    if NAME in sys.modules:
        yield
        return
    module, parts = _Late(NAME), _Parts()
    module.__package__, module.__path__ = NAME, []
    sys.modules[NAME] = scipy.stats = module
    sys.meta_path.insert(0, parts)
    try:
        yield
    finally:
        _Late.open = False
        sys.meta_path.remove(parts)
        if sys.modules.get(NAME) is module:
            del sys.modules[NAME]
