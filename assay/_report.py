"""Keys and verification."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reports.verify import Verification


def new_key(name: str, path: str | Path, password: str | bytes) -> str:
    """Make a signing key in a new file, for people who have none.

    Parameters
    ----------
    name : str
        Whose key it is; printed beside each signature.
    path : str | Path
        The new PKCS #12 file, for example `me.p12`. A file that is there is not overwritten.
    password : str | bytes
        What opens it.

    Returns
    -------
    str
        The certificate's SHA-256 fingerprint, hexadecimal: give it to those who will check your signature, by another
        way than the report.

    Raises
    ------
    AssayError
        KeyFileError for a name or password that cannot be used, OutputError where the file cannot be written.
    """
    from reports.keys import new_key as make

    secret = password.encode() if isinstance(password, str) else password
    return make(name, Path(path), secret).fingerprint


def verify(
    report: str | Path,
    *,
    trust: str | Path | None = None,
    crls: Sequence[str | Path] = (),
    pins: Sequence[str] = (),
    since: str | Path | None = None,
    log: str | Path | None = None,
    require_quorum: bool = False,
    rerun: str | Path | None = None,
    allow: Sequence[str] = (),
) -> Verification:
    """Every check of a report, as `assay verify` makes them.

    Parameters
    ----------
    report : str | Path
        The PDF.
    trust : str | Path | None
        Root certificates (PEM or DER). Without them everything but who signed is checked.
    crls : Sequence[str | Path]
        Revocation lists to judge by, besides those in the file.
    pins : Sequence[str]
        SHA-256 fingerprints, hexadecimal, of signers' certificates that you know.
    since : str | Path | None
        An earlier copy that this file must continue.
    log : str | Path | None
        The folder of the log of issued reports, or a proof out of it.
    require_quorum : bool
        Fail where the board has not approved.
    rerun : str | Path | None
        A case file: measure again from its model and data, and compare.
    allow : Sequence[str]
        With `rerun`: types in the model that you have reviewed.

    Returns
    -------
    Verification
        `lines()` say what was compared; `partial` names what could not be checked here.

    Raises
    ------
    AssayError
        VerificationError naming the first check that failed, VerifiedInPart where one could not be made here,
        InputError for a file that cannot be read.
    """
    verification = checked(
        Path(report),
        trust=_path(trust),
        crls=[Path(c) for c in crls],
        pins=pins,
        since=_path(since),
        log=_path(log),
        require_quorum=require_quorum,
        rerun=_path(rerun),
        allow=allow,
    )
    if not verification.ok:
        raise verification.error()
    return verification


def checked(
    report: Path,
    *,
    trust: Path | None,
    crls: Sequence[Path],
    pins: Sequence[str],
    since: Path | None,
    log: Path | None,
    require_quorum: bool,
    rerun: Path | None,
    allow: Sequence[str],
    print_again: bool = False,
) -> Verification:
    """What was found, for the command and the notebook alike. Raises InputError."""
    from functools import partial

    from assay._commands.given import read
    from reports.log import read_copy
    from reports.log.proof import read_proof
    from reports.verify import verify as judged
    from reports.verify.seal import MOST_BYTES

    content, again = read(report, MOST_BYTES + 1), None
    if rerun is not None:
        from audit.load import load_case
        from reports.rerun import run_again

        again = partial(run_again, load_case(rerun), allow=allow)
    return judged(
        content,
        trust=read(trust) if trust else None,
        pins=pins,
        crls=[read(c) for c in crls],
        since=read(since) if since else None,
        require_quorum=require_quorum,
        print_again=print_again,
        rerun=again,
        log=None if not log else read_proof(read(log)) if log.is_file() else read_copy(log),
    )


def _path(place: str | Path | None) -> Path | None:
    return None if place is None else Path(place)
