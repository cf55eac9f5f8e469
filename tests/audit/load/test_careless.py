"""Files as people have them, through the command: read with a note, or refused with line, column, value and count."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

import cli

HEAD = '[case]\nname = "t"\npurpose = "p"\n\n[data]\nsensitive = ["sex"]\n'
ALONE = "[model]\noutcomes = true\n"
ROWS = [("f", "0", "1"), ("m", "1", "1"), ("f", "1", "0"), ("m", "0", "0")] * 30


def text(rows: list[tuple[str, ...]], *, above: str = "", names: str = "sex,out,dec") -> str:
    return above + "\n".join([names, *(",".join(r) for r in rows)]) + "\n"


def audit(
    folder: Path, file: str, more: str = "", model: str = '[model]\ndecision = "dec"\n', label: str = "out"
) -> Any:
    case = folder / "case.toml"
    lines = f'path = "{file}"\nlabel = "{label}"\npositive = "1"\n{more}\n'
    case.write_text(HEAD + lines + model)
    code = cli.main(["audit", str(case), "--out", str(folder / "out"), "--draws", "50"])
    result = folder / "out" / "evidence.json"
    return code, json.loads(result.read_text()) if code == 0 else None


def counts(evidence: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    return {" ".join(c["group"]): (c["rows"], c["tp"], c["fp"], c["fn"], c["tn"]) for c in evidence["counts"]}


@pytest.fixture
def expected(tmp_path: Path) -> dict[str, tuple[int, ...]]:
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "d.csv").write_text(text(ROWS))
    return counts(audit(folder, "d.csv")[1])


def said(evidence: dict[str, Any]) -> str:
    return " ".join(evidence["notes"])


@pytest.mark.parametrize(
    ("above", "words"),
    [
        ("Report of 2026\n", "The first line of d.csv above the column names ('Report of 2026') was left out"),
        ("Report of 2026\n\nmade by us\n", "The first 3 lines"),
        ("Report,,\n,,\n", "The first 2 lines"),
    ],
)
def test_lines_above_the_names(tmp_path: Path, expected: object, above: str, words: str) -> None:
    (tmp_path / "d.csv").write_text(text(ROWS, above=above))
    code, evidence = audit(tmp_path, "d.csv")
    assert code == 0
    assert counts(evidence) == expected
    assert words in said(evidence)


def test_lines_above_by_key(tmp_path: Path, expected: object) -> None:
    (tmp_path / "d.csv").write_text(text(ROWS, above="a,b,c\n1,2,3\n"))
    code, evidence = audit(tmp_path, "d.csv", "skip_lines = 2")
    assert (code, counts(evidence)) == (0, expected)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_header_that_stands_again(tmp_path: Path, expected: object, end: str) -> None:
    lines = text(ROWS).splitlines()
    lines[61:61] = [lines[0]]
    lines[1:1] = [lines[0]]
    (tmp_path / "d.csv").write_bytes((end.join(lines) + end).encode())
    code, evidence = audit(tmp_path, "d.csv")
    assert (code, counts(evidence)) == (0, expected)
    assert "Lines 2, 63 of d.csv repeat the column names" in said(evidence)


def test_a_column_that_stands_twice_and_is_alike(tmp_path: Path, expected: object) -> None:
    rows = [(*r, r[0]) for r in ROWS]
    (tmp_path / "d.csv").write_text(text(rows, names="sex,out,dec,sex"))
    code, evidence = audit(tmp_path, "d.csv")
    assert (code, counts(evidence)) == (0, expected)
    assert "d.csv has 2 columns called 'sex' that say the same; one was kept." in said(evidence)


def test_columns_of_one_name_that_differ_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(*r, "m") for r in ROWS]
    (tmp_path / "d.csv").write_text(text(rows, names="sex,out,dec,sex"))
    assert audit(tmp_path, "d.csv")[0] == 2
    message = capsys.readouterr().err
    assert "more than one column called 'sex', and they differ" in message
    assert "60 rows; the first is row 1: 'f' and 'm'" in message


@pytest.mark.parametrize("words", [("True", "False"), ("true", "false")])
@pytest.mark.parametrize("which", [1, 2])
def test_true_and_false_beside_one_and_zero(tmp_path: Path, expected: Any, words: tuple[str, str], which: int) -> None:
    rows = [tuple((words[0] if v == "1" else words[1]) if i == which else v for i, v in enumerate(r)) for r in ROWS]
    (tmp_path / "d.csv").write_text(text(rows))
    case = tmp_path / "case.toml"
    positive = "True" if which == 1 else "1"
    lines = f'path = "d.csv"\nlabel = "out"\npositive = "{positive}"\n[model]\ndecision = "dec"\n'
    case.write_text(HEAD + lines)
    assert cli.main(["audit", str(case), "--out", str(tmp_path / "out"), "--draws", "50"]) == 0
    evidence = json.loads((tmp_path / "out" / "evidence.json").read_text())
    assert counts(evidence) == expected
    assert "is read as" in said(evidence)


def test_a_file_without_names(tmp_path: Path, expected: object, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "d.csv").write_text("\n".join(",".join(r) for r in ROWS) + "\n")
    assert audit(tmp_path, "d.csv", 'header = ["sex", "out", "dec"]')[0] == 0
    assert counts(json.loads((tmp_path / "out" / "evidence.json").read_text())) == expected
    capsys.readouterr()
    assert audit(tmp_path, "d.csv")[0] == 2
    assert "header = false" in capsys.readouterr().err


def test_a_wrong_number_of_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "d.csv").write_text("\n".join(",".join(r) for r in ROWS) + "\n")
    assert audit(tmp_path, "d.csv", 'header = ["sex", "out"]')[0] == 2
    assert "names 2 columns of 'd.csv', which has 3" in capsys.readouterr().err


def test_outcomes_alone(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(text(ROWS))
    code, evidence = audit(tmp_path, "d.csv", model=ALONE)
    assert code == 0
    rates = {" ".join(r["group"]): r["value"] for r in evidence["rates"] if r["metric"] == "selection_rate"}
    assert rates["f"] == rates["m"] == 0.5
    assert "Nothing was decided" in said(evidence)


def test_outcomes_named_as_decisions_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "d.csv").write_text(text(ROWS))
    assert audit(tmp_path, "d.csv", model='[model]\ndecision = "out"\n')[0] == 2
    assert "outcomes = true" in capsys.readouterr().err
    assert audit(tmp_path, "d.csv", model=ALONE)[0] == 0


def workbook(path: Path, rows: list[list[Any]], **sheets: list[list[Any]]) -> None:
    """A small .xlsx by hand, so that no library for writing is needed."""
    import zipfile
    from xml.sax.saxutils import escape

    def cell(value: Any) -> str:
        if isinstance(value, bool):
            return f'<c t="b"><v>{int(value)}</v></c>'
        if isinstance(value, (int, float)):
            return f"<c><v>{value}</v></c>"
        return f'<c t="inlineStr"><is><t>{escape(str(value))}</t></is></c>' if value != "" else "<c/>"

    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    every = {"People": rows, **sheets}
    with zipfile.ZipFile(path, "w") as out:
        kinds = "".join(
            f'<Override PartName="/xl/worksheets/s{i}.xml" ContentType='
            '"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
            for i in range(len(every))
        )
        out.writestr("[Content_Types].xml", f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
                     'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
                     f'ContentType="application/xml"/>{kinds}</Types>')  # fmt: skip
        out.writestr("_rels/.rels", f'<Relationships xmlns="{package}/relationships"><Relationship Id="r" '
                     f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>')  # fmt: skip
        names = "".join(f'<sheet name="{n}" sheetId="{i + 1}" r:id="s{i}"/>' for i, n in enumerate(every))
        out.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{names}</sheets></workbook>'
        )
        links = "".join(
            f'<Relationship Id="s{i}" Type="{office}/worksheet" Target="worksheets/s{i}.xml"/>'
            for i in range(len(every))
        )
        out.writestr(
            "xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{package}/relationships">{links}</Relationships>'
        )
        for i, table in enumerate(every.values()):
            body = "".join(f"<row>{''.join(cell(v) for v in row)}</row>" for row in table)
            out.writestr(
                f"xl/worksheets/s{i}.xml", f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>'
            )


def cells(rows: list[tuple[str, ...]]) -> list[list[Any]]:
    return [[r[0], int(r[1]), int(r[2])] for r in rows]


def test_a_workbook(tmp_path: Path, expected: object) -> None:
    workbook(tmp_path / "d.xlsx", [["sex", "out", "dec"], *cells(ROWS)])
    code, evidence = audit(tmp_path, "d.xlsx")
    assert (code, counts(evidence)) == (0, expected)


def test_a_workbook_with_titles_and_repeats(tmp_path: Path, expected: object) -> None:
    body = cells(ROWS)
    rows = [["Report", "", ""], ["", "", ""], ["sex", "out", "dec"], *body[:50], ["sex", "out", "dec"], *body[50:]]
    workbook(tmp_path / "d.xlsx", rows)
    code, evidence = audit(tmp_path, "d.xlsx")
    assert (code, counts(evidence)) == (0, expected)
    assert "1 row of d.xlsx repeats the column names and was left out" in said(evidence)


def test_several_sheets_are_asked(tmp_path: Path, expected: object, capsys: pytest.CaptureFixture[str]) -> None:
    workbook(tmp_path / "d.xlsx", [["sex", "out", "dec"], *cells(ROWS)], Other=[["a", "b"], [1, 2]])
    assert audit(tmp_path, "d.xlsx")[0] == 2
    message = capsys.readouterr().err
    assert "2 sheets with tables" in message
    assert 'sheet = "People"' in message
    assert counts(audit(tmp_path, "d.xlsx", 'sheet = "People"')[1]) == expected
    assert audit(tmp_path, "d.xlsx", 'sheet = "Peple"')[0] == 2


def test_a_zip_is_no_workbook(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "d.xlsx", "w") as out:
        out.writestr("d.csv", text(ROWS))
    assert audit(tmp_path, "d.xlsx")[0] == 2
    assert "a zip archive that holds no workbook" in capsys.readouterr().err


def test_a_workbook_that_unpacks_to_too_much(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "d.xlsx", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("xl/workbook.xml", "<workbook/>")
        out.writestr("xl/worksheets/s0.xml", b" " * (100 << 20))
    assert audit(tmp_path, "d.xlsx")[0] == 2
    assert "unpacks to far more" in capsys.readouterr().err


def dates(form: str) -> list[tuple[str, ...]]:
    days = [dt.date(2018, 1, 1) + dt.timedelta(days=3 * i) for i in range(len(ROWS))]
    return [(*r, d.strftime(form)) for r, d in zip(ROWS, days, strict=True)]


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%d.%m.%Y", "%d-%m-%y"])
def test_day_first_dates_by_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    (tmp_path / "d.csv").write_text(text(dates(form), names="sex,out,dec,when"))
    assert audit(tmp_path, "d.csv", 'time = "when"')[0] == 2
    assert 'dates = "day-first"' in capsys.readouterr().err
    assert audit(tmp_path, "d.csv", 'time = "when"\ndates = "month-first"')[0] == 2  # 16/01 has no 16th month
    code, evidence = audit(tmp_path, "d.csv", 'time = "when"\ndates = "day-first"')
    assert code == 0
    (tmp_path / "iso.csv").write_text(text(dates("%Y-%m-%d"), names="sex,out,dec,when"))
    iso = audit(tmp_path, "iso.csv", 'time = "when"')[1]
    assert evidence["quality"] == iso["quality"]


def test_indicator_columns_make_one_attribute(tmp_path: Path) -> None:
    rows = [(r[1], r[2], *("1" if i % 4 == k else "0" for k in range(2))) for i, r in enumerate(ROWS)]
    (tmp_path / "d.csv").write_text(text(rows, names="out,dec,is_black,is_hispanic"))
    case = tmp_path / "case.toml"
    case.write_text(
        '[case]\nname = "t"\npurpose = "p"\n\n[data]\npath = "d.csv"\nlabel = "out"\npositive = "1"\n'
        'sensitive = ["race"]\nindicators = { race = ["is_black", "is_hispanic"] }\n[model]\ndecision = "dec"\n'
    )
    assert cli.main(["audit", str(case), "--out", str(tmp_path / "out"), "--draws", "50"]) == 0
    content = counts(json.loads((tmp_path / "out" / "evidence.json").read_text()))
    assert {g: c[0] for g, c in content.items() if g} == {"black": 30, "hispanic": 30, "none of these": 60}


def test_decisions_in_their_own_words(tmp_path: Path, expected: object, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(r[0], r[1], "granted" if r[2] == "1" else "refused") for r in ROWS]
    (tmp_path / "d.csv").write_text(text(rows))
    assert audit(tmp_path, "d.csv")[0] == 2
    message = capsys.readouterr().err
    line = 'classes = { granted = "1", refused = "0" }'
    assert line in message
    code, evidence = audit(tmp_path, "d.csv", model=f'[model]\ndecision = "dec"\n{line}\n')
    assert (code, counts(evidence)) == (0, expected)
    assert "'granted' is read as '1'" in said(evidence)


def test_a_class_that_is_forgotten_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(r[0], r[1], "granted" if r[2] == "1" else "refused") for r in ROWS]
    (tmp_path / "d.csv").write_text(text(rows))
    model = '[model]\ndecision = "dec"\nclasses = { granted = "1", declined = "0" }\n'
    assert audit(tmp_path, "d.csv", model=model)[0] == 2
    assert "'refused' in 60 of 120 measured rows" in capsys.readouterr().err


@pytest.mark.parametrize("again", ["Sex,OUT,Dec", " sex , out ,dec", '"sex","out","dec"'])
def test_a_header_that_stands_again_in_other_letters(
    tmp_path: Path, expected: dict[str, tuple[int, ...]], again: str
) -> None:
    rows = text(ROWS).splitlines()
    (tmp_path / "d.csv").write_text("\n".join([*rows[:30], again, *rows[30:60], again, *rows[60:], again]) + "\n")
    code, evidence = audit(tmp_path, "d.csv")
    assert (code, counts(evidence)) == (0, expected)
    assert "Lines 31, 62, 124 of d.csv repeat the column names and are left out." in said(evidence)


def test_a_row_that_begins_as_the_header_does_stays(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(text([*ROWS, ("sex", "0", "1"), ("sex", "1", "1")]))
    code, evidence = audit(tmp_path, "d.csv")
    assert (code, evidence["data"]["rows"]) == (0, len(ROWS) + 2)


@pytest.mark.parametrize(
    "ways",
    [("1", "TRUE", "0", "False"), ("yes", "YES", "no", "no "), ("approved", "Approved", "denied", "denied"),
     ("Y", "yes", "N", "n")],
    ids=lambda w: w[0] + " and " + w[1],
)  # fmt: skip
@pytest.mark.parametrize("column", ["out", "dec"])
def test_one_value_in_several_ways_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ways: tuple[str, ...], column: str
) -> None:
    """Counted apart, TRUE would be taken for the other side of 1."""
    rows = [(s, ways[i % 4], ways[i % 4]) for i, (s, _, _) in enumerate(ROWS)]
    names = "sex,out,dec" if column == "out" else "sex,was,dec"
    (tmp_path / "d.csv").write_text(text(rows, names=names))
    case = tmp_path / "case.toml"
    label = 'label = "out"\n' if column == "out" else ""
    outcome = ALONE if column == "out" else '[model]\ndecision = "dec"\n'
    case.write_text(HEAD + f'path = "d.csv"\n{label}positive = "{ways[0]}"\nfavourable = "{ways[0]}"\n' + outcome)
    assert cli.main(["audit", str(case), "--out", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert f"the column {column!r} writes one value in several ways" in err
    assert f"{ways[0]!r} in 30 rows and {ways[1]!r} in 30 rows" in err


def test_values_that_only_look_alike_are_read(tmp_path: Path) -> None:
    """Truth words count as one only where all values are truth words."""
    rows = [(s, ["1", "2", "y"][i % 3], "1") for i, (s, _, _) in enumerate(ROWS)]
    (tmp_path / "d.csv").write_text(text(rows))
    assert audit(tmp_path, "d.csv", model=ALONE)[0] == 0


@pytest.mark.parametrize(
    "content",
    [
        '[{"sex": "f", "out": 1}]',
        '{"sex": ["f"]}\n',
        '  [\n  {\n "a": 1}]',
        '{"sex": "f"}\n{"sex": "m"}\n',
        '[["a", 1]]',
    ],
)
def test_json_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    (tmp_path / "d.csv").write_text(content)
    assert audit(tmp_path, "d.csv")[0] == 2
    assert "Got: JSON." in capsys.readouterr().err


def test_names_in_brackets_are_no_json(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(text(ROWS, names="[sex],[out],[dec]"))
    assert cli.main(["init", str(tmp_path / "d.csv")]) == 0


def test_a_missing_decision_names_its_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "d.csv").write_text(text([*ROWS[:6], ("f", "1", ""), *ROWS]))
    assert audit(tmp_path, "d.csv")[0] == 2
    assert "1 of 127 measured rows without a decision; the first is row 7" in capsys.readouterr().err
