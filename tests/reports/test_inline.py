"""Blocks for a notebook and a terminal: every kind is drawn, and no text is markup."""

from __future__ import annotations

import typing

from reports import blocks as b
from reports.inline import html_of, text_of

EVIL = "<script>alert(1)</script> & *x*"
ALL: list[b.Block] = [
    b.Heading(EVIL), b.Paragraph(EVIL), b.Lead(EVIL), b.Notice(EVIL), b.Points((EVIL,)),
    b.Keys((b.Key(EVIL, EVIL, EVIL),)), b.Table(EVIL, ("a", EVIL), ((EVIL, "1\n2"),), EVIL),
    b.Figure("<svg></svg>", EVIL, EVIL), b.Signatures(()),
]  # fmt: skip


def test_every_block_is_drawn_and_escaped() -> None:
    assert {type(block) for block in ALL} == set(typing.get_args(b.Block))
    page = html_of(ALL)
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") == 13
    assert "<svg></svg>" in page


def test_text_is_lines_of_bounded_width() -> None:
    words = " ".join(["word"] * 60)
    report = text_of([b.Paragraph(words), b.Points((words,)), b.Table("Two", ("G", "N"), (("women", "1\n2"),), words)])
    assert max(map(len, report.splitlines())) <= 100
    assert "G      N\n--------\nwomen  1\n       2" in report
    assert text_of([b.Signatures(())]) == ""
