"""Charts show their numbers where they are, say them in words, and are the same bytes every time."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import charts


def test_dots_are_where_their_values_are() -> None:
    svg = charts.dots([charts.Dot("a", 0.0, 0.0, 0.1), charts.Dot("b", 1.0, 0.9, 1.0)])
    x = [float(v) for v in re.findall(r'<circle cx="([0-9.]+)"', svg)]
    assert x == pytest.approx([charts.LABEL, charts.WIDTH - charts.RIGHT])
    assert "0.0 % [0.0, 10.0]" in svg
    assert "100.0 % [90.0, 100.0]" in svg


def test_a_whisker_ends_where_its_interval_ends() -> None:
    svg = charts.dots([charts.Dot("a", 0.5, 0.25, 1.0), charts.Dot("b", 0.1, 0.0, 0.2)])
    start, end = re.findall(r'd="M([0-9.]+) [0-9.]+v8M[0-9.]+ [0-9.]+H([0-9.]+)m', svg)[0]
    plot = charts.WIDTH - charts.LABEL - charts.RIGHT
    assert float(start) == pytest.approx(charts.LABEL + 0.25 * plot, abs=0.06)
    assert float(end) == pytest.approx(charts.LABEL + plot, abs=0.06)


def test_series_differ_in_shape_and_a_missing_value_is_written_out() -> None:
    svg = charts.dots(
        [charts.Dot("a", 0.2, 0.1, 0.3, 0), charts.Dot("a", 0.3, 0.2, 0.4, 1), charts.Dot("a", None, None, None, 2)],
        series=["one", "two", "three"],
    )
    root = ET.fromstring(svg)
    shapes = {e.tag.rpartition("}")[2] for e in root.iter() if e.get("fill") in charts.PALETTE}
    assert shapes == {"circle", "rect", "path"}, "the legend alone shows three shapes"
    assert "not estimable" in svg


def test_count_and_mark_are_written() -> None:
    svg = charts.dots([charts.Dot("a", 0.2, 0.1, 0.3, 0, "5,421")], mark=0.25, marked="everyone")
    assert ">5,421<" in svg
    assert ">everyone<" in svg
    assert "stroke-dasharray" in svg


def test_negative_values_stay_inside_and_below_nought() -> None:
    svg = charts.dots([charts.Dot("a", -0.2, -0.3, -0.1), charts.Dot("b", 0.1, 0.0, 0.2)], percent=False)
    x = [float(v) for v in re.findall(r'<circle cx="([0-9.]+)"', svg)]
    assert charts.LABEL <= x[0] < x[1] <= charts.WIDTH - charts.RIGHT
    assert "\u22120.200 [\u22120.300, \u22120.100]" in svg


@pytest.mark.parametrize("value", [1e-9, 0.003, 0.2, 17.0, 12345.0])
def test_any_scale_has_few_round_ticks(value: float) -> None:
    svg = charts.bars(["a", "b"], [value, -value / 2])
    assert 3 <= svg.count('text-anchor="middle"') <= 8
    assert svg == charts.bars(["a", "b"], [value, -value / 2])


def test_bars_below_nought_are_hatched_and_points_are_said() -> None:
    svg = charts.bars(["a", "b"], [0.042, -0.01], [(0.03, 0.05), (-0.02, 0.0)], percent=True)
    assert svg.count('fill="url(#h)"') == 1
    assert "4.2 [3.0, 5.0]" in svg
    assert "\u22121.0 [\u22122.0, 0.0]" in svg


@given(st.text(max_size=400))
def test_any_name_gives_xml_that_can_be_read(name: str) -> None:
    for svg in (charts.bars([name], [1.0]), charts.dots([charts.Dot(name, 0.1, 0.0, 0.2, 0, name)])):
        assert ET.fromstring(svg).tag.endswith("svg")


def test_long_names_take_two_lines_and_are_cut() -> None:
    svg = charts.bars(["word " * 60], [1.0])
    assert svg.count('text-anchor="end"') == 2
    assert "\u2026" in svg


def test_names_written_from_right_to_left_are_named_by_their_row() -> None:
    """A drawing's text is set letter by letter: the name would be spelled backwards."""
    svg = charts.bars(["plain", "\u05e2\u05d1\u05e8\u05d9\u05ea"], [1.0, 2.0])
    assert ">row 2 of the table<" in svg
    assert ">plain<" in svg
    assert "\u05e2" not in svg
