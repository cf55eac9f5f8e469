"""docs/coverage.md says what its own tables say, and leaves nothing outside the aim without a reason."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from bench import coverage
from bench.coverage_exact import holds
from bench.coverage_kinds import KINDS
from bench.coverage_summary import NOT_EXPLAINED, seen, summary, unknown

PAGE = Path(__file__).resolve().parent.parent / "docs" / "coverage.md"
SECTION = """## Average scores

Made by `python bench/coverage.py --only means --runs 400`.

| scores | weights | people | limits hold | normal limits hold |
| --- | --- | ---: | ---: | ---: |
| even | none | 10 | {small} | 90.7 |
| even | none | 1,000 | {large} | 93.0 |
| even | none | 30 | 95.0 | 93.0 |
"""


def test_the_summary_is_that_of_the_tables_and_says_why_whatever_is_outside() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert coverage.put(page, {}) == page
    assert NOT_EXPLAINED not in page
    assert set(coverage.sections(page)) == set(coverage.PARTS)


def test_every_section_names_a_command_that_makes_it() -> None:
    for name, section in coverage.sections(PAGE.read_text(encoding="utf-8")).items():
        assert re.search(rf"`python bench/coverage.py --only {name}( --runs \d+)?`", section), name


@pytest.mark.parametrize(
    ("small", "large", "low", "high", "few_low"),
    [
        # 400 runs: three in a hundred more than 93 or 97 can be chance (2.576 standard errors: 3.3 and 2.2).
        ("93.0", "97.0", 0, 0, 0),
        ("90.0", "90.0", 0, 0, 0),
        ("89.5", "95.0", 0, 0, 1),
        ("100.0", "99.2", 0, 0, 0),
        ("95.0", "99.3", 0, 1, 0),
        ("95.0", "89.5", 1, 0, 0),
    ],
)
def test_outside_is_what_chance_does_not_do(small: str, large: str, low: int, high: int, few_low: int) -> None:
    kind = next(k for k in KINDS if k.part == "means")
    many, few = seen(kind, SECTION.format(small=small, large=large))
    assert (many.low, many.high, few.low, few.high) == (low, high, few_low, 0)
    assert (sorted(many.shares), few.shares) == (sorted([float(large), 95.0]), [float(small)])


def test_a_kind_that_is_outside_without_a_reason_is_said() -> None:
    section = "## Groups\n\n`--runs 400`\n\n| groups | truth | single rates |\n|---|---|---:|\n| 2 | no gap | 60.0 |\n"
    assert "**Too low**: single rates (1 of 1). NOT EXPLAINED." in summary({"rates": section})


def test_a_section_says_what_is_outside_in_it_once() -> None:
    page = coverage.put("", {"means": SECTION.format(small="89.0", large="99.9")})
    matches = re.findall("Outside the aim in this section: .*", coverage.put(page, {}))
    assert len(matches) == 1
    assert matches[0].startswith("Outside the aim in this section: limits hold (1 of 3 too low). A heavy tail")
    assert "limits hold (1 of 3 over 97, on the safe side). Two values" in matches[0]


def test_a_column_that_nobody_judges_ends_in_an_error() -> None:
    section = SECTION.format(small="95.0", large="95.0").replace("normal limits hold", "new limits hold")
    assert unknown({"means": section}) == {"means: new limits hold"}
    with pytest.raises(ValueError, match="new limits hold"):
        summary({"means": section})


def test_sections_are_taken_from_another_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, other = tmp_path / "ours.md", tmp_path / "other.md"
    ours.write_text(coverage.put("", {"means": SECTION.format(small="95.0", large="95.0")}), encoding="utf-8")
    other.write_text(coverage.put("", {"means": SECTION.format(small="89.0", large="96.0")}), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["coverage.py", "--only", "means", "--merge", str(other), "--to", str(ours)])
    coverage.main()
    assert ours.read_text(encoding="utf-8") == other.read_text(encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["coverage.py", "--only", "gaps", "--merge", str(other), "--to", str(ours)])
    with pytest.raises(SystemExit):
        coverage.main()
    assert ours.read_text(encoding="utf-8") == other.read_text(encoding="utf-8")


@pytest.mark.parametrize("people", [10, 30])
def test_enumeration_against_statsmodels(people: int) -> None:
    x, rate = np.arange(people + 1), 0.3
    low, high = proportion_confint(x, people, method="wilson")
    inside = (low <= rate) & (rate <= high)
    assert holds(people, np.array([rate]))[0] == pytest.approx(binom.pmf(x[inside], people, rate).sum(), abs=1e-12)
