"""The JSON edge: bytes to records, once a document."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from audit.documents.evidence import CubeHead, Evidence
from audit.documents.explanations import Explanations
from audit.documents.mitigation import Mitigation
from audit.documents.search import Search
from audit.documents.series import Series
from audit.documents.stress import Stress, Whatif
from audit.errors import DataError, InputError

T = TypeVar("T")
EVIDENCE, CUBE, EARLIER = "evidence.json", "cube.json", "earlier-evidence.json"


def strict_json(data: bytes, name: str) -> Any:
    """JSON as the standard has it: UTF-8, no key twice, no NaN or Infinity. Raises InputError naming the file."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(pairs)
        if len(out) != len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    raise ValueError(f"the key {key!r} appears twice")
                seen.add(key)
        return out

    def refuse(token: str) -> Any:
        raise ValueError(f"{token} is not JSON")

    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is not valid JSON", got=str(error), expected="RFC 8259 JSON in UTF-8") from error


class FormError(DataError):
    """A document of another form than its record has."""


def record_in(kind: type[T], plain: Any, name: str) -> T:
    """The record in parsed JSON. Raises DataError: which place of the document has another form."""
    try:
        return msgspec.convert(plain, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        place = str(error).rpartition("at `")[2].rstrip("`") if "at `" in str(error) else "the whole of it"
        raise FormError(
            f"{name} has another form than Assay gives it", got=place[:60], expected=f"docs/schemas/{name}"
        ) from error


def to_builtins(record: Any) -> Any:
    """A record, or several, as JSON has it: fields in their order, tuples as lists, NumPy's numbers as Python's."""
    if isinstance(record, dict):
        return {k: to_builtins(v) for k, v in record.items()}
    if isinstance(record, (list, tuple)):
        return [to_builtins(v) for v in record]
    if isinstance(record, (msgspec.Struct, float, int)):
        value = msgspec.to_builtins(record, enc_hook=_as_builtin)
        return to_builtins(value) if isinstance(value, dict) else value
    return record


def _as_builtin(value: Any) -> Any:
    return value.item()


class Documents(Mapping[str, bytes]):
    """Files by name, as bytes; each JSON document in them is parsed the first time it is asked for, and kept.

    What is handed out as plain JSON is shared and must not be changed.
    """

    def __init__(
        self, files: Mapping[str, bytes], parsed: dict[tuple[str, int], tuple[bytes, Any]] | None = None
    ) -> None:
        self._files = dict(files)
        # By name and bytes object, shared with what is made of these files; the bytes are held so that no id returns.
        self._parsed = {} if parsed is None else parsed

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Documents:
        """These files; the same object where they are Documents already."""
        return files if isinstance(files, cls) else cls(files)

    def __getitem__(self, name: str) -> bytes:
        return self._files[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def plus(self, more: Mapping[str, bytes]) -> Documents:
        """These and others; what was parsed here stays parsed."""
        if isinstance(more, Documents):
            self._parsed.update(more._parsed)
        return Documents({**self._files, **more}, self._parsed)

    def without(self, name: str) -> Documents:
        """The others; what was parsed here stays parsed."""
        return Documents({k: v for k, v in self._files.items() if k != name}, self._parsed)

    def plain(self, name: str) -> Any:
        """The document as parsed JSON, shared. Raises KeyError where there is none, InputError where it is no JSON."""
        data = self._files[name]
        key = name, id(data)
        if key not in self._parsed:
            self._parsed[key] = data, strict_json(data, name)
        return self._parsed[key][1]

    def _record(self, kind: type[T], name: str) -> T | None:
        return record_in(kind, self.plain(name), name) if name in self._files else None

    @functools.cached_property
    def evidence(self) -> Evidence:
        """Raises DataError where there is none, or where it has another form."""
        evidence = self._record(Evidence, EVIDENCE)
        if evidence is None:
            raise DataError("there is nothing to report on", expected=EVIDENCE, todo="run `assay audit` first")
        return evidence

    @functools.cached_property
    def earlier(self) -> Evidence | None:
        """The evidence of the audit that this one is compared with."""
        return self._record(Evidence, EARLIER)

    @functools.cached_property
    def cube_head(self) -> CubeHead:
        """What the cube says of itself; empty where there is no cube."""
        return self._record(CubeHead, CUBE) or CubeHead()

    @functools.cached_property
    def explanations(self) -> Explanations | None:
        return self._record(Explanations, "explain.json")

    @functools.cached_property
    def mitigation(self) -> Mitigation | None:
        return self._record(Mitigation, "mitigation.json")

    @functools.cached_property
    def search(self) -> Search | None:
        return self._record(Search, "search.json")

    @functools.cached_property
    def series(self) -> Series | None:
        return self._record(Series, "series.json")

    @functools.cached_property
    def stress(self) -> Stress | None:
        return self._record(Stress, "stress.json")

    @functools.cached_property
    def whatif(self) -> Whatif | None:
        return self._record(Whatif, "whatif.json")
