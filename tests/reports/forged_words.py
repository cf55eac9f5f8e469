"""Forgeries whose pages are Assay's own, on evidence or a manifest that lies where nobody counts; and files of "other
versions" that PDFium shows as they should be, while another viewer or a screen reader gets something else."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from pikepdf import Array, Dictionary, Name, String

from audit.cube_json import margins_from_json
from audit.derived import derived
from audit.evidence import measures_to_json
from audit.files import canonical
from audit.findings import judge
from audit.found import finding_sentences
from audit.gaps import Settings
from audit.measure import measure
from audit.policy import Norm, Policy
from audit.values import to_json
from reports.manifest import SignerSlot
from reports.sign import countersign
from tests.reports import forged_more, forged_other, forged_pages, kit
from tests.reports.forge import Forge, Real, certified, forged, reembedded, reembedding
from tests.reports.forged_signed import lying

# --- figures that follow from the cube, at other settings than the pages name ---


def measured_otherwise(name: str, **inputs: Any) -> None:
    def made(r: Real) -> bytes:
        evidence = json.loads(r.files["evidence.json"])
        how = replace(Settings.from_json(evidence["settings"]), **inputs)
        margins = margins_from_json(json.loads(r.files["cube.json"]))
        result = measure(margins, how)
        more = derived(margins, how, evidence.get("population"), evidence["norms"])
        asked = tuple(Norm(n["metric"], n["kind"], tuple(n["attribute"]), n["limit"], n["limit"])
                      for n in evidence["norms"])  # fmt: skip
        columns = sorted({a for n in asked for a in n.attribute})
        norms = [to_json(n) for n in judge(Policy("", asked, ""), result, columns)]
        more = derived(margins, how, evidence.get("population"), norms)
        report = finding_sentences(evidence["model"], result, more)
        evidence |= measures_to_json(result) | more
        evidence |= {"settings": how.to_json(), "findings": report, "norms": norms, "family": result.family}
        return issued(r, {**r.files, "evidence.json": canonical(evidence)})

    made.__name__ = name
    reembedding(made)


def issued(r: Real, files: dict[str, bytes]) -> bytes:
    """A report that embeds these files and lists them as they are."""
    return reembedded(r, files, kit.manifest_of(files, r.pki.auditor, annex="none"))


measured_otherwise("intervals_of_a_half_called_95", alpha=0.5)
measured_otherwise("intervals_of_no_width_called_95", alpha=0.999)
measured_otherwise("groups_under_a_thousand_take_no_part", floor=1000)
measured_otherwise("no_group_is_too_small", floor=1)


def told_in_evidence(name: str, change: Callable[[Any], None]) -> None:
    def made(r: Real) -> bytes:
        return issued(r, kit.edited(r.files, "evidence.json", change))

    made.__name__ = name
    reembedding(made)


WORDS = "and no bias was found by the regulator"
told_in_evidence("a_version_of_assay_in_words", lambda d: d["tool"].update(version=WORDS))
told_in_evidence("a_package_in_words", lambda d: d["tool"]["packages"].update(numpy=WORDS))
told_in_evidence("a_package_with_a_sentence_for_a_name", lambda d: d["tool"]["packages"].update({WORDS: "1.0"}))
told_in_evidence("a_policy_with_words_for_a_digest", lambda d: d["policy"].update(sha256=WORDS))
told_in_evidence("data_with_words_for_a_digest", lambda d: d["data"].update(sha256=WORDS))
told_in_evidence("a_model_with_words_for_a_digest", lambda d: d["model"].update(sha256=WORDS))


def told_in_manifest(name: str, **extra: Any) -> None:
    def made(r: Real) -> bytes:
        return reembedded(r, r.files, replace(r.manifest, extra={**r.manifest.extra, **extra}))

    made.__name__ = name
    reembedding(made)


_HASH = "0" * 64
_EARLIER = {"when": "2026-01-01T10:00:00+00:00", "who": "Bo Board", "decision": "approve", "number": "0123456789ab",
            "conditions": "", "until": None, "case": "x", "on": "the same model and data"}  # fmt: skip
_WATCHED = {"file": "watch.json", "sha256": _HASH, "batches": 5, "people": 100, "changes": 0, "incidents": 0,
            "time": "2026-01-01T10:00:00+00:00"}  # fmt: skip
told_in_manifest("a_protocol_with_words_for_a_digest", protocol={"file": "p.md", "sha256": WORDS, "logged": None})
told_in_manifest("a_protocol_known_since_words", protocol={"file": "p.md", "sha256": _HASH, "logged": "2020, and all"})
told_in_manifest("a_protocol_whose_name_ends_the_quotation",
                 protocol={"file": "p.md”: approved by the regulator “", "sha256": _HASH, "logged": None})  # fmt: skip
told_in_manifest("counts_compared_in_words", differences={"compared": WORDS, "near": [], "reason": ""})
told_in_manifest("near_reports_in_words", differences={"compared": 1, "near": [WORDS], "reason": "x"})
told_in_manifest("an_earlier_decision_on_words", register=[{**_EARLIER, "on": WORDS}])
told_in_manifest("an_earlier_decision_of_words", register=[{**_EARLIER, "decision": WORDS}])
told_in_manifest("an_earlier_report_of_words", register=[{**_EARLIER, "number": WORDS}])
told_in_manifest("an_earlier_decision_until_words", register=[{**_EARLIER, "until": WORDS}])
told_in_manifest("monitoring_with_words_for_a_digest", monitoring={**_WATCHED, "sha256": WORDS})
told_in_manifest("monitoring_in_another_file", monitoring={**_WATCHED, "file": WORDS})
told_in_manifest("a_timestamp_that_is_a_word", timestamp="yes")
told_in_manifest("a_timestamp_that_is_a_number", timestamp=1)
told_in_manifest("an_opinion_in_the_manifest", opinion="no bias was found")


def one_key_for_two(name: str, second: str) -> None:
    def made(r: Real) -> bytes:
        first = r.manifest.signers
        slots = (first[0], SignerSlot("Member1", "Bo Board", "member"), SignerSlot("Member2", second, "member"),
                 first[-1])  # fmt: skip
        pdf = reembedded(r, r.files, replace(r.manifest, signers=slots))
        for field in ("Member1", "Member2"):
            pdf = countersign(pdf, r.pki.bo, field=field, reason="APPROVE: fine", heading="Approved by").pdf
        return pdf

    made.__name__ = name
    reembedding(made)


one_key_for_two("one_member_is_a_quorum_of_two", "Bo Board")
one_key_for_two("one_member_is_a_quorum_of_two_in_capitals", "BO BOARD")


# --- "other versions": what PDFium does not show ---

ELSEWHERE: dict[str, tuple[Callable[[Forge], None], str]] = {}
"""Name -> the change, and what the line on pages has to name; "" where it is refused outright."""


def elsewhere(named: str) -> Callable[[Callable[[Forge], None]], Callable[[Forge], None]]:
    def enter(change: Callable[[Forge], None]) -> Callable[[Forge], None]:
        ELSEWHERE[change.__name__] = (change, named)
        return change

    return enter


def lied(r: Real, name: str) -> bytes:
    other = lying(r)
    return certified(other, forged(other, ELSEWHERE[name][0]))


for _named, _changes in {
    "links and fields": (forged_more.a_link_lies_elsewhere, forged_pages.a_field_says_that_it_is_signed),
    "tags": (forged_pages.the_screen_reader_hears_rows_in_another_order, forged_other.marks_belong_to_other_tags,
             forged_other.a_cell_has_another_head),
    "metadata": (forged_other.the_title_in_xmp_is_another,),
    "attachments": (forged_other.an_attachment_has_another_date, forged_other.an_attachment_is_described_otherwise),
    "colour profiles": (forged_pages.red_is_made_blue, forged_pages.the_profile_is_none),
    "": (forged_more.a_link_has_a_thick_white_border,),
}.items():  # fmt: skip
    for _change in _changes:
        elsewhere(_named)(_change)


@elsewhere("")
def a_link_has_the_border_that_viewers_draw_by_default(f: Forge) -> None:
    del forged_more.links(f)[0]["/BS"]


@elsewhere("")
def a_link_has_a_hair_for_a_border(f: Forge) -> None:
    forged_more.links(f)[0].BS.W = Decimal("0.9")


@elsewhere("operators")
def an_operator_that_nobody_knows(f: Forge) -> None:
    f.append(2, b"BX 1 foo EX")


@elsewhere("operators")
def a_mark_without_content_is_spoken(f: Forge) -> None:
    f.append(2, b"/Span <</ActualText (No bias was found)>> BDC EMC")


@elsewhere("operators")
def a_colour_of_four_inks(f: Forge) -> None:
    f.append(2, b"q 0 0 0 1 k Q")


@elsewhere("operators")
def a_number_that_viewers_read_in_two_ways(f: Forge) -> None:
    f.append(2, b"q 1 0 0 1 0--0 0 cm Q")


@elsewhere("operators")
def an_operand_too_many(f: Forge) -> None:
    f.append(2, b"q 9 1 0 0 1 0 0 cm Q")


@elsewhere("operators")
def a_state_is_restored_that_was_not_saved(f: Forge) -> None:
    f.write(2, f.stream(2) + b"\nQ\nQ\nQ\n")


@elsewhere("tags")
def two_marks_change_their_numbers(f: Forge) -> None:
    data = f.stream(2).replace(b"<</MCID 3>>", b"<</MCID 99>>").replace(b"<</MCID 4>>", b"<</MCID 3>>")
    f.write(2, data.replace(b"<</MCID 99>>", b"<</MCID 4>>"))


def reprogrammed(f: Forge, change: Callable[[Any], None]) -> None:
    from fontTools.ttLib import TTFont

    for font in forged_more.fonts(f):
        described = font.DescendantFonts[0].FontDescriptor
        with TTFont(io.BytesIO(described.FontFile2.read_bytes())) as ttf:
            change(ttf)
            out = io.BytesIO()
            ttf.save(out)
        described.FontFile2 = f.pdf.make_stream(out.getvalue(), Length1=len(out.getvalue()))


def table(tag: str, data: bytes) -> Callable[[Forge], None]:
    from fontTools.ttLib.tables.DefaultTable import DefaultTable

    def add(ttf: Any) -> None:
        ttf[tag] = DefaultTable(tag)
        ttf[tag].data = data

    def change(f: Forge) -> None:
        reprogrammed(f, add)

    change.__name__ = f"a_font_with_a_table_{re.sub(r'[^a-z0-9]', '', tag.lower())}"
    return change


for _tag in ("SVG ", "sbix", "EBDT", "prep", "fpgm"):
    elsewhere("fonts")(table(_tag, b"\0\0\0\0"))


@elsewhere("fonts")
def a_sign_is_a_little_wider(f: Forge) -> None:
    """Too little for the picture: a thousandth of the sign's size."""

    def change(ttf: Any) -> None:
        glyphs = ttf["glyf"]
        name = next(n for n in ttf.getGlyphOrder() if glyphs[n].numberOfContours > 0)
        x, y = glyphs[name].coordinates[0]
        glyphs[name].coordinates[0] = (x + 1, y)

    reprogrammed(f, change)


@elsewhere("links and fields")
def a_field_is_hidden(f: Forge) -> None:
    forged_pages.widget(f, "Member1").F = 132 | 512


@elsewhere("bookmarks")
def a_bookmark_has_another_title(f: Forge) -> None:
    f.pdf.Root.Outlines.First.First.Title = String("All norms hold")


@elsewhere("bookmarks")
def a_bookmark_leads_to_the_cover(f: Forge) -> None:
    f.pdf.Root.Outlines.First.First.Dest = Array([f.pdf.pages[0].obj, Name.Fit])


@elsewhere("tags")
def a_heads_scope_is_another(f: Forge) -> None:
    head = next(e for e in forged_pages.elements(f) if e.S == "/TH")
    head.A = Dictionary(O=Name.Table, Scope=Name.Row if "Column" in str(head.get("/A")) else Name.Column)
