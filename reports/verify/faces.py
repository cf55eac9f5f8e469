"""The face of each signature against the one that its own signed fields give.

What a face shows is what people read; what is signed are the fields. So it is made again: heading by the decision,
the name in the certificate, the time stated, the reason. The same drawing, object by object, is the same face. Where it
was drawn with other versions it is looked at, as pages are.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from audit.errors import AssayError
from reports.decision import Decision
from reports.manifest import Manifest
from reports.sign import SignedLevel
from reports.stamp import CERTIFIED, DECIDED, face_file, face_lines
from reports.verify.looks import MOST_SIDE, first_apart
from reports.verify.reading import opened
from reports.verify.result import Broken, InPart, field_named

if TYPE_CHECKING:
    from reports.signature import Signature

MINUTE = dt.timedelta(minutes=1)
MOST_DEPTH = 40
LEAST_SIDE = 3.0
"""Points: no page is smaller (ISO 32000-1, annex C), and the face is looked at as a page."""


def check_faces(
    data: bytes, manifest: Manifest, signatures: Sequence[Signature], others: Callable[[], Sequence[str]]
) -> str:
    """Every signature shows what it says. Raises Broken, or InPart where one was drawn with other versions.

    others : in what the machine that made the report differs from this one, in words.
    """
    _check_level(data, manifest, signatures[0])
    looked: list[str] = []
    count = 0
    for signature in signatures:
        if signature.kind == "/DocTimeStamp":
            continue  # its face stays the empty one of the printing: reports.verify.steps
        if not _check_face(data, manifest, signature, others):
            looked.append(field_named(signature.field))
        count += 1
    if looked:
        raise InPart(
            f"the faces of the signatures in {', '.join(looked)} look as their signed fields give them, drawn with "
            "other versions",
            got="; ".join(others()) or "another drawing of the same",
            expected="the same drawing, object by object",
        )
    return f"{count} drawn again from their signed fields, the same"


def _check_level(data: bytes, manifest: Manifest, first: Signature) -> None:
    """The cover tells no better level than the certification has. Raises Broken."""
    level_words = str(manifest.extra.get("level_words", ""))
    has = [SignedLevel.B_B]  # the archive timestamp comes after the printing: no cover can tell of it
    if first.container.stamp is not None:
        has.append(SignedLevel.B_T)
        with opened(data[: first.span.end]) as pdf:
            has += [SignedLevel.B_LT] if "/DSS" in pdf.Root else []
    levels = [level for level in SignedLevel if level_words.startswith(f"{level}:")]
    if manifest.extra.get("timestamp") and first.container.stamp is None:
        levels.append(SignedLevel.B_T)
    if better := [level for level in levels if level not in has]:
        raise Broken(
            "the report tells a better level than its certification has: of time, or of what is needed to check it",
            got=str(better[0]), expected=str(has[-1]),
        )  # fmt: skip


def _check_face(data: bytes, manifest: Manifest, signature: Signature, others: Callable[[], Sequence[str]]) -> bool:
    """Whether the drawing is the same; False where it only looks the same. Raises Broken or InPart."""
    where = field_named(signature.field)
    with opened(data[: signature.span.end]) as pdf:
        field = next((w for w in pdf.Root.AcroForm.Fields if str(w.get("/T")) == signature.field), None)
        if field is None or "/AP" not in field or "/Rect" not in field or "/V" not in field:
            raise Broken(f"the signature in {where} has no face", expected="the face that Assay draws")
        if (size := _size(field.Rect)) is None:
            raise Broken(f"the signature in {where} has no face", got="a field of no size, or of too large a one")
        if str(field.V.get("/Name", "")) != signature.signer_name:
            raise Broken(
                f"the signature in {where} names another person than its certificate",
                got="another name",
                expected="the name in its certificate",
            )
        mine, digest = _alone(field.AP.N, size), drawing_digest(field.AP.N)
    same_words = False
    # A report made before 0.3 stated a moment just after the one on its face: the minute may have turned between.
    for earlier in (dt.timedelta(0), MINUTE):
        with opened(face_file(_lines(manifest, signature, earlier), *size)) as pdf:
            face = pdf.pages[0].obj.Annots[0].AP.N
            if drawing_digest(face) == digest:
                return True
            again = _alone(face, size)
        if first_apart(mine, again) is None:
            return False
        same_words |= first_apart(mine, again, pictures=False) is None
    if same_words and others():
        raise InPart(
            f"the face of the signature in {where} is not checked: it was drawn with other versions",
            got="; ".join(others()),
            expected="the same versions",
        )
    raise Broken(
        f"the face of the signature in {where} does not show what was signed",
        got="another drawing" if same_words else "other words",
        expected="heading, name, reason and time as they are signed",
        todo="do not rely on what the page shows of it; the signed words are in the line “signed by”",
    )


def _size(rectangle: Any) -> tuple[float, float] | None:
    """(width, height) in points; None where nothing can be read in a field of it."""
    corners = [float(v) for v in rectangle]
    if len(corners) != 4:
        return None
    width, height = abs(corners[2] - corners[0]), abs(corners[3] - corners[1])
    return (width, height) if min(width, height) >= LEAST_SIDE and max(width, height) <= MOST_SIDE else None


def _lines(manifest: Manifest, signature: Signature, earlier: dt.timedelta) -> tuple[str, ...]:
    """What the face has to say. Raises Broken where the signature states no decision or no time."""
    from cryptography import x509

    heading = CERTIFIED
    if signature.field in {s.field for s in manifest.members}:
        try:
            heading = DECIDED[Decision.from_text(signature.reason or "").decision]
        except AssayError as error:
            raise Broken(error.problem, expected=error.expected) from error
    if signature.stated is None or signature.stated.tzinfo is None:
        raise Broken(f"the signature in {field_named(signature.field)} states no time", expected="/M with a time zone")
    certificate = x509.load_der_x509_certificate(signature.container.certificate)
    return face_lines(heading, certificate, signature.reason or "", signature.stated - earlier)


def _alone(face: Any, size: tuple[float, float]) -> bytes:
    """A file of one page of this size that draws the face and nothing else."""
    import pikepdf

    with pikepdf.new() as pdf:
        page = pdf.add_blank_page(page_size=size)
        drawn = pdf.copy_foreign(face)
        page.obj.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary({"/Face": drawn}))
        page.obj.Contents = pdf.make_stream(b"/Face Do")
        out = io.BytesIO()
        pdf.save(out, static_id=True)
    return out.getvalue()


def drawing_digest(face: Any) -> bytes:
    """The digest of a drawing with all it refers to, whatever numbers its objects have. Raises Broken."""
    return _digest(face, {}, 0)


def _digest(obj: Any, known: dict[tuple[int, int], bytes], depth: int) -> bytes:
    import pikepdf

    if depth > MOST_DEPTH:
        raise Broken("the face of a signature is drawn of itself, or too deeply nested")
    if not isinstance(obj, pikepdf.Object):
        return hashlib.sha256(repr(obj).encode()).digest()
    if obj.is_indirect and obj.objgen in known:
        return known[obj.objgen]
    if isinstance(obj, pikepdf.Array):
        parts = [b"array", *(_digest(item, known, depth + 1) for item in obj)]
    elif isinstance(obj, pikepdf.Dictionary | pikepdf.Stream):
        entries = obj.stream_dict if isinstance(obj, pikepdf.Stream) else obj
        parts = [b"dictionary"]
        for key in sorted(entries.keys()):
            parts += [hashlib.sha256(key.encode()).digest(), _digest(entries[key], known, depth + 1)]
        if isinstance(obj, pikepdf.Stream):
            parts += [b"stream", hashlib.sha256(obj.read_raw_bytes()).digest()]
    else:
        parts = [b"value", bytes(obj.unparse(resolved=True))]
    digest = hashlib.sha256(b"".join(parts)).digest()
    if obj.is_indirect:
        known[obj.objgen] = digest
    return digest
