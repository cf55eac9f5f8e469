"""What a report may be made of: for each kind of object its keys, and for each key what may stand there.

A list of what is known, not of what is bad: an action, a script, a form that submits, a link out of the document, a
layer, a picture or a font of another kind is refused because no line below allows it. The list is held against every
object in the file's tables, in every revision; one that nothing refers to is refused too.

A rule is a name (`/Page`), a kind (`page`), a list (`[page]`), a map from any key (`{font}`), or one of the words
int, nought, number, bool, text, name, null; `|` stands between alternatives. `!` marks a key that has to be there. A
kind that begins with `stream:` is a stream.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

from audit.numbers import many
from reports.verify.increments import TABLE_KEYS, Revision
from reports.verify.reading import opened
from reports.verify.result import Broken

Kind = Mapping[str, str]
Place = tuple[tuple[int, int], str]
"""An object's number and generation, and the rule of a place where it stands."""
PACKED = {"/Length": "int", "/Filter": "/FlateDecode"}
KINDS: Mapping[str, Kind] = {
    "trailer": {
        "/Root": "catalog!", "/Info": "info!", "/Size": "int", "/Prev": "int", "/ID": "[text]",
        "/Type": "/XRef", "/W": "[int]", "/Index": "[int]", "/Length": "int", "/Filter": "/FlateDecode",
        "/DecodeParms": "predictor",
    },
    "predictor": {"/Columns": "int", "/Predictor": "int"},
    "info": {
        "/Title": "text", "/Author": "text", "/Creator": "text", "/Producer": "text", "/CreationDate": "text",
        "/ModDate": "text",
    },
    "catalog": {
        "/Type": "/Catalog!", "/Pages": "pages!", "/Lang": "text", "/MarkInfo": "marked", "/Metadata": "stream:xmp",
        "/Names": "names", "/Outlines": "outlines", "/OutputIntents": "[intent]", "/StructTreeRoot": "tree",
        "/ViewerPreferences": "viewer", "/AF": "[filespec]", "/AcroForm": "form", "/Perms": "permissions",
        "/Extensions": "extensions", "/DSS": "dss",
    },
    "marked": {"/Marked": "bool"},
    "viewer": {"/DisplayDocTitle": "bool"},
    "stream:xmp": {"/Length": "int", "/Type": "/Metadata!", "/Subtype": "/XML"},
    "names": {"/Dests": "dests", "/EmbeddedFiles": "embedded"},
    "dests": {"/Names": "[text|dest]"},
    "embedded": {"/Names": "[text|filespec]"},
    "intent": {
        "/Type": "/OutputIntent!", "/S": "/GTS_PDFA1", "/Info": "text", "/OutputConditionIdentifier": "text",
        "/DestOutputProfile": "stream:profile",
    },
    "stream:profile": {**PACKED, "/N": "int", "/Alternate": "/DeviceRGB"},
    # pages and what they draw
    "pages": {"/Type": "/Pages!", "/Kids": "[page]", "/Count": "int"},
    "page": {
        "/Type": "/Page!", "/Parent": "pages", "/MediaBox": "[number]", "/BleedBox": "[number]", "/TrimBox": "[number]",
        "/Contents": "stream:drawing", "/Resources": "resources", "/Annots": "[link|widget]", "/StructParents": "int",
        "/Tabs": "/S",
    },
    "stream:drawing": PACKED,
    "resources": {
        "/Font": "{font}", "/XObject": "{stream:drawn}", "/ExtGState": "{state}", "/ColorSpace": "{space}",
        "/Pattern": "{stream:hatch}", "/Shading": "empty",
    },
    "stream:hatch": {  # of what is withheld in a chart
        **PACKED, "/Type": "/Pattern!", "/PatternType": "int!", "/PaintType": "int", "/TilingType": "int",
        "/BBox": "[number]", "/XStep": "number", "/YStep": "number", "/Matrix": "[number]", "/Resources": "resources",
    },
    "empty": {},
    "state": {"/Type": "/ExtGState", "/ca": "number", "/CA": "number"},
    "stream:drawn": {
        **PACKED, "/Type": "/XObject!", "/Subtype": "/Form!", "/BBox": "[number]", "/Resources": "resources",
        "/Group": "group",
    },
    "group": {"/Type": "/Group", "/S": "/Transparency", "/I": "bool", "/CS": "space|/DeviceRGB|/srgb"},
    "space": {},  # an array: see _space
    "lab": {"/WhitePoint": "[number]", "/Range": "[number]"},
    "font": {
        "/Type": "/Font!", "/Subtype": "/Type0!", "/BaseFont": "name", "/Encoding": "/Identity-H",
        "/DescendantFonts": "[cidfont]", "/ToUnicode": "stream:drawing",
    },
    "cidfont": {
        "/Type": "/Font!", "/Subtype": "/CIDFontType2|/CIDFontType0!", "/BaseFont": "name", "/W": "[number|[number]]",
        "/CIDToGIDMap": "/Identity", "/CIDSystemInfo": "system", "/FontDescriptor": "descriptor",
    },
    "system": {"/Registry": "text", "/Ordering": "text", "/Supplement": "int"},
    "descriptor": {
        "/Type": "/FontDescriptor!", "/FontName": "name", "/FontFamily": "text", "/Flags": "int",
        "/FontBBox": "[number]", "/ItalicAngle": "number", "/Ascent": "number", "/Descent": "number",
        "/CapHeight": "number", "/StemV": "number", "/StemH": "number", "/FontFile2": "stream:program",
        "/FontFile3": "stream:program", "/CIDSet": "stream:drawing",
    },
    "stream:program": {**PACKED, "/Length1": "int", "/Subtype": "/OpenType|/CIDFontType0C"},
    # what is tagged, listed, embedded
    "link": {
        "/Type": "/Annot!", "/Subtype": "/Link!", "/Rect": "[number]", "/BS": "border!", "/Dest": "text|dest",
        "/F": "int", "/Contents": "text", "/StructParent": "int",
    },
    "border": {"/W": "nought!"},  # without it a viewer draws one; PDFium, which looks at pages here, draws none
    "dest": {},  # an array: see _dest
    "outlines": {"/First": "bookmark", "/Last": "bookmark", "/Count": "int"},
    "bookmark": {
        "/Title": "text!", "/Dest": "dest!", "/Parent": "bookmark|outlines", "/Prev": "bookmark", "/Next": "bookmark",
        "/First": "bookmark", "/Last": "bookmark", "/Count": "int",
    },
    "tree": {
        "/Type": "/StructTreeRoot!", "/K": "[element]|element", "/ParentTree": "parents", "/ParentTreeNextKey": "int",
    },
    "parents": {"/Nums": "[int|element|[element]|null]"},
    "element": {
        "/Type": "/StructElem!", "/S": "name", "/P": "element|tree", "/Pg": "page",
        "/K": "int|element|reference|[int|element|reference]", "/A": "attributes|[attributes]", "/Alt": "text",
        "/ActualText": "text", "/ID": "text", "/Lang": "text", "/T": "text",
    },
    "attributes": {
        "/O": "/Layout|/Table|/List", "/Scope": "/Column|/Row", "/Headers": "[text]", "/BBox": "[number]",
        "/ListNumbering": "name", "/RowSpan": "int", "/ColSpan": "int", "/Placement": "name",
    },
    "reference": {"/Type": "/OBJR!", "/Obj": "link|widget", "/Pg": "page"},
    "filespec": {
        "/Type": "/Filespec!", "/F": "text", "/UF": "text", "/Desc": "text", "/AFRelationship": "/Data",
        "/EF": "embeddings",
    },
    "embeddings": {"/F": "stream:file"},
    "stream:file": {**PACKED, "/Type": "/EmbeddedFile!", "/Subtype": "name", "/Params": "parameters"},
    "parameters": {"/Size": "int", "/CheckSum": "text", "/CreationDate": "text", "/ModDate": "text"},
    # signatures
    "form": {"/Fields": "[widget]", "/SigFlags": "int"},
    "widget": {
        "/Type": "/Annot!", "/Subtype": "/Widget!", "/FT": "/Sig!", "/T": "text!", "/TU": "text", "/Contents": "text",
        "/F": "int", "/Rect": "[number]", "/P": "page", "/StructParent": "int", "/AP": "face", "/V": "signature",
    },
    "face": {"/N": "stream:drawn!"},
    "permissions": {"/DocMDP": "signature!"},
    "signature": {
        "/Type": "/Sig|/DocTimeStamp!", "/Filter": "/Adobe.PPKLite", "/SubFilter": "/ETSI.CAdES.detached|/ETSI.RFC3161",
        "/Contents": "text", "/ByteRange": "[int]", "/M": "text", "/Name": "text", "/Reason": "text",
        "/Reference": "[certifies]",
    },
    "certifies": {
        "/Type": "/SigRef!", "/TransformMethod": "/DocMDP", "/TransformParams": "allows", "/DigestMethod": "/SHA256",
    },
    "allows": {"/Type": "/TransformParams!", "/V": "/1.2", "/P": "int"},
    "extensions": {"/ESIC": "extension"},
    "extension": {"/Type": "/DeveloperExtensions!", "/BaseVersion": "/1.7", "/ExtensionLevel": "int"},
    "dss": {"/Certs": "[stream:der]", "/CRLs": "[stream:der]"},
    "stream:der": {"/Length": "int"},
}  # fmt: skip
_FITS = {"/XYZ": 3, "/Fit": 0, "/FitH": 1}
PROBLEM = "the file holds something that Assay does not write"
TODO = "open it in no other viewer: it may act or show something else. Ask the auditor for the report again"
_NAME = re.compile(r"/[A-Za-z0-9._+-]{1,24}")
_DEPTH = 3
"""Arrays within arrays, at most."""


