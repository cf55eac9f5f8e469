"""What each step after the printing may add: the grammar of our own tools, and nothing else.

A report grows by one revision a signature. Such a step fills one empty signature field (/V, and its face unless it is
the archive timestamp); the first one certifies (/Perms); any may bring validation data (/DSS) and the extension that
announces it. Everything else has to be what it was, bytes for bytes, whatever a viewer would show. What the new objects
themselves may hold is `reports.verify.allowed`, and what a face shows `reports.verify.faces`. The log of reports adds
nothing to the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from audit.numbers import many
from reports.verify.increments import Revision
from reports.verify.reading import opened
from reports.verify.result import Broken, field_named
from reports.verify.revisions import one_object, own_bytes

if TYPE_CHECKING:
    from reports.signature import Signature

MAY_GAIN = {"/DSS", "/Extensions"}
SIGNED = {"/Type", "/Filter", "/SubFilter", "/Contents", "/ByteRange", "/M", "/Name", "/Reason"}
STAMPED = {"/Type", "/Filter", "/SubFilter", "/Contents", "/ByteRange"}


def check_steps(data: bytes, revisions: Sequence[Revision], signatures: Sequence[Signature]) -> str:
    """Each revision after the first is one signature in its empty field. Raises Broken naming what else was done."""
    ends, signed = [r.end for r in revisions[1:]], [s.span.end for s in signatures]
    if ends != signed:
        raise Broken(
            "the file has other revisions than its printing and one for each signature",
            got=f"{many(len(revisions), 'revision')}, {many(len(signatures), 'signature')}",
            expected=f"{many(len(signatures) + 1, 'revision')}",
        )
    for number, (before, after, signature) in enumerate(zip(revisions, revisions[1:], signatures, strict=False)):
        with opened(data[: before.end]) as a, opened(data[: after.end]) as b:
            _Step(a, b, after, signature, certifies=number == 0).check()
    return (
        f"{many(len(signatures), 'step')} after the printing, each of them one signature in its empty field and "
        "nothing else"
    )


class _Step:
    """One revision (b) against the one before (a)."""

    def __init__(self, a: Any, b: Any, revision: Revision, signature: Signature, *, certifies: bool) -> None:
        self.a, self.b, self.revision, self.signature, self.certifies = a, b, revision, signature, certifies

    def check(self) -> None:
        if "/AcroForm" not in self.a.Root:
            raise Broken("the report was printed without fields for signatures", expected="one for each signer")
        for key in ("/Root", "/Info"):
            old, new = self.a.trailer.get(key), self.b.trailer.get(key)
            if old is None or new is None or one_object(old) != one_object(new):
                raise Broken(f"the trailer's {key} was replaced after certification")
        if self.a.trailer.get("/ID", [b""])[0] != self.b.trailer.get("/ID", [b""])[0]:
            raise Broken("the file's identifier was replaced after certification")
        filled = False
        for number in sorted(self.revision.objects):
            old, new = self.a.get_object((number, 0)), self.b.get_object((number, 0))
            if old is None or own_bytes(old) == own_bytes(new):
                continue  # what is new is reached from what may change, or refused as reached by nothing
            filled |= self._changed(number, old, new)
        if not filled:
            got = f"nothing in {field_named(self.signature.field)}"
            raise Broken("a step after the printing does not add one signature", got=got)

    def _changed(self, number: int, old: Any, new: Any) -> bool:
        """Whether it is the field that this step fills. Raises Broken where nothing may change there."""
        keys = changed_keys(old, new)
        if number == self.b.Root.objgen[0]:
            self._catalog(old, new, keys)
        elif (name := self._field(number)) is not None:
            self._filled(name, old, new, keys)
            return True
        elif number == self.a.Root.AcroForm.objgen[0] and keys <= {"/SigFlags"} and new.get("/SigFlags") == 3:
            pass
        elif "/DSS" in self.a.Root and number == self.a.Root.DSS.objgen[0]:
            _grown(old, new)
        else:
            suffix = f" ({', '.join(sorted(keys))})" if keys else ""
            raise Broken(
                f"{_name_of(self.a, number)} was changed after certification",
                got=f"object {number}{suffix}",
                expected="as certified",
            )
        return False

    def _catalog(self, old: Any, new: Any, keys: set[str]) -> None:
        allowed = MAY_GAIN | ({"/Perms"} if self.certifies else set())
        if keys - allowed or any(key in old for key in keys):
            raise Broken(
                "the document's catalog was changed after certification",
                got=", ".join(sorted(key for key in keys if key not in allowed or key in old)),
                expected="as certified",
            )
        if "/Perms" in keys and new.Perms.DocMDP.objgen != self._value().objgen:
            raise Broken("the certification named in the catalog is not the first signature")

    def _field(self, number: int) -> str | None:
        for widget in self.a.Root.AcroForm.Fields:
            if widget.objgen[0] == number:
                return str(widget.get("/T"))
        return None

    def _value(self) -> Any:
        for widget in self.b.Root.AcroForm.Fields:
            if str(widget.get("/T")) == self.signature.field and "/V" in widget:
                return widget.V
        raise Broken(
            "a step after the printing does not add one signature", got=f"no {field_named(self.signature.field)}"
        )

    def _filled(self, name: str, old: Any, new: Any, keys: set[str]) -> None:
        stamp = self.signature.kind == "/DocTimeStamp"
        expected = {"/V"} if stamp else {"/V", "/AP"}
        if name != self.signature.field or keys != expected or "/V" in old:
            raise Broken(
                f"the field {field_named(name)} was signed again or altered",
                got=", ".join(sorted(keys)),
                expected=f"{' and '.join(sorted(expected))}, once, in {field_named(self.signature.field)}",
            )
        right = STAMPED if stamp else SIGNED | ({"/Reference"} if self.certifies else set())
        got = set(new.V.keys())
        if got != right:
            raise Broken(
                f"the signature in {field_named(name)} says more or less than Assay writes",
                got=", ".join(sorted(got ^ right)),
                expected=", ".join(sorted(right)),
            )


def changed_keys(old: Any, new: Any) -> set[str]:
    """The keys of a dictionary whose values differ."""
    import pikepdf

    if type(old) is not type(new) or not isinstance(old, pikepdf.Dictionary):
        return {"its data"}
    a, b = ({key: one_object(obj[key]) for key in obj.keys()} for obj in (old, new))  # noqa: SIM118
    return {key for key in a.keys() | b.keys() if a.get(key) != b.get(key)}


def _grown(old: Any, new: Any) -> None:
    """Validation data only ever grows. Raises Broken where a certificate or a list was taken out or replaced."""
    for key in old.keys():  # noqa: SIM118
        before = [one_object(item) for item in old[key]]
        after = [one_object(item) for item in new.get(key, [])]
        if after[: len(before)] != before:
            raise Broken("validation data was taken out after it was signed", got=f"{key} of /DSS")


def check_validation_data(data: bytes) -> str:
    """Each piece of /DSS is one certificate or one revocation list, as DER, and nothing behind it. Raises Broken."""
    from asn1crypto import crl, x509

    kinds = {"/Certs": x509.Certificate, "/CRLs": crl.CertificateList}
    count = 0
    with opened(data) as pdf:
        dss = pdf.Root.get("/DSS")
        listed = {} if dss is None else {key: list(dss[key]) for key in dss.keys()}  # noqa: SIM118
        for key, pieces in listed.items():
            for piece in pieces:
                try:
                    loaded = kinds[key].load(piece.read_raw_bytes(), strict=True)
                    _ = loaded.native
                except (ValueError, TypeError) as error:
                    raise Broken(
                        "the validation data hold something else", got=type(error).__name__, expected=key
                    ) from error
                count += 1
    return f"certificates and revocation lists, {count} together"


def _name_of(pdf: Any, number: int) -> str:
    for place, page in enumerate(pdf.pages, 1):
        if page.obj.objgen[0] == number:
            return f"page {place}"
    return "a part of the document"
