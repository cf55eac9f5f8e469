"""`assay seal`: the archive timestamp (PAdES B-LTA) on a report that verifies.

    write_whole(path, archive(pdf, timestamp_authority(url), validation=Validation(roots, crls)))

It comes last, when the board has decided: an authority confirms that the file with all its signatures existed then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.errors import InputError
from reports.approve import embedded_manifest
from reports.known import remember
from reports.sign import Validation, seal

if TYPE_CHECKING:
    from pyhanko.sign.timestamps import TimeStamper

    from reports.verify.printed import Printer


def archive(
    pdf: bytes, timestamper: TimeStamper, *, validation: Validation | None = None, printer: Printer | None = None
) -> bytes:
    """The report with its archive timestamp, in the field that it was issued with.

    validation : roots, the certificates between, and revocation lists; what they show about the authority goes into
    the file with the timestamp. Raises VerificationError where the report does not verify, and InputError where it has
    no such field, is sealed already, or the authority does not answer.
    """
    from reports.verify import verify_or_raise

    verify_or_raise(pdf, printer=printer)
    slot = next((s for s in embedded_manifest(pdf).signers if s.role == "timestamp"), None)
    if slot is None:
        raise InputError("the report has no field for an archive timestamp", expected="a report made by `assay report`")
    return remember(seal(pdf, timestamper, field=slot.field, validation=validation))