def check_allowed(data: bytes, revisions: Sequence[Revision]) -> str:
    """Every object of every revision is of a kind that Assay writes, and is referred to. Raises Broken."""
    seen: set[Place] = set()
    count = 0
    for revision in revisions:
        with opened(data[: revision.end]) as pdf:
            _Walk(pdf, seen, revision).work()
            known = {gen for gen, _ in seen}
            for obj in pdf.objects:
                gen = getattr(obj, "objgen", (0, 0))
                mine = gen[0] in revision.objects or (revision.start == 0 and gen[0] != 0)
                if not mine or gen in known or obj is None:
                    continue
                if not _holds_the_file(obj, revision):
                    got = f"object {gen[0]}: {_object_head(obj)}"
                    raise Broken("the file holds an object that nothing refers to", got=got)
        count = len(known)
    return f"{count:,} objects, each of a kind that Assay writes"


def _holds_the_file(obj: Any, revision: Revision) -> bool:
    """Whether it is one of the streams that hold other objects, or the table."""
    import pikepdf

    if not isinstance(obj, pikepdf.Stream):
        return False
    keys = set(obj.stream_dict.keys())
    if obj.stream_dict.get("/Type") == "/XRef":
        return not keys - TABLE_KEYS
    return (
        revision.start == 0
        and obj.stream_dict.get("/Type") == "/ObjStm"
        and not keys - {"/Type", "/N", "/First", "/Filter", "/Length"}
    )


