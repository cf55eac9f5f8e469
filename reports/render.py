"""A Document as one HTML page for print: A4, page numbers, contents; `data:` URLs only; all text escaped.

Every text goes through `glyphs.printable`, so that no page asks for a sign that its font lacks.
"""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports import blocks as d
from reports.glyphs import printable

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATES = Path(__file__).resolve().parent / "templates"
_NUMERIC = re.compile(r"^(?:[+−]?[\d,]+(?:\.\d+)?(?: %)?|–|withheld|left out|not estimable|\[[−\d., ]+\])$")
LONGEST_RUNNING = 70
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
        picture=_picture,
        role=ROLES.__getitem__,
        css=_data("text/css", _css(document)),
    )


def _kind(block: d.Block) -> str:
    return type(block).__name__


def _numeric(table: d.Table) -> list[bool]:
    """Which columns hold nothing but numbers: they are set flush right."""
    columns = range(len(table.columns))
    return [i > 0 and bool(table.rows) and all(_NUMERIC.match(row[i]) for row in table.rows) for i in columns]


def _picture(svg: str) -> str:
    return _data("image/svg+xml", svg)


def _data(kind: str, text: str) -> str:
    return f"data:{kind};base64," + base64.b64encode(text.encode()).decode()


def _css(document: d.Document) -> str:
    """The style sheet with the running header filled in; strings are escaped as CSS strings."""
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    return style.replace("RUNNING", _css_string(document.case)).replace("NUMBER", _css_string(document.number))


def _css_string(text: str) -> str:
    """A CSS string: letters, digits and a few signs as they are, everything else by its number."""
    text = " ".join(printable(text).split())
    if len(text) > LONGEST_RUNNING:
        text = text[: LONGEST_RUNNING - 1].rstrip() + "…"
    return '"' + "".join(c if c.isalnum() or c in " .,:;-()" else f"\\{ord(c):06x}" for c in text) + '"'


def _finalize(value: Any) -> Any:
    """What every `{{ }}` prints: plain text made printable; escaping follows."""
    return printable(value) if type(value) is str else value


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
    return environment.get_template("report.html")
