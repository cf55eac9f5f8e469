"""Two files as a viewer shows them: each page as a picture and as text, by one engine (PDFium) and in one way.

Where a report was set with other versions its bytes differ, and this is what can still be said: it looks the same, or
on which page it does not. Nothing is compared but what the engine draws and extracts; annotations, form fields, crop
boxes and rotation are in the picture, as in a viewer.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audit.numbers import many
from reports.verify.result import Broken

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DPI = 150
FLAT, EDGE = 8, 40
"""What smoothing gives, in levels of 255.

Where no edge lies within two pixels in one of the pictures, a pixel may differ by FLAT. Where both have an edge,
smoothing spreads it over pixels by how much of each it covers, and the mean of three by three pixels may differ by
EDGE: a page shifted by a hundredth of a point stays below it, a full stop taken out of a figure of 7 points does not.
"""
REACH = 3
"""Pixels: a mean reaches one away, and whether that one is flat two more."""
MOST_PAGES = 500
MOST_SIDE = 1200.0
"""Points: A4 is 842 high. A larger page is not drawn, so that a picture never takes more than some 20 MB."""


_one_at_a_time = threading.Lock()
"""PDFium works for one thread at a time."""


@dataclass(frozen=True, slots=True)
class Apart:
    """The first page on which two files look apart, counted from 1, and in what: "text" or "picture"."""

    page: int
    what: str
    got: str
    expected: str


def first_apart(mine: bytes, right: bytes, *, pictures: bool = True) -> Apart | None:
    """The first page of `mine` that does not show what that page of `right` shows, or None. Raises Broken.

    pictures : False compares the text alone, which takes milliseconds.
    """
    with _one_at_a_time, _shown(mine) as a, _shown(right) as b:
        for number in range(min(len(a), len(b))):
            with _page(a, number) as one, _page(b, number) as other:
                if (difference := _texts_apart(_text(one), _text(other))) is not None:
                    return Apart(number + 1, "text", *difference)
                if pictures and (seen := _pictures_apart(_picture(one), _picture(other))) is not None:
                    return Apart(number + 1, "picture", *seen)
        if len(a) != len(b):
            return Apart(min(len(a), len(b)) + 1, "text", f"{many(len(a), 'page')}", f"{many(len(b), 'page')}")
    return None


@contextmanager
def _shown(data: bytes) -> Iterator[Any]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise Broken("a viewer cannot open the file", got=type(error).__name__) from error
    try:
        document.init_forms()
        if len(document) > MOST_PAGES:
            raise Broken("the file has too many pages to look at", got=len(document), expected=f"up to {MOST_PAGES}")
        yield document
    finally:
        document.close()


@contextmanager
def _page(document: Any, number: int) -> Iterator[Any]:
    import pypdfium2

    try:
        page = document[number]
    except pypdfium2.PdfiumError as error:
        raise Broken(f"a viewer cannot show page {number + 1}", got=type(error).__name__) from error
    try:
        width, height = page.get_size()
        if not (0 < width <= MOST_SIDE and 0 < height <= MOST_SIDE):
            got, most = f"{width:.0f} x {height:.0f} points", f"at most {MOST_SIDE:.0f} points a side"
            raise Broken(f"page {number + 1} is too large to look at", got=got, expected=most)
        yield page
    finally:
        page.close()


def _text(page: Any) -> str:
    text = page.get_textpage()
    try:
        return " ".join(str(text.get_text_range()).split())
    finally:
        text.close()


def _texts_apart(mine: str, right: str) -> tuple[str, str] | None:
    """Where the words begin to differ; neither file's are quoted, since both are what the report says."""
    if mine == right:
        return None
    at = next((i for i, (a, b) in enumerate(zip(mine, right, strict=False)) if a != b), min(len(mine), len(right)))
    return f"other words from sign {at + 1:,} on, {len(mine):,} in all", f"{len(right):,} signs, as the evidence gives"


def _picture(page: Any) -> NDArray[np.uint8]:
    """(height, width, 3), on white, with annotations and form fields."""
    bitmap = page.render(scale=DPI / 72, may_draw_forms=True, draw_annots=True, fill_color=(255, 255, 255, 255))
    try:
        picture: NDArray[np.uint8] = bitmap.to_numpy().copy()
        return picture
    finally:
        bitmap.close()


def _pictures_apart(mine: NDArray[np.uint8], right: NDArray[np.uint8]) -> tuple[str, str] | None:
    """Where pixels lie apart by more than smoothing gives, in words."""
    import numpy as np

    if mine.shape != right.shape:
        return _size(mine), _size(right)
    if np.array_equal(mine, right):
        return None
    top, left, part = _where_apart(mine, right)
    wrong = _too_far(mine[part], right[part])
    if not wrong.any():
        return None
    rows, columns = np.nonzero(wrong)
    rows, columns = rows + top, columns + left
    place = f"{columns.min() * 72 / DPI:.0f} to {columns.max() * 72 / DPI:.0f} points from the left, "
    place += f"{rows.min() * 72 / DPI:.0f} to {rows.max() * 72 / DPI:.0f} from the top"
    return f"{int(wrong.sum()):,} pixels apart, {place}", "pixels no further apart than smoothing sets them"


def _size(picture: NDArray[np.uint8]) -> str:
    return f"{picture.shape[1]} x {picture.shape[0]} pixels"


def _where_apart(mine: NDArray[np.uint8], right: NDArray[np.uint8]) -> tuple[int, int, tuple[slice, slice]]:
    """First row and first column of the part that holds all pixels that differ, and REACH around it, and that part.

    What lies further off is equal in both, and so are the means there: `_too_far` says the same of the part as of all.
    """
    import numpy as np

    rows, columns, _ = np.nonzero(mine != right)
    top, left = (max(0, int(at.min()) - REACH) for at in (rows, columns))
    return top, left, (slice(top, int(rows.max()) + REACH + 1), slice(left, int(columns.max()) + REACH + 1))


def _too_far(mine: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(height, width): pixels further apart than FLAT and EDGE allow."""
    import numpy as np
    from scipy.ndimage import uniform_filter

    a, b = mine.astype(np.float32), right.astype(np.float32)
    flat = _is_flat(mine) | _is_flat(right)
    means = np.abs(uniform_filter(a, size=(3, 3, 1)) - uniform_filter(b, size=(3, 3, 1)))
    wrong: NDArray[np.bool_] = np.where(flat, np.abs(a - b) > FLAT, means > EDGE).any(axis=2)
    return wrong


def _is_flat(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(height, width, 3): whether five by five pixels around lie within twice FLAT."""
    from scipy.ndimage import maximum_filter, minimum_filter

    around = (5, 5, 1)
    flat: NDArray[np.bool_] = maximum_filter(picture, size=around) - minimum_filter(picture, size=around) <= 2 * FLAT
    return flat
