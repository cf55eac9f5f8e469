"""What a report may be made of: for each kind of object its keys, and for each key what may stand there.

A list of what is known, not of what is bad: an action, a script, a form that submits, a link out of the document, a
layer, a picture or a font of another kind is refused because no line of `reports.verify.kinds` allows it. The list is
held against every object in the file's tables, in every revision; one that nothing refers to is refused too.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
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

Place = tuple[str, str, str]
"""Where an object may stand: the rule of the place, and whose entry it is, in words: the kind, and the key."""
_FITS = {"/XYZ": 3, "/Fit": 0, "/FitH": 1}
PROBLEM = "the file holds something that Assay does not write"
TODO = "open it in no other viewer: it may act or show something else. Ask the auditor for the report again"
_NAME = re.compile(r"/[A-Za-z0-9._+-]{1,24}")
_REFERENCE = re.compile(rb'"(\d+ \d+ R)"')
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_NAMES = re.compile(rb'"n?:?/[^"]*"')
_DIGITS = bytes.maketrans(b"23456789", b"11111111")
"""Which number it is, and which digits a text has, is all the same to every rule, but for zero."""


def check_allowed(data: bytes, revisions: Sequence[Revision]) -> str:
    """Every object of every revision is of a kind that Assay writes, and is referred to. Raises Broken."""
    known: set[str] = set()
    taken: _Taken = {}
    shapes: dict[tuple[bool, bytes], _Shape] = {}
    for revision in revisions:
        # Anew for each: an entry that led nowhere, and so was none, is one once a later revision writes its object.
        with opened(data[: revision.end]) as pdf:
            objects = _Objects(pdf, shapes)
            known = _reached(objects, taken)
            for number in objects.numbers(revision):
                if number not in known and not _holds_the_file(obj := objects[number], revision):
                    got = f"object {number.partition(' ')[0]}: {_object_head(obj)}"
                    raise Broken("the file holds an object that nothing refers to", got=got)
    return f"{len(known):,} objects, each of a kind that Assay writes"


@dataclass(frozen=True, slots=True)
class _Stream:
    """What stands in a stream's dictionary."""

    entries: dict[str, Any]


