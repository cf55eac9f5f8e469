"""The form of what is printed in the middle of Assay's own sentences: a digest is a digest, a time is a time.

A manifest that gives words where a page prints "SHA-256 ..." would have Assay say them. So each entry of the manifest's
`extra` has a form, and no entry is unknown; each value called `sha256`, in every embedded file, is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec

from audit.errors import AssayError
from reports import setting
from reports.about import SAME, UNKNOWN
from reports.manifest import Manifest, strict_json
from reports.verify.result import Broken, shown

Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Time = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-9:.]{5,15}(Z|[+-][0-9:]{5})\Z")]
Day = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[01][0-9]-[0-3][0-9]\Z")]
Number = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f][0-9a-f-]{0,11}\Z")]
Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
File = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f/\\:“”]+\Z", max_length=120)]


_PACKAGE = re.compile(r"[A-Za-z][\w-]{0,39}")


class _Form(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Protocol(_Form):
    file: File
    sha256: Digest
    logged: Time | None


class _Monitoring(_Form):
    file: Literal["watch.json"]
    sha256: Digest
    batches: Count
    people: Count
    changes: Count
    incidents: Count
    time: Time | Literal[""]


class _Differences(_Form):
    compared: Count
    near: list[Number]
    reason: str


class _Earlier(_Form):
    when: Time
    who: str
    decision: Literal["approve", "reject"]
    number: Number
    conditions: str
    until: Day | None
    case: str | None = None
    on: Literal["the same model and data", "not recorded", "other data", "another model",
                "another model and other data"] | None = None  # fmt: skip


class _Condition(_Form):
    number: Annotated[int, msgspec.Meta(ge=1, le=10**6)]
    text: Annotated[str, msgspec.Meta(max_length=200)]
    owner: Annotated[str, msgspec.Meta(max_length=200)]
    due: Annotated[str, msgspec.Meta(pattern=r"^([0-9]{4}-[01][0-9]-[0-3][0-9])?\Z")]
    state: Literal["open"]


class _Extra(_Form):
    """What Assay enters into a manifest (reports.issue); each is left out where there is nothing to say."""

    people: bool = False
    timestamp: bool = False
    level_words: str = ""
    """One of the sentences of SignedLevel: reports.document refuses others."""
    number: str = ""
    """Digits: reports.document refuses others."""
    fonts: Any = None
    """reports.setting reads it."""
    checkpoint: Any = None
    """Held against its own signature: reports.verify.log.stated."""
    about: Any = None
    """Held against the evidence: reports.verify.about."""
    annex: Literal["full", "short", "none", "summary"] = "full"
    conditions: list[_Condition] = []
    review: Day | None = None
    outdated: Day | None = None
    register: list[_Earlier] = []
    protocol: _Protocol | None = None
    deviations: list[str] = []
    monitoring: _Monitoring | None = None
    differences: _Differences | None = None


assert (SAME, UNKNOWN, setting.FONTS) == ("the same model and data", "not recorded", "fonts")


def check_shapes(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Raises Broken naming the first entry that has another form than Assay gives it."""
    try:
        extra = msgspec.convert(dict(manifest.extra), _Extra)
    except msgspec.ValidationError as error:
        raise Broken(
            "an entry of the manifest has another form than Assay gives it",
            got=_place(str(error)),
            expected="times, digests and numbers where pages print them, and no entry of another name",
        ) from error
    for name, data in files.items():
        for key, value in _digests(_read(data, name)):
            # A batch that could not be read has none.
            if not (value is None or value == "" or (isinstance(value, str) and setting.DIGEST.fullmatch(value))):
                raise Broken(f"a {key} in an embedded file is none", got=shown(value), expected="64 hex digits")
    for name in ("evidence.json", "earlier-evidence.json"):
        _check_tool(_read(files[name], name) if name in files else None)
    if extra.monitoring is not None and "series.json" in files:
        watch = strict_json(files["series.json"], "series.json")
        told = {"sha256": watch["watch"]["sha256"], "batches": watch["batches"]}
        for key, right in told.items():
            if (got := getattr(extra.monitoring, key)) != right:
                raise Broken(f"the {key} of the monitoring is told in two ways", got=shown(got), expected=shown(right))


def _check_tool(evidence: Any) -> None:
    """The cover and the protocol print by what the evidence was made. Raises Broken where that is no version."""
    tool = evidence.get("tool") if isinstance(evidence, dict) else None
    if not isinstance(tool, dict):
        return
    packages = tool.get("packages")
    named = packages.items() if isinstance(packages, dict) else ()
    for name, version in (("assay", tool.get("version")), *named):
        if not (_PACKAGE.fullmatch(name) and isinstance(version, str) and setting.VERSION_FORM.fullmatch(version)):
            raise Broken("a version in the evidence is none", got=shown(version), expected="a package and its version")


def _read(data: bytes, name: str) -> Any:
    """What stands there; nothing where it is no JSON, which the check of its figures or pages says."""
    try:
        return strict_json(data, name) if name.endswith(".json") else None
    except AssayError:
        return None


def _place(text: str) -> str:
    """Where msgspec found it, without its words: they may be the file's."""
    where = text.rpartition("at `")[2].rstrip("`") if "at `" in text else "an entry"
    return where if len(where) < 60 else "an entry"


def _digests(document: Any) -> Iterator[tuple[str, Any]]:
    left = [document]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            yield from ((key, value) for key, value in item.items() if key == "sha256")
            left += item.values()
        elif isinstance(item, list):
            left += item
