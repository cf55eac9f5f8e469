"""What a report may be made of: for each kind of object its keys, and for each key what may stand there.

A list of what is known, not of what is bad: an action, a script, a form that submits, a link out of the document, a
layer, a picture or a font of another kind is refused because no line of `reports.verify.kinds` allows it. The list is
held against every object in the file's tables, in every revision; one that nothing refers to is refused too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from audit.numbers import many
from reports.verify.increments import TABLE_KEYS, Revision
from reports.verify.kinds import KINDS
from reports.verify.reading import opened
from reports.verify.result import Broken

Place = tuple[str, str]
"""An object ("12 0 R"), and the rule of a place where it stands."""
_FITS = {"/XYZ": 3, "/Fit": 0, "/FitH": 1}
PROBLEM = "the file holds something that Assay does not write"
TODO = "open it in no other viewer: it may act or show something else. Ask the auditor for the report again"
_NAME = re.compile(r"/[A-Za-z0-9._+-]{1,24}")
_DEPTH = 3
"""Arrays within arrays, at most."""


def check_allowed(data: bytes, revisions: Sequence[Revision]) -> str:
    """Every object of every revision is of a kind that Assay writes, and is referred to. Raises Broken."""
    count = 0
    for revision in revisions:
        # Anew for each: an entry that led nowhere, and so was none, is one once a later revision writes its object.
        with opened(data[: revision.end]) as pdf:
            objects = _Objects(pdf)
            known = {number for number, _ in _Walk(objects).work()}
            for number in objects.numbers(revision):
                if number not in known and not _holds_the_file(obj := objects[number], revision):
                    got = f"object {number.partition(' ')[0]}: {_object_head(obj)}"
                    raise Broken("the file holds an object that nothing refers to", got=got)
        count = len(known)
    return f"{count:,} objects, each of a kind that Assay writes"


@dataclass(frozen=True, slots=True)
class _Stream:
    """What stands in a stream's dictionary."""

    entries: dict[str, Any]


class _Objects:
    """The objects of a file by number ("12 0 R"), each read once, as qpdf's JSON has them (its manual, version 2).

    A name begins with `/` (`n:/` where it is no UTF-8), a text with `u:` or `b:`, a reference with a digit. qpdf writes
    them in a twentieth of the time that it takes to ask it for each entry.
    """

    def __init__(self, pdf: Any) -> None:
        self._pdf = pdf
        self._read: dict[str, Any] = {}
        self.trailer = _native(pdf.trailer)

    def __getitem__(self, number: str) -> Any:
        if number not in self._read:
            first, second, _ = number.split(" ")
            self._read[number] = _native(self._pdf.get_object((int(first), int(second))))
        return self._read[number]

    def numbers(self, revision: Revision) -> list[str]:
        """Those that a revision writes. A number, true, false or null that stands alone draws nothing, and is none."""
        if revision.start:  # its table lists these and no others: reports.verify.increments
            return [f"{n} 0 R" for n in sorted(revision.objects)]
        return ["{} {} R".format(*obj.objgen) for obj in self._pdf.objects if hasattr(obj, "objgen")]


def _native(obj: Any) -> Any:
    """An object's own values. Raises Broken where qpdf's JSON is none: a number written as nobody writes it."""
    import pikepdf

    if not isinstance(obj, pikepdf.Object):
        return float(obj) if isinstance(obj, Decimal) else obj
    try:
        plain = msgspec.json.decode(obj.to_json(dereference=True))
    except (ValueError, RecursionError) as error:
        raise Broken(PROBLEM, got=f"object {obj.objgen[0]}, which cannot be read", todo=TODO) from error
    return _Stream(plain) if isinstance(obj, pikepdf.Stream) else plain


def _holds_the_file(obj: Any, revision: Revision) -> bool:
    """Whether it is one of the streams that hold other objects, or the table."""
    if not isinstance(obj, _Stream):
        return False
    keys = set(obj.entries)
    if obj.entries.get("/Type") == "/XRef":
        return not keys - TABLE_KEYS
    return (
        revision.start == 0
        and obj.entries.get("/Type") == "/ObjStm"
        and not keys - {"/Type", "/N", "/First", "/Filter", "/Length"}
    )


def _named(name: str) -> str:
    """A name of the file where it is one that a standard could have given, so that no sentence is quoted."""
    return name if _NAME.fullmatch(name) else f"a name of {many(len(name), 'character')}"


