"""A Document as one HTML page for print: A4, page numbers, contents; `data:` URLs only; all text escaped.

Every text goes through `glyphs.printable`, so that no page asks for a sign that its font lacks.
"""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from reports import blocks as d
from reports.fit import columns
from reports.glyphs import printable
from reports.words import unquoted

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATES = Path(__file__).resolve().parent / "templates"
_NUMERIC = re.compile(r"^(?:[+−]?[\d,]+(?:\.\d+)?(?: %)?|–|withheld|left out|not estimable|\[[−\d., ]+\])$")
_TOGETHER = re.compile(r"(\[?[+−]?\d[\d.,]* %[\])]*|p (?:&lt;|=|&gt;) \.?\d[\d.]*\d)")
LONGEST_RUNNING = 70
CLOSING_WORDS = (
    "No figure in this report makes a decision right or wrong. Every rate, gap and interval can be computed again from "
    "the counts embedded in this file; the chapter on verifying says how."
)
"""What stands below the facts of the cover."""
ROLES = {
    "auditor": "Auditor",
    "member": "Board member",
    "timestamp": "Left empty until the report is archived",
}


def render_html(document: d.Document) -> str:
    """The page. Equal documents give equal text."""
    return _template().render(
        document=document,
        kind=_kind,
        numeric=_numeric,
        columns=columns,
        picture=picture_of,
        role=ROLES.__getitem__,
        closing=CLOSING_WORDS,
        css=_data("text/css", _css(document)),
    )


def _kind(block: d.Block) -> str:
    return type(block).__name__


def _numeric(table: d.Table) -> list[bool]:
    """Which columns hold nothing but numbers: they are set flush right."""
    columns = range(len(table.columns))
    return [i > 0 and bool(table.rows) and all(_NUMERIC.match(row[i]) for row in table.rows) for i in columns]


def picture_of(svg: str) -> str:
    """A drawing as a `data:` URL."""
    return _data("image/svg+xml", svg)


def _data(kind: str, text: str) -> str:
    return f"data:{kind};base64," + base64.b64encode(text.encode()).decode()


def _css(document: d.Document) -> str:
    """The style sheet with the running header filled in; strings are escaped as CSS strings."""
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    return style.replace("RUNNING", _css_string(document.case)).replace("NUMBER", _css_string(document.number))


def running(text: str) -> str:
    """The text as the head of each page has it."""
    text = " ".join(printable(text).split())
    return text if len(text) <= LONGEST_RUNNING else text[: LONGEST_RUNNING - 1].rstrip() + "…"


def _css_string(text: str) -> str:
    """A CSS string: letters, digits and a few signs as they are, all else by its number and the space that ends it."""
    text = running(text)
    return '"' + "".join(c if c.isalnum() or c in " .,:;-()" else f"\\{ord(c):06x} " for c in text) + '"'


def _finalize(value: Any) -> Any:
    """What every `{{ }}` prints: plain text made printable; escaping follows."""
    return printable(value) if type(value) is str else value


def kept(text: str) -> Markup:
    """The text, escaped; a number stays on one line with its % sign, and a p-value with its sign. What was marked as
    code for the command line is in quotation marks."""
    return Markup(_TOGETHER.sub(r'<span class="k">\1</span>', str(escape(printable(unquoted(text))))))


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kept"] = kept
    return environment.get_template("report.html")
