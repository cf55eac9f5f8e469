"""Pages set with other versions, or in another way: what is looked at, how closely, and what is said of it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pikepdf
import pypdfium2
import pytest

from reports import pdf as printing
from reports import render, setting
from reports.sign import certify
from reports.verify import looks, verify
from reports.verify.looks import first_apart
from tests.reports import forge, forged_more, forged_other, forged_pages, forged_signed, kit
from tests.reports.conftest import Reports
from tests.reports.forge import DONE, FAILED, FORGERIES, PART, SIGNED, Real, certified, exit_code, forged, pages_line
from tests.reports.pki import Pki

TABLES = (forged_more, forged_pages)
"""Each enters its forgeries where it is loaded."""


# --- other versions ---


_render = printing._render
_kept: dict[str, Any] = {}


def laid_out(html: str, attachments: Mapping[str, bytes], *rest: Any) -> Any:
    """Equal pages are laid out once; how the file is written is what some tests change."""
    key = hashlib.sha256(repr((html, sorted(attachments.items()), rest)).encode()).hexdigest()
    if key not in _kept:
        _kept[key] = _render(html, attachments, *rest)
    return _kept[key]


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, here: None) -> Iterator[None]:
    """A machine whose WeasyPrint is another one; what it sets differently is patched beside."""
    there = {**setting.versions(), "weasyprint": "71.0"}
    monkeypatch.setattr(setting, "versions", lambda: there)
    monkeypatch.setattr(printing, "_render", laid_out)
    printing.forget()
    yield
    printing.forget()


def repacking(monkeypatch: pytest.MonkeyPatch) -> None:
    """The printing comes out in another packing, as another version of a program may do."""
    before: Callable[..., bytes] = printing._finish
    monkeypatch.setattr(printing, "_finish", lambda *inputs: forged_other.repacked(before(*inputs)))


def test_other_versions_that_print_the_same_bytes_are_verified(real: Real, elsewhere: None) -> None:
    verification = verify(certified(real, real.pdf))
    assert exit_code(verification) == DONE
    assert pages_line(verification).status == "ok"


def test_pages_that_look_the_same_are_verified_in_part(
    real: Real, elsewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pdf = certified(real, real.pdf)
    repacking(monkeypatch)
    verification = verify(pdf)
    assert exit_code(verification) == PART
    line = pages_line(verification)
    assert "the pages look the same, made with other versions" in line.detail
    assert "weasyprint 70" in line.got
    assert "here 71.0" in line.got
    assert "not checked" not in line.detail


def test_pages_that_look_otherwise_are_not_checked_and_printed_afresh(
    real: Real, elsewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pdf = certified(real, real.pdf)
    css = render._css
    monkeypatch.setattr(
        render, "_css", lambda document: css(document).replace("#board h3 {", "#board h3 { color: red;")
    )
    verification = verify(pdf, print_again=True)
    assert exit_code(verification) == PART
    line = pages_line(verification)
    assert line.detail.startswith("the pages are not checked")
    assert "page 1 looks otherwise" in line.detail
    assert "--print-again" in line.todo
    assert verification.again is not None
    assert verification.again != real.pdf
    assert first_apart(verification.again, real.pdf) is not None


def test_what_is_only_heard_is_named_where_it_differs(
    real: Real, elsewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pdf = certified(real, forged(real, FORGERIES["the_screen_reader_hears_another_figure"]))
    repacking(monkeypatch)
    assert "not checked: tags" in pages_line(verify(pdf)).detail


@pytest.mark.parametrize("change", [repacking])
def test_the_same_versions_and_other_bytes_are_refused(
    change: Callable[[pytest.MonkeyPatch], None], real: Real, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pdf = certified(real, real.pdf)
    change(monkeypatch)
    printing.forget()
    verification = verify(pdf)
    printing.forget()
    assert exit_code(verification) == FAILED
    assert pages_line(verification).status == "failed"


def test_fonts_of_another_machine_are_told(real: Real, here: None) -> None:
    fonts = real.manifest.extra[setting.FONTS]
    assert any("DejaVu-Sans-Bold" in name for name in fonts)
    assert setting.apart({}, fonts, real.files) == []
    (report,) = setting.apart({}, {**fonts, "DejaVu-Sans": "0" * 64}, real.files)
    assert report.startswith("DejaVu-Sans of another file (here ")


def test_a_report_names_what_set_it(real: Real) -> None:
    for name in ("weasyprint", "pydyf", "fonttools", "pango", "harfbuzz", "fontconfig", "matplotlib"):
        assert real.manifest.tool[name] not in ("", setting.NONE)
    text = " ".join(run.text for page in real.pages for run in page.runs)
    assert "What set these pages" in text
    assert real.manifest.tool["pango"] in text


def test_a_report_that_names_no_versions_is_held_against_these(real: Real, here: None) -> None:
    """A manifest that says nothing gives no leave to look otherwise."""
    assert exit_code(verify(SIGNED["no_versions_at_all"](real))) == FAILED


# --- looking ---


def drawn(real: Real, change: Callable[[forge.Forge], None]) -> bytes:
    return forged(real, change)


def shifted(points: float) -> Callable[[forge.Forge], None]:
    def change(f: forge.Forge) -> None:
        f.write(4, b"q 1 0 0 1 %f 0 cm\n" % points + f.stream(4) + b"\nQ")

    return change


def test_smoothing_is_let_pass_and_a_shift_is_not(real: Real) -> None:
    assert first_apart(real.pdf, real.pdf) is None
    assert first_apart(drawn(real, shifted(0.01)), real.pdf) is None
    apart = first_apart(drawn(real, shifted(0.5)), real.pdf)
    assert apart is not None
    assert (apart.page, apart.what) == (5, "picture")


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param(b"q 1 1 1 rg %f %f 4 1.2 re f Q", id="a piece of a line"),
        pytest.param(b"q .95 .95 .95 rg 100 700 400 100 re f Q", id="pale grey on white"),
        pytest.param(b"q 0 0 0 RG .2 w 100 700 m 500 700 l S Q", id="a hair line"),
        pytest.param(b"q .8 0 0 rg 400 800 2 2 re f Q", id="a dot of half a millimetre"),
    ],
)
def test_what_a_person_could_see_is_seen(patch: bytes, real: Real) -> None:
    def change(f: forge.Forge) -> None:
        f.append(4, patch % a_letter(real.pdf, 4) if b"%f" in patch else patch)

    apart = first_apart(drawn(real, change), real.pdf)
    assert apart is not None
    assert (apart.page, apart.what) == (5, "picture")


def a_letter(pdf: bytes, page: int) -> tuple[float, float]:
    """Left and middle of a letter amid a page's text, in the pixels that the page is drawn in, from above."""
    with pypdfium2.PdfDocument(pdf) as document:
        height = document[page].get_height()
        text = document[page].get_textpage()
        for index in range(text.count_chars() // 2, text.count_chars()):
            if text.get_text_range(index, 1).isalpha():
                left, bottom, _, top = text.get_charbox(index)
                return left / 0.75, (height - (bottom + top) / 2) / 0.75
    raise AssertionError("no letter")


def test_looking_where_pictures_differ_is_looking_at_all_of_them() -> None:
    """Drawn by seed: paper with edges on it and noise, with other pixels in one place, at the rim too."""
    draw, seen = np.random.default_rng(3), 0
    for number in range(300):
        height, width = draw.integers(3, 30, 2)
        one = draw.integers(0, 256, (height, width, 3)) if number % 2 else np.full((height, width, 3), 255)
        one[draw.integers(height) :, draw.integers(width)] = draw.integers(256)
        y, x = draw.integers(height), draw.integers(width)
        other = one.copy()
        other[y : y + 3, x : x + 4] += draw.integers(-255, 256, other[y : y + 3, x : x + 4].shape)
        mine, right = (np.clip(a, 0, 255).astype(np.uint8) for a in (one, other))
        if np.array_equal(mine, right):
            continue
        whole = looks._too_far(mine, right)
        _, _, part = looks._where_apart(mine, right)
        assert whole.sum() == whole[part].sum()
        assert np.array_equal(whole[part], looks._too_far(mine[part], right[part]))
        seen += bool(whole.any())
    assert seen > 50


def test_annotations_fields_and_turned_pages_are_seen(real: Real) -> None:
    for name in ("a_stamp_says_approved", "a_member_has_approved_before_they_were_asked", "a_page_stands_on_its_head",
                 "a_page_is_cropped", "a_layer_hides_a_sentence"):  # fmt: skip
        assert first_apart(forged(real, FORGERIES[name]), real.pdf) is not None, name


def test_a_page_of_an_acre_is_not_drawn(real: Real) -> None:
    from reports.verify.result import Broken

    def change(f: forge.Forge) -> None:
        f.pdf.pages[3].obj.MediaBox = pikepdf.Array([0, 0, 200_000, 200_000])

    with pytest.raises(Broken, match="too large to look at"):
        first_apart(forged(real, change), real.pdf)


# --- the memory of pages just made ---


def test_pages_kept_in_memory_are_those_that_are_set_anew(small: Reports, pki: Pki) -> None:
    """Nothing but the whole input leads to what is kept: a file with no name is not taken for the page."""
    manifest = kit.manifest_of(small.files, pki.auditor)
    html = "<html lang=en><body><h1>One</h1></body></html>"
    rest: dict[str, Any] = {
        "title": "t", "author": "a", "language": "en", "created": kit.ISSUED, "signers": manifest.signers,
    }  # fmt: skip
    one = printing.write_pdf(html, attachments={}, **rest)
    assert printing.write_pdf(html, attachments={}, **rest) is one
    other = printing.write_pdf(html.replace("One", "Two"), attachments={}, **rest)
    assert other != one
    assert printing._key(html, {}) != printing._key("", {"": html.encode()})
    printing.forget()
    assert printing.write_pdf(html, attachments={}, **rest) == one


# --- what a file may be made of ---


def test_every_state_of_a_report_is_allowed(small: Reports) -> None:
    from reports.verify.allowed import check_allowed
    from reports.verify.increments import revisions_of

    for state, count in (("certified", 2), ("approved", 3), ("rejected", 4)):
        pdf = getattr(small, state)
        revisions = revisions_of(pdf)
        assert len(revisions) == count
        assert (revisions[0].start, revisions[-1].end) == (0, len(pdf))
        assert "of a kind that Assay writes" in check_allowed(pdf, revisions)


@pytest.mark.parametrize("packing", ["disable", "preserve"])
def test_an_object_that_nothing_refers_to_is_refused(packing: str, real: Real) -> None:
    from pyhanko.pdf_utils import generic

    from reports.verify.allowed import check_allowed
    from reports.verify.increments import revisions_of
    from reports.verify.result import Broken

    del packing
    pdf = kit.update(real.pdf, lambda w: w.add_object(generic.DictionaryObject()))
    with pytest.raises(Broken, match="nothing refers to"):
        check_allowed(pdf, revisions_of(pdf))


def test_the_face_of_a_decision_is_the_one_that_was_signed(small: Reports, here: None) -> None:
    verification = verify(small.rejected, printer=kit.page)
    line = next(c for c in verification.checks if c.name == "faces")
    assert (line.status, line.detail) == ("ok", "3 drawn again from their signed fields, the same")


def test_a_face_of_the_minute_before_is_taken(small: Reports, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """Earlier versions drew the face a moment before they stated the time."""
    import datetime as dt

    from reports import sign, stamp

    def late(*inputs: Any) -> Any:
        return stamp.face_lines(*inputs[:3], inputs[3] - dt.timedelta(minutes=1))

    monkeypatch.setattr(sign, "face_lines", late)
    pdf = certify(small.draft, pki.auditor, field="Auditor", reason="x").pdf
    assert exit_code(verify(pdf, printer=kit.page)) == DONE


def test_a_manifest_that_lies_about_versions_never_gives_more_than_part(real: Real, here: None) -> None:
    """Even where all looks the same: the honest pages of a manifest that names another WeasyPrint come out byte for
    byte, and are what they are; in another packing they are looked at, and that is told."""
    other = forged_signed.lying(real)
    assert exit_code(verify(certified(other, other.pdf))) == DONE
    packed = certified(other, forged_other.repacked(other.pdf))
    assert exit_code(verify(packed)) == PART
    assert replace(other.manifest, tool=real.manifest.tool) == real.manifest


def test_a_file_that_holds_no_page_like_ours_is_still_read_to_its_end(real: Real) -> None:
    with pikepdf.open(io.BytesIO(real.pdf)) as pdf:
        assert len(pdf.pages) == len(real.pages)
