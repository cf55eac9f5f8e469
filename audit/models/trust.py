"""Which types a skops file may hold, judged from its schema alone: nothing is imported and nothing is built.

skops 0.16 leaves forests and histogram gradient boosting untrusted because scikit-learn follows their node indices
without bounds checks; Assay checks these bounds (`bounds.py`) and predicts in a process of its own, so it trusts the
types. Everything outside `trusted_types.txt` is shown to a person first; skops judges the file again in the child.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("trusted_types.txt")

NEVER = frozenset(
    "os posix nt sys subprocess shutil socket ctypes _ctypes importlib runpy pickle _pickle marshal code codeop pty io "
    "_io multiprocessing threading signal webbrowser urllib http asyncio tempfile pathlib platform".split()
)
"""Modules nothing may come from, whoever allows it: their functions are a program's hands."""
_NEVER_NAMES = frozenset(
    f"builtins.{n}" for n in "eval exec compile open __import__ getattr setattr delattr globals vars input".split()
) | {"operator.methodcaller", "operator.attrgetter"}


@dataclass(frozen=True, slots=True)
class Sections:
    """The names of `trusted_types.txt`."""

    estimators: tuple[str, ...]
    skops: tuple[str, ...]
    reviewed: tuple[str, ...]


@cache
def sections() -> Sections:
    """The names of `trusted_types.txt` by section."""
    by_section: dict[str, list[str]] = {}
    current: list[str] = []
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        name = line.split("|")[0].strip()
        if not name or name.startswith("#"):
            continue
        if name.startswith("["):
            current = by_section.setdefault(name.strip("[]"), [])
        else:
            current.append(name)
    return Sections(**{section: tuple(names) for section, names in by_section.items()})


@cache
def trusted() -> frozenset[str]:
    """All names that need no person's consent."""
    return frozenset((*sections().estimators, *sections().skops, *sections().reviewed))


def forbidden(name: str) -> bool:
    """True for what is refused even where a person allowed it."""
    return name.split(".")[0] in NEVER or name in _NEVER_NAMES


def unknown_types(schema: Any) -> tuple[str, ...]:
    """The full names in a skops schema that are not trusted, sorted.

    Stricter than skops in that a name is judged wherever it stands. `schema` is the parsed schema.json.
    """
    names, bound = _names(schema)
    return tuple(sorted((names - trusted()) | bound))


def modules(schema: Any) -> set[str]:
    """The modules that a skops schema names."""
    return {name.rpartition(".")[0] for name in _names(schema)[0]}


def _names(schema: Any) -> tuple[set[str], set[str]]:
    """The names in the schema, and those of bound methods, of which none is trusted."""
    names: set[str] = set()
    bound: set[str] = set()
    waiting = [schema]
    # A list of what is left to visit, not a recursion: the file chooses how deep it nests.
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
            continue
        if not isinstance(node, dict):
            continue
        loader = node.get("__loader__")
        if isinstance(loader, str) and loader not in ("JsonNode", "CachedNode"):
            owner = f"{node.get('__module__')}.{node.get('__class__')}"
            content = node.get("content")
            if loader == "MethodNode" and isinstance(content, dict):
                bound |= {owner, f"{owner}.{content.get('func')}"}
            if loader == "TreeNode":
                names.add("sklearn.tree._tree.Tree")
            names.add(owner)
        waiting.extend(node.values())
    return names, bound