_Key = tuple[bool, bytes, tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What every rule asks of an object, and whom it refers to, in order. holds: it is no number, true, false or null.

    key : the same of all objects that differ in their references and in digits alone, of which names have the same.
    """

    key: _Key
    references: tuple[str, ...]
    holds: bool


class _Objects:
    """The objects of a file by number ("12 0 R") as qpdf's JSON has them (its manual, version 2).

    A name begins with `/` (`n:/` where it is no UTF-8), a text with `u:` or `b:`, a reference with a digit. qpdf writes
    them in a twentieth of the time that it takes to ask it for each entry. shapes: of other revisions.
    """

    def __init__(self, pdf: Any, shapes: dict[tuple[bool, bytes], _Shape]) -> None:
        import pikepdf

        self._pdf, self._types = pdf, (pikepdf.Object, pikepdf.Stream)
        self._shapes = shapes
        self.trailer = _native(pdf.trailer)

    def __getitem__(self, number: str) -> Any:
        return _native(self._get(number))

    def _get(self, number: str) -> Any:
        first, second, _ = number.split(" ")
        return self._pdf.get_object((int(first), int(second)))

    def shape(self, number: str) -> _Shape:
        obj, (anything, stream) = self._get(number), self._types
        if not isinstance(obj, anything):
            return _Shape((False, repr(obj).encode(), ()), (), False)
        is_this = isinstance(obj, stream), obj.to_json(dereference=True)
        if (shape := self._shapes.get(is_this)) is None:
            shape = self._shapes[is_this] = _shape(*is_this)
        return shape

    def sample(self, number: str) -> Any:
        """The object with "0 0 R", "1 0 R" ... in place of its references, in order."""
        count = itertools.count()

        def numbered(string: re.Match[bytes]) -> bytes:
            return b'"%d 0 R"' % next(count) if _REFERENCE.fullmatch(string[0]) else string[0]

        return _native(self._get(number), lambda raw: _STRING.sub(numbered, raw))

    def numbers(self, revision: Revision) -> list[str]:
        """Those that a revision writes. A number, true, false or null that stands alone draws nothing, and is none."""
        if revision.start:  # its table lists these and no others: reports.verify.increments
            return [f"{n} 0 R" for n in sorted(revision.objects)]
        return ["{} {} R".format(*obj.objgen) for obj in self._pdf.objects if hasattr(obj, "objgen")]


def _shape(stream: bool, raw: bytes) -> _Shape:
    if b"\\" in raw:  # in a string that escapes something: only whole strings are looked at, and each is its own
        ours = filter(None, map(_REFERENCE.fullmatch, _STRING.findall(raw)))
        return _Shape((stream, raw, ()), tuple(one[1].decode() for one in ours), True)
    parts = _REFERENCE.split(raw)
    key = stream, b'""'.join(parts[::2]).translate(_DIGITS), tuple(_NAMES.findall(raw))
    return _Shape(key, tuple(map(bytes.decode, parts[1::2])), True)


def _native(obj: Any, changed: Callable[[bytes], bytes] | None = None) -> Any:
    """An object's own values. Raises Broken where qpdf's JSON is none: a number written as nobody writes it."""
    import pikepdf

    if not isinstance(obj, pikepdf.Object):
        return float(obj) if isinstance(obj, Decimal) else obj
    try:
        raw = obj.to_json(dereference=True)
        plain = msgspec.json.decode(raw if changed is None else changed(raw))
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


_Taken = dict[tuple[_Key, Place], tuple[str, tuple[tuple[int, Place], ...]]]
"""Shape and place -> the alternative of the rule that took it, and the place of each reference in it."""


def _reached(objects: _Objects, taken: _Taken) -> set[str]:
    """From the trailer along every reference, each with the rule for the place it stands in: the objects that are
    reached. Objects of one shape are held against a rule once, and none is read twice for one rule."""
    trailer = _Walk()
    trailer.keys(objects.trailer, "trailer", "the trailer")
    left = trailer.follow()
    held: dict[str, set[str]] = defaultdict(set)
    known: set[str] = set()
    while left:
        number, place = left.pop()
        rule = place[0]
        if rule in held[number] or not held[number].isdisjoint(_rule(rule).alternatives):
            continue
        shape = objects.shape(number)
        if shape.holds:
            known.add(number)
        if (answer := taken.get((shape.key, place))) is None:
            walk = _Walk()
            one = walk.value(objects.sample(number), *place)
            answer = taken[shape.key, place] = one, tuple((int(n.partition(" ")[0]), p) for n, p in walk.follow())
        one, references = answer
        held[number] |= {one, rule}
        left += [(shape.references[at], inner) for at, inner in references]
    return known


class _Walk:
    """One object held against a rule; `references` are those in it, each with its place."""

    def __init__(self) -> None:
        self.left: list[tuple[Any, Place]] = []
        self.references: list[tuple[str, Place]] = []

    def follow(self) -> list[tuple[str, Place]]:
        """What is left of the object. All references."""
        while self.left:
            obj, place = self.left.pop()
            if _is_reference(obj):
                self.references.append((obj, place))
            else:
                self.value(obj, *place)
        return self.references

    def value(self, obj: Any, rule: str, where: str, key: str) -> str:
        """The alternative that takes it, "" for what leads nowhere. Raises Broken."""
        one_of = _rule(rule)
        if self._is_leaf(obj, one_of):
            return ""
        for one, (form, inner) in one_of.forms:
            if form(self, obj, inner, where, key):
                return one
        raise Broken(
            PROBLEM,
            got=f"{where} {key}".rstrip() + f": {_object_head(obj)}",
            expected=_plainly(rule).replace("|", " or "),
            todo=TODO,
        )

    def _is_leaf(self, obj: Any, rule: _Rule) -> bool:
        """Whether it is a number, name or text that the rule takes."""
        if type(obj) is not str:
            return type(obj) in rule.numbers
        if _is_name(obj):
            return rule.any_name or obj in rule.alternatives
        return rule.text and _is_text(obj)

    def _array(self, obj: Any, rule: str, where: str, key: str) -> bool:
        """[rule]: an array of which each item is held against the rule."""
        if not isinstance(obj, list):
            return False
        one_of = _rule(rule)
        self.left += [(item, (rule, where, key)) for item in obj if not self._is_leaf(item, one_of)]
        return True

    def _names(self, obj: Any, rule: str, where: str, key: str) -> bool:
        """{rule}: a dictionary under whatever names."""
        if not isinstance(obj, dict):
            return False
        where = f"{where} {key}".rstrip()
        self.left += [(value, (rule, where, key)) for key, value in obj.items()]
        return True

    def _plain(self, obj: Any, rule: str, where: str, key: str) -> bool:
        return _PLAIN[rule](obj)

    def _named(self, obj: Any, rule: str, where: str, key: str) -> bool:
        return isinstance(obj, str) and obj == rule

    def _entries(self, obj: Any, rule: str, where: str, key: str) -> bool:
        """A dictionary or stream of a kind of KINDS."""
        if not isinstance(obj, _Stream if rule.startswith("stream:") else dict):
            return False
        entries = obj.entries if isinstance(obj, _Stream) else obj
        for key_, must in _marks(rule):
            if not _is_marked(entries, key_, must):
                return False
        self.keys(entries, rule, f"{where} {key}".rstrip() if rule == "empty" else _plainly(rule))
        return True

    def keys(self, entries: Mapping[str, Any], kind: str, where: str) -> None:
        allowed = _rules(kind)
        for key, value in entries.items():
            rule = allowed.get(key)
            if rule is None:
                got, expected = f"{_named(key)} in {_a(where)}", ", ".join(allowed) or "nothing"
                raise Broken(PROBLEM, got=got, expected=expected, todo=TODO)
            if not self._is_leaf(value, rule):
                self.left.append((value, (rule.said, where, key)))

    def _dest(self, obj: Any, rule: str, where: str, key: str) -> bool:
        """[page /XYZ left top zoom] and its like: a place in this document."""
        if not isinstance(obj, list) or len(obj) < 2 or not _is_name(obj[1]):
            return False
        if _FITS.get(obj[1]) != len(obj) - 2 or not all(x is None or _is_number(x) for x in obj[2:]):
            return False
        self.left.append((obj[0], ("page", "a destination", "")))
        return True

    def _space(self, obj: Any, rule: str, where: str, key: str) -> bool:
        """[/ICCBased profile] or [/Lab parameters]."""
        if not isinstance(obj, list) or len(obj) != 2 or not _is_name(obj[0]):
            return False
        held = {"/ICCBased": "stream:profile", "/Lab": "lab"}.get(obj[0])
        if held is None:
            return False
        self.left.append((obj[1], (held, where, key)))
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


_Form = Callable[[_Walk, Any, str, str, str], bool]


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
