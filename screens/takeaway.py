"""What a screen shows, to take away: tables as CSV with numbers in it, charts as pictures, and their points as CSV."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any

import streamlit as st

from screens import charts

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

DRAWN = "tables-of-this-screen"
FORMAT = "chart-format"
_N = r"[-−+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_UNIT = r"(?:\s*(?P<unit>%|points?|pts|st\. dev\.))?"
_CELL = re.compile(
    rf"(?P<value>{_N}){_UNIT}"
    rf"(?:\s*[\[(](?P<low>{_N})(?:\s*%)?(?:,\s*|\s+to\s+)(?P<high>{_N})(?:\s*%)?[\])])?"
    rf"(?:,?\s*\(?(?:(?P<top>{_N})\s+)?(?:of|n =)?\s*(?P<of>{_N})(?:\s+(?:people|rows))?\)?)?"
)
_SPAN = re.compile(rf"\[?(?P<low>{_N})(?:\s*(?P<unit>%))?(?:\s+to\s+|,\s+)(?P<high>{_N})(?:\s*%)?\]?")
LABEL = 70
"""Letters of a button."""
_NOTHING = {"–", "", "not estimable", "n/a", "nan"}


def clear() -> None:
    """A screen begins: what was drawn before is not on it."""
    st.session_state.pop(DRAWN, None)


def keep(alt: str, frame: pd.DataFrame) -> None:
    """A table that was drawn, with the numbers that go into its file."""
    st.session_state.setdefault(DRAWN, {})[alt] = frame


def picture(figure: Figure, alt: str) -> dict[str, Any]:
    """The settings of a chart that can be saved as a picture; its points are kept for a file."""
    keep(f"Points of: {alt}", points(figure))
    name = _slug(alt)
    return {
        **charts.CONFIG, "displayModeBar": True, "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {"format": st.session_state.get(FORMAT, "png"), "filename": name, "scale": 2},
    }  # fmt: skip


def shelf() -> None:
    """The tables and charts that this screen drew, as files: every cell is safe to open in a spreadsheet."""
    drawn: dict[str, pd.DataFrame] = st.session_state.pop(DRAWN, {})
    if not drawn:
        return
    with st.expander("Take the tables and charts away"):
        if any(alt.startswith("Points of: ") for alt in drawn):
            st.radio("Save charts as", ("png", "svg"), key=FORMAT, horizontal=True, format_func=str.upper)
            st.caption("The button with a camera, above each chart, saves it as it stands.")
        for number, (alt, frame) in enumerate(drawn.items()):
            name = _slug(alt)
            label = alt if len(alt) <= LABEL else f"{alt[: LABEL - 1]}…"
            st.download_button(
                f"{label} (CSV)", csv_of(frame), file_name=f"{name}.csv", mime="text/csv", key=f"table-{number}-{name}",
                type="tertiary", on_click="ignore",
            )  # fmt: skip


def _slug(alt: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", alt.lower()).strip("-")[:60] or "table"


def points(figure: Figure) -> pd.DataFrame:
    """What a chart draws: a row a mark, with the ends of its interval where it has one."""
    import pandas as pd

    rows = []
    for trace in figure.data:
        x, y = (list(v) if (v := getattr(trace, axis, None)) is not None else [] for axis in ("x", "y"))
        spread = getattr(trace, "error_x", None)
        up, down = (list(v) if (v := getattr(spread, k, None)) is not None else [] for k in ("array", "arrayminus"))
        text = [c[0] if isinstance(c, list | tuple) and c else None for c in (trace.customdata or ())]
        for i, (a, b) in enumerate(zip(x, y, strict=False)):
            row = {"series": trace.name, "name": text[i] if i < len(text) else None, "x": a, "y": b}
            if i < len(up) and i < len(down) and isinstance(a, int | float):
                row |= {"low": a - down[i], "high": a + up[i]}
            rows.append(row)
    return pd.DataFrame(rows, columns=["series", "name", "x", "y", "low", "high"])


def csv_of(frame: pd.DataFrame) -> str:
    """RFC 4180, with a head; numbers as numbers, nothing where there is no value; no cell that a spreadsheet takes for
    a formula. A column of values with intervals and counts becomes a column for each."""
    from reports.register import safe_cell

    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    heads: list[str] = []
    columns: list[list[Any]] = []
    for column in frame.columns:
        for head, values in apart(str(column), list(frame[column])):
            heads.append(head)
            columns.append(values)
    writer.writerow([safe_cell(h) for h in heads])
    for row in zip(*columns, strict=True):
        writer.writerow(["" if v is None or v != v else v if _is_number(v) else safe_cell(str(v)) for v in row])
    return out.getvalue()


def apart(head: str, cells: list[Any]) -> list[tuple[str, list[Any]]]:
    """A column as it goes into a file: as it is, or its numbers, each kind a column, where all of it are such.

    45.6 % [40.1, 50.2], 12 of 30 -> head %, head low, head high, head count, head of
    """
    texts = [c for c in cells if isinstance(c, str) and not _lacks(c)]
    if not texts:
        return [(head, [None if isinstance(c, str) else c for c in cells])]
    for pattern in (_CELL, _SPAN):
        matches = [pattern.fullmatch(t.strip().replace("\u00a0", " ").replace("\n", " ")) for t in texts]
        units = {m["unit"] for m in matches if m}
        if not all(matches) or len(units) > 1 or _is_code(texts, pattern):
            continue
        unit = f" ({units.pop()})" if units != {None} else ""
        names = {"value": f"{head}{unit}", "low": f"{head} low", "high": f"{head} high", "top": f"{head} count",
                 "of": f"{head} of"}  # fmt: skip
        matched = iter(matches)
        rows = [next(matched) if isinstance(c, str) and not _lacks(c) else None for c in cells]
        return [
            (name, [None if m is None else _parse_number(m[part]) for m in rows])
            for part, name in names.items()
            if part in pattern.groupindex and any(m is not None and m[part] is not None for m in rows)
        ]
    return [(head, cells)]


def _lacks(cell: str) -> bool:
    """Whether a cell says that there is no value; why not stands on the screen."""
    return cell.strip() in _NOTHING or cell.startswith("not estimable")


def _is_code(texts: list[str], pattern: re.Pattern[str]) -> bool:
    """Whether what looks like numbers are names: a zero before digits."""
    return pattern is _CELL and any(re.fullmatch(r"0\d+", t.strip()) for t in texts)


def _parse_number(text: str | None) -> float | int | None:
    if text is None:
        return None
    plain = text.replace(",", "").replace("−", "-")
    return float(plain) if "." in plain else int(plain)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
