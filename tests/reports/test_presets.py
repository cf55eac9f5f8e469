"""Forms of law and custom as data: refused by the field's name, filled from answers and evidence, never a verdict."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.errors import CaseError
from audit.load import load_case
from cli import main
from reports.blocks import Notice, Points, Table
from reports.document import Document, build_document
from reports.issue import collect
from reports.manifest import Attached, Manifest, slots_for, strict_json
from reports.presets import FILE, read_preset, shipped, shipped_text
from reports.presets.read import MOST_LINES
from reports.verify.figures import check_figures
from tests.audit.test_impact import SCORED_BOTH, SCORED_RACE, SCORED_SEX, SLIP
from tests.reports import kit
from tests.reports.pki import Pki

WHEN = dt.datetime(2026, 11, 29, 9, 0, tzinfo=dt.UTC)
OWN = """name = "our-form"
title = "Our own form"
intro = "What our board wants to know."
as_read = 2024-01-01
review_by = 2024-06-01
[[field]]
id = "who"
title = "Who asked for it"
ask = "Who?"
[[field]]
id = "when"
title = "When it was last looked at"
ask = "When?"
kind = "date"
stale_days = 30
[[field]]
id = "rows"
title = "Rows"
from = "evidence.data.rows"
[[field]]
id = "absent"
title = "Something that is not there"
from = "explain.method"
"""
CASE = """[case]
name = "Hiring"
purpose = "Who is asked to an interview"
[data]
path = "rows.csv"
positive = "1"
sensitive = ["sex", "race"]
[model]
decision = "decided"
[policy]
presets = ["nyc-ll144", "own.toml", "eu-fria", "four-fifths"]
[answers.nyc-ll144]
tool = "Screener 2"
sex = "sex"
race_ethnicity = "race"
distribution_date = 2026-03-01
data_to = 2024-12-31
exclusion = "Twenty people say little of a group."
[answers.our-form]
who = "The board"
when = 2026-01-01
"""


def rows() -> str:
    groups = {("f", "a"): (180, 360), ("f", "b"): (120, 420), ("m", "a"): (270, 480), ("m", "b"): (240, 480)}
    groups |= {("m", "c"): (20, 20), ("", "a"): (24, 48), ("f", ""): (18, 54)}
    lines = ["sex,race,decided"]
    for (sex, race), (x, n) in groups.items():
        lines += [f"{sex},{race},{int(i < x)}" for i in range(n)]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hiring")
    (folder / "rows.csv").write_text(rows())
    (folder / "own.toml").write_text(OWN)
    (folder / "case.toml").write_text(CASE)
    assert main(["audit", str(folder / "case.toml"), "--out", str(folder / "run"), "--draws", "200"]) == 0
    return folder


@pytest.fixture(scope="module")
def files(place: Path) -> dict[str, bytes]:
    return collect(place / "run")


def manifest(files: dict[str, bytes], when: dt.datetime = WHEN) -> Manifest:
    return Manifest(
        title="t", case="Hiring", author="Ada", language="en", issued=when,
        attachments=tuple(Attached.of(n, b) for n, b in sorted(files.items())), signers=slots_for("Ada", []),
    )  # fmt: skip


@pytest.fixture(scope="module")
def document(files: dict[str, bytes]) -> Document:
    return build_document(files, manifest=manifest(files))


def form(document: Document, title: str) -> Any:
    return next(s for s in document.sections if s.title.startswith(title))


def states(section: Any) -> dict[str, str]:
    table = next(b for b in section.blocks if isinstance(b, Table) and b.caption == "The form")
    return {row[0].partition("\n")[0]: row[1] for row in table.rows}


def test_every_preset_that_ships_is_short_dated_and_read() -> None:
    assert {
        "nyc-ll144", "eu-annex-iv", "eu-fria", "adverse-action", "lda-search", "eu-bias-profile", "uk-atrs",
        "naic-exhibit-c", "eu-art-86",
    } <= set(shipped())  # fmt: skip
    for name in shipped():
        text = shipped_text(name) or ""
        preset = read_preset(text, name)
        assert preset.name == name
        assert len(text.splitlines()) <= MOST_LINES == 120
        assert preset.references
        assert preset.as_read < preset.review_by
        assert "compl" not in text.lower().replace("complain", "")


STATUTE = re.compile(
    r"\b(CFR|RCNY|U\.?S\.?C\.|N\.J\.A\.C|ECOA|GDPR|AI Act|EEO-1|DCWP|TRAIGA)\b|\bArt(icle|\.) ?\d|§|Local Law"
    r"|Regulation [A-Z(]|four-fifths rule|Title VII|SB ?\d{2}-\d|20\d\d/\d{3,4}\b"
)


def test_no_statute_is_in_the_code(root: Path) -> None:
    """Law is data: reports/presets/*.toml; a change of a text changes no program."""
    text = [
        f"{file.relative_to(root)}:{number}: {line.strip()}"
        for room in ("audit", "debias", "reports", "screens", "assay")
        for file in sorted((root / room).rglob("*.py"))
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if STATUTE.search(line)
    ]
    assert not text, text
    assert STATUTE.search("as in 12 CFR 1002.9")
    assert STATUTE.search("Art. 86")


def test_one_chapter_a_form_in_the_order_of_the_case(document: Document) -> None:
    titles = [s.title for s in document.sections if s.id.startswith("form-")]
    assert [t.split(",")[0].split(":")[0] for t in titles] == [
        "New York City", "Our own form", "EU AI Act", "The four-fifths rule of thumb",
    ]  # fmt: skip


def test_items_are_here_lacking_or_stale(document: Document) -> None:
    result = states(form(document, "New York City"))
    assert result["The tool that was audited"] == "here"
    assert result["Distribution date of the tool"] == "here"
    assert result["Last day that the data cover"] == "stale"
    assert result["Source and explanation of the data"] == "lacking"
    assert result["Groups that the tool sorts into"] == "–"
    own = states(form(document, "Our own form"))
    assert own == {
        "Who asked for it": "here", "When it was last looked at": "stale", "Rows": "here",
        "Something that is not there": "lacking",
    }  # fmt: skip
    lead = form(document, "Our own form").blocks[1].text
    assert lead.startswith("4 items are asked for. 1 is lacking, 1 is stale.")


def test_the_table_of_local_law_144_has_the_unknown_the_left_out_and_the_reason(document: Document) -> None:
    tables = {b.caption: b for b in form(document, "New York City").blocks if isinstance(b, Table)}
    race = tables["Selection rates and impact ratios: race"]
    by_group = {row[0]: row for row in race.rows}
    assert by_group["a"][1:5] == ("888", "474", "53.4 %", "1.000")
    assert by_group["b"][1:5] == ("900", "360", "40.0 %", "0.749")
    assert by_group["c"][4] == "left out"
    # 54 of unknown race, 18 of them selected: b at its least and its most.
    assert by_group["b"][5] == f"{360 / 936 / (492 / 906):.3f} to {378 / 918 / (474 / 924):.3f}"
    assert "Of unknown group and counted apart: 54." in race.note
    assert "c: 20 people, rate 100.0 %" in race.note
    assert "Reason given: “Twenty people say little of a group.”" in race.note
    assert "Selection rates and impact ratios: sex and race" in tables
    lacking = next(b for b in form(document, "New York City").blocks if isinstance(b, Points)).items
    assert "Lacking: Scoring rates and impact ratios; the decisions have no scores here." in lacking


def culture_fit(folder: Path, times: int) -> dict[str, Table]:
    """The tables of Local Law 144 for the people of the rule's scoring example, so many times, by their captions."""
    lines = ["sex,race,score"]
    for group, (n, above, _, _) in SCORED_BOTH.items():
        race, sex = group.split(", ")
        lines += [f"{sex},{race},{80 if i < above * times else 20}" for i in range(n * times)]
    lines += [f",,{(20, 50, 80)[i % 3]}" for i in range(15 * times)]
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    case = CASE.split("[policy]")[0].replace('decision = "decided"', 'score = "score"\nthreshold = 50.5')
    answers = '[policy]\npresets = ["nyc-ll144"]\n[answers.nyc-ll144]\nsex = "sex"\nrace_ethnicity = "race"\n'
    (folder / "case.toml").write_text(case + answers)
    assert main(["audit", str(folder / "case.toml"), "--out", str(folder / "run"), "--draws", "100"]) == 0
    built = collect(folder / "run")
    blocks = form(build_document(built, manifest=manifest(built)), "New York City").blocks
    return {b.caption: b for b in blocks if isinstance(b, Table) and b.caption.startswith("Scoring rates")}


def test_the_rule_s_scoring_example_through_the_command_line(tmp_path: Path) -> None:
    """Five times its people, since groups of four are withheld: every rate and ratio of the three tables as printed."""
    tables = culture_fit(tmp_path, 5)
    both = {
        ", ".join(reversed(g.split(" / "))): r for g, *r in tables["Scoring rates and impact ratios: sex and race"].rows
    }
    single = {r[0]: r[1:] for by in ("sex", "race") for r in tables[f"Scoring rates and impact ratios: {by}"].rows}
    for group, (people, above, rate, ratio) in (SCORED_SEX | SCORED_RACE | SCORED_BOTH).items():
        got = both.get(group) or single[group]
        assert list(got[:2]) == [str(5 * people), str(5 * above)], group
        assert got[2] == f"{float(rate):.1f} %" or (group, rate, got[2]) == (SLIP[0], SLIP[1], f"{SLIP[2]} %")
        assert f"{float(got[3]):.2f}" == ratio
    assert all("Of unknown group and counted apart: 75." in t.note for t in tables.values())
    assert "The median score of all is 50." in next(iter(tables.values())).note


def test_people_of_a_withheld_group_are_missed_aloud_in_every_table(tmp_path: Path) -> None:
    tables = culture_fit(tmp_path, 1)
    assert len(tables) == 3
    for table in tables.values():
        assert "Groups by race too small to be shown are withheld: their people are in no table." in table.note


def test_without_a_reason_nothing_is_left_out(files: dict[str, bytes]) -> None:
    def silent(d: Any) -> None:
        del d["presets"][0]["answers"]["exclusion"]

    changed = kit.edited(files, FILE, silent)
    record = build_document(changed, manifest=manifest(changed))
    race = next(
        b for b in form(record, "New York City").blocks if isinstance(b, Table) and b.caption.endswith(": race")
    )
    assert {row[0]: row[4] for row in race.rows}["c"] == "1.000"
    assert "1 of 3 groups has under 2 % of the people. It is kept" in race.note


def test_a_column_that_nobody_named_is_lacking_and_no_table_is_guessed(files: dict[str, bytes]) -> None:
    def silent(d: Any) -> None:
        d["presets"][0]["answers"] = {}

    changed = kit.edited(files, FILE, silent)
    blocks = form(build_document(changed, manifest=manifest(changed)), "New York City").blocks
    assert not [b for b in blocks if isinstance(b, Table) and b.caption.startswith("Selection rates")]
    assert any(
        "nobody said which column is meant: The column of sex, The column of race" in item
        for b in blocks if isinstance(b, Points) for item in b.items
    )  # fmt: skip


def test_a_form_past_its_day_of_review_says_so(files: dict[str, bytes], document: Document) -> None:
    def notices(built: Document, title: str) -> str:
        return " ".join(b.text for b in form(built, title).blocks if isinstance(b, Notice))

    assert "READ LONG AGO" in notices(document, "Our own form")
    assert "not one that ships with Assay" in notices(document, "Our own form")
    assert notices(document, "New York City") == ""
    later = build_document(files, manifest=manifest(files, dt.datetime(2027, 5, 29, tzinfo=dt.UTC)))
    assert "READ LONG AGO" in notices(later, "New York City")


def test_a_text_that_only_bears_the_name_of_one_that_ships_is_told_apart(files: dict[str, bytes]) -> None:
    def other(d: Any) -> None:
        d["presets"][0]["text"] = d["presets"][0]["text"].replace("The date", "A date").replace("Date of", "Day of")

    changed = kit.edited(files, FILE, other)
    blocks = form(build_document(changed, manifest=manifest(changed)), "New York City").blocks
    assert any(isinstance(b, Notice) and "not one that ships" in b.text for b in blocks)


def test_no_form_gives_a_verdict(document: Document) -> None:
    text = json.dumps([repr(s.blocks) for s in document.sections]).lower()
    for word in ("complies", "compliant", "compliance", "conforms", "lawful."):
        assert word not in text


def test_the_report_is_believed(files: dict[str, bytes], pki: Pki) -> None:
    check_figures(files)
    assert strict_json(files[FILE], FILE)["presets"][1]["text"] == OWN
    kit.assert_believed(files, kit.manifest_of(files, pki.auditor, annex="none"), pki.auditor)


ROWS = '[[field]]\nid = "rows"'
WRONG = [
    ('title = "Our own form"\n', "", "lacks the key 'title'"),
    ("as_read = 2024-01-01\n", 'as_read = "soon"\n', "'as_read'"),
    ("review_by = 2024-06-01", "review_by = 2023-06-01", "'review_by'"),
    ('ask = "Who?"', 'ask = "Who?"\nsay = "data"', "field 'who'"),
    ('ask = "Who?"', "", "field 'who'"),
    ('ask = "Who?"', 'say = "dat"', "did you mean 'data'"),
    ('from = "evidence.data.rows"', 'from = "os.environ"', "field 'rows'"),
    ('from = "evidence.data.rows"', 'from = "evidence.data.rosw"', "there is no 'rosw' there; did you mean 'rows'"),
    ('from = "evidence.data.rows"', 'from = "evidence.rates.first"', "there is no 'first' there"),
    ('from = "evidence.data.rows"', 'from = "search.asked.seed.x"', "there is no 'x' there"),
    ("What our board wants to know.", "w" * 1001, "'intro'"),
    ("stale_days = 30", "stale_days = 99999999999", "'stale_days'"),
    ('ask = "Who?"', 'ask = "Who?"\nproof = "fixed"', "'proof'"),
    ('from = "evidence.data.rows"', 'form = "evidence.data.rows"', "unknown key 'form'"),
    ("stale_days = 30", "stale_days = -1", "field 'when'"),
    ('kind = "date"\nstale_days', "stale_days", "'stale_days'"),
    ('id = "absent"', 'id = "rows"', "two fields have this id"),
    ('id = "absent"', 'id = "No Good"', "'id'"),
    ("What our board wants to know.", "This system complies.", "gives a verdict"),
    (ROWS, '[[table]]\nmake = "rats"\ntitle = "x"\n' + ROWS, "'rats'"),
    (ROWS, '[[table]]\nmake = "impact_ratios"\ntitle = "x"\nby = ["who"]\n' + ROWS, "'by'"),
    (ROWS, '[[table]]\nmake = "impact_ratios"\ntitle = "x"\nleave_out = 0.02\n' + ROWS, "because"),
]  # fmt: skip


def test_a_preset_of_a_stranger_in_another_script_is_read_and_printed(place: Path, files: dict[str, bytes]) -> None:
    """Name and title in Cyrillic, a field that is always lacking, tables that cannot be made: told, not refused."""
    text = OWN.replace('"our-form"', '"Форма 7"').replace("Our own form", "Форма 7: кто отвечает")
    text += "".join(f'[[table]]\nmake = "{m}"\ntitle = "{m}"\n' for m in ("accuracy_by_group", "candidates"))

    def other(d: Any) -> None:
        d["presets"] = [{"name": "Форма 7", "text": text, "answers": {"who": "Совет"}}]

    assert len(text.splitlines()) <= MOST_LINES
    changed = kit.edited(files, FILE, other)
    blocks = form(build_document(changed, manifest=manifest(changed)), "Форма 7").blocks
    record = states(form(build_document(changed, manifest=manifest(changed)), "Форма 7"))
    assert (record["Who asked for it"], record["Something that is not there"]) == ("here", "lacking")
    lacking = [i for b in blocks if isinstance(b, Points) for i in b.items if i.startswith("Lacking:")]
    assert len(lacking) == 2, lacking


@pytest.mark.parametrize(("old", "new", "words"), WRONG)
def test_a_wrong_form_is_refused_by_the_name_of_the_field(
    old: str, new: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert old in OWN
    (tmp_path / "own.toml").write_text(OWN.replace(old, new, 1))
    (tmp_path / "rows.csv").write_text(rows())
    case = CASE.split("[policy]")[0] + '[policy]\npresets = ["own.toml"]\n'
    (tmp_path / "case.toml").write_text(case)
    assert main(["check", str(tmp_path / "case.toml")]) == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert "our-form" in errors or "own.toml" in errors or "'name'" in errors


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"nyc-ll144", ', '"nyc-ll44", ', "[answers.nyc-ll144] answers a form that the case does not ask for"),
        ("[answers.nyc-ll144]\ntool", "[answers.nyc-ll144]\ntoool", "answers 'toool', which the form does not ask"),
        ('sex = "sex"', 'sex = "gender"', "names no attribute of the case"),
        ("distribution_date = 2026-03-01", 'distribution_date = "March"', "is no day"),
        ('tool = "Screener 2"', "tool = 2", "'tool'"),
        ('"eu-fria"', '"eu-frai"', "did you mean 'eu-fria'"),
        ('"eu-fria", "four', '"eu-fria", "eu-fria", "four', "each name once"),
        ("presets = [", 'file = 1\npresets = [', "'file'"),
    ],
)  # fmt: skip
def test_a_wrong_case_is_refused_by_the_name_of_the_field(
    old: str, new: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert old in CASE
    (tmp_path / "own.toml").write_text(OWN)
    (tmp_path / "rows.csv").write_text(rows())
    (tmp_path / "case.toml").write_text(CASE.replace(old, new, 1))
    assert main(["check", str(tmp_path / "case.toml")]) == 2
    assert words in capsys.readouterr().err


def test_a_case_with_forms_and_answers_is_written_as_it_was_read(place: Path) -> None:
    from audit.load import dump_case

    case = load_case(place / "case.toml")
    dump_case(case, place / "again.toml")
    assert replace(load_case(place / "again.toml"), source=None) == replace(case, source=None)


def test_answers_given_later_come_before_those_of_the_audit(place: Path, files: dict[str, bytes]) -> None:
    from reports.presets import answer_later

    case = load_case(place / "case.toml")
    fria = replace(next(f for f in case.forms if f.name == "eu-fria"), answers={"process": "Hiring."})
    try:
        answer_later(place / "run", [fria], case.data.sensitive)
        later = collect(place / "run")
        assert [p["name"] for p in strict_json(later[FILE], FILE)["presets"]] == ["eu-fria"]
        record = build_document(later, manifest=manifest(later))
        assert states(form(record, "EU AI Act"))["The process in which the system is used"] == "here"
        with pytest.raises(CaseError, match="does not ask"):
            answer_later(place / "run", [replace(fria, answers={"no": "x"})], case.data.sensitive)
    finally:
        (place / "run" / "forms.json").unlink(missing_ok=True)


def test_what_was_fixed_before_the_choice_is_here_and_what_came_after_is_lacking(
    place: Path, files: dict[str, bytes], tmp_path: Path
) -> None:
    """Through the log, as `assay register --protocol` enters it and `assay report --protocol` states it."""
    from types import SimpleNamespace

    from reports.document import sources_of
    from reports.issue import said_of
    from reports.log import Log
    from reports.presets.say import fixed_beforehand

    plan, log = tmp_path / "plan.md", tmp_path / "log"
    plan.write_text("Need: few defaults. Acceptable: one point more of wrong decisions.")
    built = manifest(files)
    unsaid = replace(built, extra=said_of(place / "run", "Hiring", None, plan, ()))
    assert fixed_beforehand(sources_of(files, unsaid)) is None, "a plan that no log knows"
    assert main(["register", str(log), "--protocol", str(plan)]) == 0
    message = said_of(place / "run", "Hiring", Log(log).view(), plan, ())
    known = sources_of(files, replace(built, extra={"protocol": message["protocol"]}))
    day = message["protocol"]["logged"][:10]
    assert fixed_beforehand(known) == f"plan.md, in the log since {day}."
    for when, here in (("2020-01-01T00:00:00+00:00", False), ("2999-01-01T00:00:00+00:00", True)):
        chosen = replace(known, mitigation=SimpleNamespace(choice=SimpleNamespace(time=when)))  # type: ignore[arg-type]
        assert (fixed_beforehand(chosen) is not None) is here


@pytest.mark.parametrize("name", shipped())
def test_each_preset_has_a_filled_example_of_today_s_form(name: str, root: Path) -> None:
    """scripts/preset_examples.py makes it; whoever changes a form makes its example again."""
    preset = read_preset(shipped_text(name) or "", name)
    text = (root / "docs" / "presets" / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {preset.title}\n")
    assert preset.intro in text
    assert f"Read on {preset.as_read}, to be read again by {preset.review_by}." in text
    form = text.split("| Item | State |")[1].split("\n\n")[0].splitlines()[2:]
    entries = [line.strip("|").split("|")[:2] for line in form]
    assert [item.strip() for item, _ in entries] == [
        f.title + (f" ({f.cite})" if f.cite else "") for f in preset.fields
    ]
    items = [state.strip() for _, state in entries]
    assert set(items) <= {"here", "lacking", "stale", "–"}
    assert (
        f"{items.count('lacking') + text.count(chr(10) + 'Lacking: ')} lacking, {items.count('stale')} stale." in text
    )
    assert "here" in items
    for reference in preset.references:
        assert reference.text in text