def _object_head(obj: Any) -> str:
    """What stands there, without its words."""
    entries = obj.entries if isinstance(obj, _Stream) else obj
    if isinstance(entries, dict):
        kind = _named(entries["/Type"]) if _is_name(entries.get("/Type")) else "of no type"
        return f"an object {kind} with {', '.join(_named(key) for key in list(entries)[:6])}"
    if isinstance(obj, str):
        return _named(obj) if _is_name(obj) else "a text" if _is_text(obj) else "a reference"
    return "an array" if isinstance(obj, list) else "nothing" if obj is None else f"a value ({type(obj).__name__})"


class _Walk:
    """From the trailer along every reference, each with the rule for the place it stands in."""

    def __init__(self, objects: _Objects) -> None:
        self.objects = objects
        self.seen: set[Place] = set()
        self.held: set[Place] = set()
        self.left: list[tuple[Any, str, str, str]] = []

    def work(self) -> set[Place]:
        """What was reached."""
        self._keys(self.objects.trailer, "trailer", "the trailer")
        while self.left:
            obj, rule, where, key = self.left.pop()
            self._value(obj, rule, where, key, 0)
        return self.seen

    def _value(self, obj: Any, rule: str, where: str, key: str, depth: int) -> None:
        one_of, number = _rule(rule), None
        if _is_reference(obj):
            if (obj, rule) in self.seen:
                return
            number, obj = obj, self.objects[obj]
            if isinstance(obj, _Stream | dict | list | str):
                self.seen.add((number, rule))
            for one in one_of.alternatives:
                if (number, one) in self.held:
                    return
        if self._is_leaf(obj, one_of):
            return
        for one, (form, inner) in one_of.forms:
            if form(self, obj, inner, where, key, depth):
                if number is not None:
                    self.held.add((number, one))
                return
        raise Broken(
            PROBLEM,
            got=f"{where} {key}".rstrip() + f": {_object_head(obj)}",
            expected=_plainly(rule).replace("|", " or "),
            todo=TODO,
        )

    def _is_leaf(self, obj: Any, rule: _Rule) -> bool:
        """Whether it is a number, name or text that the rule takes, or a reference that was followed under it."""
        if type(obj) is not str:
            return type(obj) in rule.numbers
        if (obj, rule.said) in self.seen:
            return True
        if _is_name(obj):
            return rule.any_name or obj in rule.alternatives
        return rule.text and _is_text(obj)

    def _array(self, obj: Any, rule: str, where: str, key: str, depth: int) -> bool:
        """[rule]: an array of which each item is held against the rule."""
        if not isinstance(obj, list) or depth > _DEPTH:
            return False
        one_of = _rule(rule)
        for item in obj:
            if not self._is_leaf(item, one_of):
                self._value(item, rule, where, key, depth + 1)
        return True

    def _names(self, obj: Any, rule: str, where: str, key: str, depth: int) -> bool:
        """{rule}: a dictionary under whatever names."""
        if not isinstance(obj, dict):
            return False
        where = f"{where} {key}".rstrip()
        self.left += [(value, rule, where, key) for key, value in obj.items()]
        return True

    def _plain(self, obj: Any, rule: str, where: str, key: str, depth: int) -> bool:
        return _PLAIN[rule](obj)

    def _named(self, obj: Any, rule: str, where: str, key: str, depth: int) -> bool:
        return isinstance(obj, str) and obj == rule

    def _entries(self, obj: Any, rule: str, where: str, key: str, depth: int) -> bool:
        """A dictionary or stream of a kind of KINDS."""
        if not isinstance(obj, _Stream if rule.startswith("stream:") else dict):
            return False
        entries = obj.entries if isinstance(obj, _Stream) else obj
        for key_, must in _marks(rule):
            if not _is_marked(entries, key_, must):
                return False
        self._keys(entries, rule, f"{where} {key}".rstrip() if rule == "empty" else _plainly(rule))
        return True

    def _keys(self, entries: Mapping[str, Any], kind: str, where: str) -> None:
        allowed = _rules(kind)
        for key, value in entries.items():
            rule = allowed.get(key)
            if rule is None:
                got, expected = f"{_named(key)} in {_a(where)}", ", ".join(allowed) or "nothing"
                raise Broken(PROBLEM, got=got, expected=expected, todo=TODO)
            if not self._is_leaf(value, rule):
                self.left.append((value, rule.said, where, key))

    def _dest(self, obj: Any, rule: str, where: str, key: str, depth: int) -> bool:
        """[page /XYZ left top zoom] and its like: a place in this document."""
        if not isinstance(obj, list) or len(obj) < 2 or not _is_name(obj[1]):
            return False
        if _FITS.get(obj[1]) != len(obj) - 2 or not all(x is None or _is_number(x) for x in obj[2:]):
            return False
        self.left.append((obj[0], "page", "a destination", ""))
        return True

    def _space(self, obj: Any, rule: str, where: str, key: str, depth: int) -> bool:
        """[/ICCBased profile] or [/Lab parameters]."""
        if not isinstance(obj, list) or len(obj) != 2 or not _is_name(obj[0]):
            return False
        held = {"/ICCBased": "stream:profile", "/Lab": "lab"}.get(obj[0])
        if held is None:
            return False
        self.left.append((obj[1], held, where, key))
        return True


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule taken apart: its alternatives, and what it takes that leads nowhere."""

    said: str
    alternatives: tuple[str, ...]
    forms: tuple[tuple[str, tuple[_Form, str]], ...]
    """Each alternative with what holds an object against it, and what that is given."""
    numbers: tuple[type, ...]
    any_name: bool
    text: bool


@cache
def _rule(text: str) -> _Rule:
    one_of = _alternatives(text)
    numbers = (int, float) if "number" in one_of else (int,) if "int" in one_of else ()
    return _Rule(text, one_of, tuple((one, _form(one)) for one in one_of), numbers, "name" in one_of, "text" in one_of)


_Form = Callable[[_Walk, Any, str, str, str, int], bool]


def _form(rule: str) -> tuple[_Form, str]:
    """What holds an object against one alternative, and what it is given of it."""
    if rule.startswith("["):
        return _Walk._array, rule[1:-1]
    if rule.startswith("{"):
        return _Walk._names, rule[1:-1]
    if rule in _PLAIN:
        return _Walk._plain, rule
    if rule.startswith("/"):
        return _Walk._named, rule
    return {"dest": _Walk._dest, "space": _Walk._space}.get(rule, _Walk._entries), rule


def _plainly(rule: str) -> str:
    return rule.replace("stream:", "")


def _a(where: str) -> str:
    return where if where.startswith("the ") else f"a {where}"


@cache
def _alternatives(rule: str) -> tuple[str, ...]:
    """`a|[b|c]` -> a, [b|c]."""
    out, depth, start = [], 0, 0
    for at, sign in enumerate(rule):
        depth += (sign in "[{") - (sign in "]}")
        if sign == "|" and depth == 0:
            out.append(rule[start:at])
            start = at + 1
    return (*out, rule[start:])


@cache
def _rules(kind: str) -> Mapping[str, _Rule]:
    """The rule of each key, without the marks."""
    return {key: _rule(rule.rstrip("!")) for key, rule in KINDS[kind].items()}


@cache
def _marks(kind: str) -> tuple[tuple[str, Sequence[str]], ...]:
    """The keys by which a kind is told from others: those that have to be there, with the names that may be there."""
    marked = ((key, rule[:-1]) for key, rule in KINDS[kind].items() if rule.endswith("!"))
    return tuple((key, tuple(rule.split("|")) if rule.startswith("/") else ()) for key, rule in marked)


def _is_marked(entries: Mapping[str, Any], key: str, must: Sequence[str]) -> bool:
    """must: the names of which one has to stand there, or nothing."""
    if key not in entries:
        return False
    return not must or (_is_name(entries[key]) and entries[key] in must)


def _is_number(obj: Any) -> bool:
    return isinstance(obj, int | float) and not isinstance(obj, bool)


def _is_reference(obj: Any) -> bool:
    return isinstance(obj, str) and obj[:1].isdecimal()


def _is_text(obj: Any) -> bool:
    return isinstance(obj, str) and obj.startswith(("u:", "b:"))


def _is_name(obj: Any) -> bool:
    return isinstance(obj, str) and obj.startswith(("/", "n:/"))


_PLAIN: Mapping[str, Callable[[Any], bool]] = {
    "zero": lambda obj: isinstance(obj, int) and not isinstance(obj, bool) and obj == 0,
    "int": lambda obj: isinstance(obj, int) and not isinstance(obj, bool),
    "number": _is_number,
    "bool": lambda obj: isinstance(obj, bool),
    "text": _is_text,
    "name": _is_name,
    "null": lambda obj: obj is None,
}
