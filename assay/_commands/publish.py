"""`assay publish`: a finished audit where the model or the data are kept."""

from __future__ import annotations

from pathlib import Path

from assay._commands.options import RUN
from assay._commands.parsing import FILE, OneOf, Option, Result, command


@command(
    RUN,
    Option("--to", type=OneOf("mlflow", "openlineage"), required=True, help="Where to."),
    Option("--uri", metavar="URL", help="The server (default: MLFLOW_TRACKING_URI or OPENLINEAGE_URL)."),
    Option("--report", type=FILE, metavar="REPORT.pdf", help="The signed report of this audit, stored too (mlflow)."),
    Option("--ca", type=FILE, metavar="CA.pem", help="Certificates to trust in place of the system's."),
    Option("--plain-text", is_flag=True, help="Unencrypted to another machine is meant."),
    more="What goes out is what a report holds: small groups are withheld, and no row is in it. The verdict among the "
    "tags is no approval.",
)
def publish(dir: Path, to: str, uri: str | None, report: Path | None, ca: Path | None, plain_text: bool) -> Result:
    import datetime as dt

    import msgspec

    from reports.outward import publish as outward
    from reports.outward import words

    done = outward(dir, to, uri=uri, report=report, ca=ca, plain_text=plain_text, now=dt.datetime.now(dt.UTC))
    return Result(msgspec.to_builtins(done), words(done))
