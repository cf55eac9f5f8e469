"""A Document as one HTML page for print: A4, page numbers, contents; `data:` URLs only; all text escaped."""

from __future__ import annotations

import base64
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from reports import blocks as d

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATES = Path(__file__).resolve().parent / "templates"


def render_html(document: d.Document) -> str:
    """The page. Equal documents give equal text."""
    return _template().render(document=document, kind=_kind, picture=_picture, css=_data("text/css", _css(document)))


def _kind(block: d.Block) -> str:
    return type(block).__name__


def _picture(svg: str) -> str:
    return _data("image/svg+xml", svg)


def _data(kind: str, text: str) -> str:
    return f"data:{kind};base64," + base64.b64encode(text.encode()).decode()


def _css(document: d.Document) -> str:
    """The style sheet with the running header filled in; strings are escaped as CSS strings."""
    style = (TEMPLATES / "report.css").read_text()
    return style.replace("RUNNING", _css_string(document.case))


def _css_string(text: str) -> str:
    out = []
    for c in text[:90]:
        if c.isalnum() or c in " .,:;-()":
            out.append(c)
        else:
            out.append(f"\\{ord(c):06x}")
    return '"' + "".join(out) + '"'


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")
