"""Keys and verification for a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.verify import Verification


def new_key(name: str, path: str | Path, password: str | bytes) -> str:
    """Make a signing key for `name` in a new .p12 file; returns its fingerprint. Raises KeyFileError, OutputError."""
    from reports.keys import new_key as make

    secret = password.encode() if isinstance(password, str) else password
    return make(name, Path(path), secret).fingerprint


def verify(report: str | Path, *, trust: str | Path | None = None, **options: Any) -> Verification:
    """Every check of a report, as `assay verify` makes them; raises VerificationError naming the first that failed.

    trust: root certificates (PEM); without them everything but who signed is checked. The result's `lines()` say what
    was compared, and `partial` names what could not be checked here.
    """
    from reports.verify import verify_or_raise

    roots = None if trust is None else Path(trust).read_bytes()
    return verify_or_raise(Path(report).read_bytes(), trust=roots, **options)