def _named(name: str) -> str:
    """A name of the file where it is one that a standard could have given, so that no sentence is quoted."""
    return name if _NAME.fullmatch(name) else f"a name of {many(len(name), 'character')}"


def _object_head(obj: Any) -> str:
    """What stands there, without its words."""
    import pikepdf

    if isinstance(obj, pikepdf.Dictionary | pikepdf.Stream):
        kind = _named(str(obj["/Type"])) if _is_name(obj.get("/Type")) else "of no type"
        return f"an object {kind} with {', '.join(_named(key) for key in list(obj.keys())[:6])}"
    return _named(str(obj)) if _is_name(obj) else type(obj).__name__


class _Walk:
    """From the trailer along every reference, each with the rule for the place it stands in.

    seen : what earlier revisions reached, added to. An object that this revision writes anew is held against every rule
    under which it was reached before; the others are as they were.
    """

    def __init__(self, pdf: Any, seen: set[Place], revision: Revision) -> None:
        self.pdf, self.seen = pdf, seen
        anew = [place for place in seen if place[0][0] in revision.objects]
        self.seen.difference_update(anew)
        self.left: list[tuple[Any, str, str]] = [(pdf.get_object(gen), rule, _plainly(rule)) for gen, rule in anew]

    def work(self) -> None:
        self._keys(self.pdf.trailer, "trailer", "the trailer")
        while self.left:
            obj, rule, where = self.left.pop()
            self._value(obj, rule, where, 0)

    def _value(self, obj: Any, rule: str, where: str, depth: int) -> None:
        import pikepdf

        if isinstance(obj, pikepdf.Object) and obj.is_indirect:
            if (obj.objgen, rule) in self.seen:
                return
            self.seen.add((obj.objgen, rule))
        for one in _alternatives(rule):
            if self._fits(obj, one, where, depth):
                return
        raise Broken(
            PROBLEM,
            got=f"{where}: {_object_head(obj)}",
            expected=_plainly(rule).replace("|", " or "),
            todo=TODO,
        )

    def _fits(self, obj: Any, rule: str, where: str, depth: int) -> bool:
        import pikepdf

        if rule.startswith("["):
            return self._array(obj, rule[1:-1], where, depth)
        if rule.startswith("{"):
            return self._names(obj, rule[1:-1], where)
        if rule in _PLAIN:
            return _PLAIN[rule](obj)
        if rule.startswith("/"):
            return isinstance(obj, pikepdf.Name) and str(obj) == rule
        if rule == "dest":
            return self._dest(obj)
        if rule == "space":
            return self._space(obj, where)
        return self._entries(obj, rule, where)

    def _array(self, obj: Any, rule: str, where: str, depth: int) -> bool:
        """[rule]: an array of which each item is held against the rule."""
        import pikepdf

        if not isinstance(obj, pikepdf.Array) or depth > _DEPTH:
            return False
        plain = _numbers(rule)
        for item in obj:
            if type(item) not in plain:
                self._value(item, rule, where, depth + 1)
        return True

    def _names(self, obj: Any, rule: str, where: str) -> bool:
        """{rule}: a dictionary under whatever names."""
        import pikepdf

        if not isinstance(obj, pikepdf.Dictionary):
            return False
        self.left += [(obj[key], rule, f"{where} {key}") for key in obj.keys()]  # noqa: SIM118
        return True

    def _entries(self, obj: Any, rule: str, where: str) -> bool:
        """A dictionary or stream of a kind of KINDS."""
        import pikepdf

        if isinstance(obj, pikepdf.Stream) != rule.startswith("stream:"):
            return False
        if not isinstance(obj, pikepdf.Dictionary | pikepdf.Stream):
            return False
        entries = obj.stream_dict if isinstance(obj, pikepdf.Stream) else obj
        if any(not _is_marked(entries, key, must) for key, must in _marks(rule)):
            return False
        self._keys(entries, rule, where if rule == "empty" else _plainly(rule))
        return True

    def _keys(self, entries: Any, kind: str, where: str) -> None:
        allowed = KINDS[kind]
        for key in entries.keys():  # noqa: SIM118
            if key not in allowed:
                got, expected = f"{_named(key)} in {_a(where)}", ", ".join(allowed) or "nothing"
                raise Broken(PROBLEM, got=got, expected=expected, todo=TODO)
            self.left.append((entries[key], allowed[key].rstrip("!"), f"{where} {key}"))

    def _dest(self, obj: Any) -> bool:
        """[page /XYZ left top zoom] and its like: a place in this document."""
        import pikepdf

        if not isinstance(obj, pikepdf.Array) or len(obj) < 2 or not isinstance(obj[1], pikepdf.Name):
            return False
        if _FITS.get(str(obj[1])) != len(obj) - 2 or not all(x is None or _is_number(x) for x in list(obj)[2:]):
            return False
        self.left.append((obj[0], "page", "a destination"))
        return True

    def _space(self, obj: Any, where: str) -> bool:
        """[/ICCBased profile] or [/Lab parameters]."""
        import pikepdf

        if not isinstance(obj, pikepdf.Array) or len(obj) != 2 or not isinstance(obj[0], pikepdf.Name):
            return False
        rule = {"/ICCBased": "stream:profile", "/Lab": "lab"}.get(str(obj[0]))
        if rule is None:
            return False
        self.left.append((obj[1], rule, where))
        return True


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
def _numbers(rule: str) -> tuple[type, ...]:
    """The types of number that a rule takes as they are."""
    one_of = _alternatives(rule)
    return (int, Decimal) if "number" in one_of else (int,) if "int" in one_of else ()


@cache
def _marks(kind: str) -> tuple[tuple[str, str], ...]:
    """The keys by which a kind is told from others: those that have to be there."""
    return tuple((key, rule[:-1]) for key, rule in KINDS[kind].items() if rule.endswith("!"))


def _is_marked(entries: Any, key: str, must: str) -> bool:
    if key not in entries:
        return False
    return not must.startswith("/") or (_is_name(entries[key]) and str(entries[key]) in must.split("|"))


def _is_number(obj: Any) -> bool:
    return isinstance(obj, int | float | Decimal) and not isinstance(obj, bool)


def _is_text(obj: Any) -> bool:
    import pikepdf

    return isinstance(obj, pikepdf.String)


def _is_name(obj: Any) -> bool:
    import pikepdf

    return isinstance(obj, pikepdf.Name)


_PLAIN: Mapping[str, Callable[[Any], bool]] = {
    "nought": lambda obj: isinstance(obj, int) and not isinstance(obj, bool) and obj == 0,
    "int": lambda obj: isinstance(obj, int) and not isinstance(obj, bool),
    "number": _is_number,
    "bool": lambda obj: isinstance(obj, bool),
    "text": _is_text,
    "name": _is_name,
    "null": lambda obj: obj is None,
}
