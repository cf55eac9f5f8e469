"""The earlier audit that a report compares with: from its run folder, or out of the report on it."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from audit.errors import DataError, VerificationError
from audit.publish import publish_files
from reports.compare import EARLIER


def earlier_files(place: Path) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The earlier audit (run folder, or a report none of whose checks fails) under the names it is embedded by, and the
    checks of that report that could not be made whole here: they are told beside the comparison.

    Raises DataError where it holds no audit, VerificationError where a check of the earlier report fails.
    """
    place = Path(place)
    unchecked: tuple[str, ...] = ()
    try:
        if place.is_dir():
            files = publish_files({name: (place / name).read_bytes() for name in EARLIER})
        else:
            from reports.log.record import read_report
            from reports.verify import verify

            content = place.read_bytes()
            verification = verify(content)
            if (bad := verification.failed) is not None:
                raise VerificationError(
                    bad.name, f"the earlier report does not hold: {bad.name}: {bad.detail}", got=bad.got,
                    expected=bad.expected, todo=f"look at it with `assay verify {quote(str(place))}`",
                )  # fmt: skip
            unchecked = tuple(c.name for c in verification.partial)
            files = dict(read_report(content)[2])
        return {EARLIER[name]: files[name] for name in EARLIER}, unchecked
    except (OSError, KeyError) as error:
        raise DataError(
            "there is no earlier audit to compare with", got=place.name, expected="a run folder or a report.pdf",
            todo="give the folder that `assay audit` wrote, or an earlier report",
        ) from error  # fmt: skip
