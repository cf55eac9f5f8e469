"""One piece of work for identical cases: a second audit of the same bytes takes over what the first one made.

The same case gives the same evidence, byte for byte. So where several people start the same audit (a sample, a file
that a class works on), one job runs and the others wait for it and copy `evidence.json` and `cube.json`. The same is:
this version, those of Python and of the packages that score, these options, the case file's bytes, and the bytes of
every file that it names. Whatever cannot be told so (an endpoint, a registry, an environment of its own, another
engine, a folder, a sealed case) is made anew. Nobody is told in words that a case of somebody else is the same.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from audit import access
from audit.about import VERSION
from audit.answers.use import allowed_code, versions
from audit.errors import AssayError
from audit.files import private_folder, write_whole

KEY = "same"
"""The file in a job's folder that holds the key of its work."""
FILES = ("cube.json", "evidence.json")
ELSEWHERE = {"endpoint", "registry", "python", "engine"}
"""Keys of a case by which something beside the named files decides."""
_BLOCK = 2**20


def key_of(args: Sequence[str]) -> str | None:
    """What decides about the work of `audit CASE.toml --out DIR [--allow TYPE ...]`, as a digest; None for any other
    command, and for a case whose inputs are not all files."""
    if len(args) < 4 or args[0] != "audit" or args[2] != "--out" or not args[1].endswith(".toml"):
        return None
    allowed = list(args[4:])
    if len(allowed) % 2 or set(allowed[::2]) - {"--allow"}:
        return None
    types = sorted(allowed[1::2])
    try:
        hasher = hashlib.sha256(json.dumps([VERSION, versions(), types, allowed_code(types)]).encode())
        for name, content in _inputs(Path(args[1])):
            hasher.update(json.dumps([name, content]).encode())
    except (OSError, ValueError, LookupError):
        return None
    return hasher.hexdigest()


def note(args: Sequence[str], place: Path, *, never: bool = False) -> str | None:
    """`key_of`, written into the job's folder for the others; None, and nothing there, where it is `never` the same."""
    key = None if never else key_of(args)
    if key is None:
        (place / KEY).unlink(missing_ok=True)  # it may have had one before it waited aside
    else:
        write_whole(place / KEY, key.encode())
    return key


def _inputs(file: Path, depth: int = 0) -> Iterator[tuple[str, str]]:
    """(as it is written, digest) of a TOML file and of every file that it names. Raises LookupError for more."""
    content = file.read_bytes()
    yield "", hashlib.sha256(content).hexdigest()
    for key, value in _texts(tomllib.loads(content.decode())):
        if key in ELSEWHERE or depth > 2:
            raise LookupError
        place = file.parent / value
        if len(value) > 1000 or "\0" in value or "\n" in value or not place.exists():
            if key == "path":
                raise LookupError  # a pattern, or a table
            continue
        if place.is_dir():
            raise LookupError
        if place.suffix == ".toml":
            yield value, json.dumps(list(_inputs(place, depth + 1)))
        else:
            yield value, _digest(place)


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a TOML document, with the nearest key over it; a table by a key of ELSEWHERE too."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ELSEWHERE:
                yield name, ""
            yield from _texts(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, key)
    elif isinstance(value, str) and value:
        yield key, value


def _digest(path: Path) -> str:
    hasher = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            hasher.update(block)
    return hasher.hexdigest()


def output_digests(args: Sequence[str], key: str | None) -> dict[str, Any]:
    """What to keep beside the exit code of work that went well: the digests of what it wrote. Empty where the inputs
    changed while it ran."""
    if key is None or key_of(args) != key:
        return {}
    try:
        return {"made": {"out": args[3], "files": {name: _digest(Path(args[3]) / name) for name in FILES}}}
    except OSError:
        return {}


class _Outputs(msgspec.Struct, frozen=True):
    """Into which folder, and the digests of what was written there by name."""

    out: str
    files: dict[str, str]


class _Ended(msgspec.Struct, frozen=True):
    """exit.json of work that went well."""

    made: _Outputs


def others(place: Path, key: str) -> Iterator[Path]:
    """The folders of the other jobs with this key."""
    for path in place.parent.glob(f"*/{KEY}"):
        try:
            if path.parent != place and path.read_text() == key:
                yield path.parent
        except OSError:
            continue


def taken_over(place: Path, args: Sequence[str], key: str) -> bool:
    """Copy what another job of this key made, where it is still what that job wrote. A person's own comes first: what
    somebody else's job took over from it may be there too, and nobody is told of that one."""
    mine, out = Path(args[1]).parent, Path(args[3])
    for of_one, done in sorted(
        ((_of_one(mine, Path(d.out).parent), d) for d in _made_by(others(place, key))), key=lambda f: not f[0]
    ):
        try:
            contents = {name: (Path(done.out) / name).read_bytes() for name in FILES}
        except OSError:
            continue
        if {n: hashlib.sha256(c).hexdigest() for n, c in contents.items()} != done.files:
            continue
        try:
            private_folder(out)
            for name, content in contents.items():
                write_whole(out / name, content)
        except AssayError:
            return False  # the command itself says what is wrong with the folder
        if of_one:
            print("The same audit of the same files had been made: its evidence was taken over.")
        return True
    return False


def _made_by(places: Iterable[Path]) -> Iterator[_Outputs]:
    for place in places:
        try:
            yield msgspec.json.decode((place / "exit.json").read_bytes(), type=_Ended).made
        except (OSError, msgspec.MsgspecError):
            continue


def _of_one(case: Path, other: Path) -> bool:
    """Whether both cases are one person's, or nobody's: nobody is told of a case that is another's."""
    mine, theirs = access.belongs(case), access.belongs(other)
    return (None if mine is None else mine.owner) == (None if theirs is None else theirs.owner)


def running(place: Path, key: str, runs: Callable[[Path], bool]) -> bool:
    """Whether another job of this key is at it. runs: of a job's folder, whether its command runs."""
    return any(runs(other) for other in others(place, key))
