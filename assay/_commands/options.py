"""The options that commands share, each declared once."""

from __future__ import annotations

import click

from assay._commands.parsing import FILE, FOLDER, NUMBER, WHOLE, Option

CASE = click.Argument(["case"], type=FILE, metavar="CASE.toml")
DATA = click.Argument(["data"], type=FILE, metavar="DATA")
RUN = click.Argument(["dir"], type=FILE, metavar="DIR")
PDF = click.Argument(["report"], type=FILE, metavar="REPORT.pdf")

OUT = Option("--out", type=FOLDER, required=True, metavar="DIR", help="The run folder: what is made is written here.")
SEED = Option("--seed", type=WHOLE, default=0, show_default=True, help="Of every random draw.")
OFFLINE = Option(
    "--offline", is_flag=True, help="Of an endpoint: the answers kept in DIR, and no other; nothing is sent."
)
ALLOW = Option("--allow", multiple=True, metavar="TYPE", help="A type in the model you have reviewed.")
GATE = Option(
    "--gate", is_flag=True, help="End with 3 where a norm of the policy is broken, or an error check of the contract."
)
LOG = Option("--log", type=FILE, metavar="DIR", help="Enter it in this log of issued reports.")
KEY = Option(
    "--key", required=True, metavar="KEY.p12", help="- for one on standard input; or pkcs11:token=...;object=..."
)
PASSWORD = Option(
    "--password-file",
    type=FILE,
    metavar="FILE",
    help="- for a line on standard input; else ASSAY_KEY_PASSWORD, else a prompt.",
)
TIMESTAMP = Option("--timestamp", metavar="URL", help="An RFC 3161 authority.")
_KEPT = "Roots and the certificates between; what they show is kept in the file, to be checked later."
TRUST = Option("--trust", type=FILE, metavar="CA.pem", help=_KEPT)
CRL = Option("--crl", type=FILE, multiple=True, metavar="FILE", help="A revocation list.")

_BESIDE = "Beside a data file"


def _column(name: str, text: str) -> Option:
    return Option(name, metavar="COLUMN", help=text, group=_BESIDE)


FROM_DATA = (
    Option("--sensitive", many=True, metavar="COLUMN...", help="Whose groups are compared.", group=_BESIDE),
    _column("--label", "What really happened."),
    _column("--decision", "What was decided."),
    _column("--score", "A column of scores, decided by --threshold."),
    Option("--model", type=FILE, metavar="FILE", help="A model file.", group=_BESIDE),
    Option("--threshold", type=NUMBER, metavar="NUMBER", help="Positive from this score on.", group=_BESIDE),
    Option("--link", metavar="logit", help="Of a model that gives raw numbers.", group=_BESIDE),
    Option("--classes", many=True, metavar="CLASS=VALUE...", help="The model's classes in words.", group=_BESIDE),
    Option("--python", type=FILE, metavar="PYTHON", help="The interpreter that made the model.", group=_BESIDE),
    Option("--load", metavar="HOW", help="With --python: joblib, pickle, ... or module:function.", group=_BESIDE),
    Option("--consent", metavar="sha256:...", help="Where loading runs code: the file's digest.", group=_BESIDE),
    Option("--positive", metavar="VALUE", help="What the model predicts or scores.", group=_BESIDE),
    Option("--favourable", metavar="VALUE", help="What is good for the person.", group=_BESIDE),
    _column("--weight", "A survey weight."),
    _column("--id", "Who or what a row is about."),
    _column("--time", "When."),
    _column("--cluster", "Who the person is, where one has several rows."),
    Option("--exclude", many=True, metavar="COLUMN...", help="What the model must not see.", group=_BESIDE),
    Option("--bins", multiple=True, metavar="COLUMN:25,40,60", help="Bands of a number.", group=_BESIDE),
    Option("--name", metavar="TEXT", help="Of the case.", group=_BESIDE),
    Option("--purpose", metavar="TEXT", help="What is decided about people, in words.", group=_BESIDE),
)
"""What is what in a data file that stands in place of a case file."""

_PROGRAMS = "For other programs (docs/integrations.md)"
FOR_PROGRAMS = tuple(
    Option(f"--{kind}", type=FILE, metavar="FILE", help=text, group=_PROGRAMS)
    for kind, text in (
        ("junit", "A test case a norm, for build servers."),
        ("sarif", "A result a broken norm, for code scanning."),
        ("markdown", "A summary for people."),
        ("openlineage", "A run event for a lineage store."),
    )
)
