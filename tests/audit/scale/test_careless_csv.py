"""CSV as careless programs write it, below the size from which DuckDB counts and above it: the same answer or the same
refusal, in the same words. And where `engine = "duckdb"` is asked for."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import cli

BODY = [f"{g},{y},{d},n" for g in "ab" for y in (0, 1) for d in (0, 1) for _ in range(10)]
FAR = BODY * 2200
"""More than the first megabyte, which is looked at before anybody counts."""
NAMES = "g,y,d,note"


def lines(*rows: str, names: str = NAMES) -> bytes:
    return ("\n".join([names, *rows]) + "\n").encode()


def within(row: str) -> bytes:
    """One row among others."""
    return lines(*BODY[:5], row, *BODY[5:])


def far(row: str) -> bytes:
    return lines(*FAR, row, *BODY)


FILES: dict[str, tuple[bytes, str]] = {
    "plain": (lines(*BODY), ""),
    "a zero byte in a value": (within("a\0,1,1,x"), "is no text"),
    "a zero byte where nobody asks": (within("a,1,1,x\0y"), "is no text"),
    "a zero byte far down": (far("a\0,1,1,x"), "is no text"),
    "a zero byte far down where nobody asks": (far("a,1,1,x\0y"), "is no text"),
    "Windows-1252": (within("a,1,1,caf\xe9").decode().encode("latin-1"), ""),
    "Windows-1252 far down": (far("a,1,1,caf\xe9").decode().encode("latin-1"), ""),
    "UTF-8 with a broken byte": (within("a,1,1,\xe9\xe9") + b"b,1,1,\xff\n", "is in UTF-8, but with broken bytes"),
    "UTF-8 with a broken byte far down": (far("a,1,1,\xe9\xe9") + b"b,1,1,\xff\n", "but with broken bytes"),
    "a mark of UTF-8": (b"\xef\xbb\xbf" + lines(*BODY), ""),
    "a mark of UTF-8 and quotation marks": (b"\xef\xbb\xbf" + lines(*BODY, names='"g","y","d","note"'), ""),
    "UTF-16": (lines(*BODY).decode().encode("utf-16"), ""),
    "UTF-16 with a zero letter": (within("a,1,1,x\0y").decode().encode("utf-16"), "is no text"),
    "lines that end with CR": (lines(*BODY).replace(b"\n", b"\r"), ""),
    "lines that end with CR LF": (lines(*BODY).replace(b"\n", b"\r\n"), ""),
    "lines that end in two ways": (lines(*BODY[:5]).replace(b"\n", b"\r\n") + lines(*BODY[5:]).partition(b"\n")[2], ""),
    "a lone CR in a value": (within("a,1,1,x\ry"), "have another number of values than the header"),
    "a lone CR far down": (far("a,1,1,x\ry"), "have another number of values than the header"),
    "a quotation mark that is not closed": (within('a,1,1,"x'), "is never closed"),
    "a quotation mark not closed far down": (far('a,1,1,"x'), "is never closed"),
    "a quotation mark inside": (within('a,1,1,x"y"z'), ""),
    "a letter behind a quotation mark": (within('a,1,1,"x"y'), ""),
    "a line end in quotation marks": (within('a,1,1,"x\ny"'), ""),
    "a value too many": (within("a,1,1,x,z"), "5 values in line 7"),
    "a value too few": (within("a,1,1"), "3 values in line 7"),
    "a value too few far down": (far("a,1,1"), "have another number of values than the header"),
    "empty lines": (within(""), ""),
    "two columns of one name": (lines(*BODY, names="g,y,d,d"), "more than one column called 'd', and they differ"),
    "two alike columns of one name": (lines(*(f"{r},n" for r in BODY), names="g,y,d,note,note"), ""),
    "a column without a name": (lines(*BODY, names="g,y,d,"), "has a column without a name"),
    "two columns without a name": (lines(*(f"{r},n" for r in BODY), names="g,y,d,,"), "has a column without a name"),
    "a name of spaces": (lines(*BODY, names="g,y,d,  "), "has a column without a name"),
    "an empty column without a name": (lines(*(r[:-1] for r in BODY), names="g,y,d,"), ""),
    "no rows": (lines(), "has a header and no rows"),
    "nothing": (b"", "is empty"),
    "line ends alone": (b"\n\n  \n", "is empty"),
    "the names again": (within(NAMES), ""),
    "the names again far down": (far(NAMES.upper()), ""),
    "a title above the names": (b"My export\n\n" + lines(*BODY), ""),
    "a blank line above the names": (b"\n" + lines(*BODY), ""),
    "blank lines above the names": (b"\n\n" + lines(*BODY, "", "", *BODY), ""),
    "a blank line above the names, CR LF": (b"\r\n" + lines(*BODY).replace(b"\n", b"\r\n"), ""),
    "a blank line above the names, CR": (b"\r" + lines(*BODY).replace(b"\n", b"\r"), ""),
    "a mark of UTF-8 and a blank line": (b"\xef\xbb\xbf\n" + lines(*BODY), ""),
    "a line of spaces above the names": (b"  \n" + lines(*BODY), ""),
    "a blank line, and the names again": (b"\n" + far(NAMES), ""),
    "a blank line above a name that is a number": (b"\n" + lines(*BODY[:9], "g,y,d,1", *BODY[9:], names="g,y,d,1"), ""),
    "a blank line above two columns of one name": (b"\n" + lines(*(f"{r},n" for r in BODY), names="g,y,d,1,1"), ""),
    "a line that names the delimiter": (b"sep=,\n" + lines(*BODY), ""),
    "no line end at the end": (lines(*BODY)[:-1], ""),
    "a last line longer than what is read at once": (lines(*FAR, "a,1,1," + 17_000_000 * "x"), "cannot be read as a"),
}
"""Content, and words of its refusal; none where it is read."""
KNOWN_TO_BOTH = ("is no text", "without a name", "is empty", "values", "never closed", "broken bytes")
"""Words of refusals that are the same where DuckDB is asked for; else it may refuse what is read in memory."""


def asked(
    folder: Path, content: bytes, engine: str, capsys: pytest.CaptureFixture[str], name: str = "rows.csv"
) -> tuple[int, Any, str]:
    """The exit code, the counts, and the message."""
    (folder / name).write_bytes(content)
    (folder / "case.toml").write_text(
        f'[case]\nname = "c"\npurpose = "p"\n[data]\npath = "{name}"\nlabel = "y"\npositive = "1"\n'
        f'sensitive = ["g"]\n{engine}[model]\ndecision = "d"\n'
    )
    capsys.readouterr()
    code = cli.main(["audit", str(folder / "case.toml"), "--out", str(folder / "run"), "--draws", "20"])
    errors = capsys.readouterr().err
    message = errors[errors.find("assay audit:") :] if code else ""
    return code, json.loads((folder / "run" / "cube.json").read_bytes())["margins"] if code == 0 else None, message


@pytest.mark.parametrize("what", FILES)
def test_below_the_limit_and_above_it(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content, refused = FILES[what]
    below = asked(tmp_path, content, "", capsys)
    monkeypatch.setattr(sys.modules["audit.scale.source"], "LARGE_BYTES", 1)
    above = asked(tmp_path, content, "", capsys)
    assert above == below
    assert (below[0], refused in below[2]) == (2 if refused else 0, True), below
    code, counts, message = asked(tmp_path, content, 'engine = "duckdb"\n', capsys)
    if code == 0:
        assert counts == below[1]
    elif any(words in refused for words in KNOWN_TO_BOTH) and "UTF-16" not in what:
        assert message == below[2]
    else:
        assert code == 2
        assert "What to do: " in message


PACKED = gzip.compress(lines(*FAR), 1)


@pytest.mark.parametrize(
    "content",
    [PACKED[: len(PACKED) // 2], PACKED[:-1], PACKED[:-8] + bytes(8), PACKED + b"junk", PACKED[:40] + PACKED[60:]],
    ids=["half of it", "without its last byte", "another sum", "something behind it", "broken"],
)
def test_a_packed_file_that_is_not_whole_is_refused(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for limit, engine in ((1 << 40, ""), (1, ""), (1, 'engine = "duckdb"\n')):
        monkeypatch.setattr(sys.modules["audit.scale.source"], "LARGE_BYTES", limit)
        code, _, message = asked(tmp_path, content, engine, capsys, "rows.csv.gz")
        assert code == 2, message
        assert "'rows.csv.gz' cannot be unpacked" in message


@pytest.mark.parametrize("blank", ["\n", "\n\n", "\r\n", "\r", "\ufeff\n", "  \n"])
@pytest.mark.parametrize("limit", [1, 1 << 30])
def test_duckdb_takes_no_blank_line_for_the_names(
    blank: str, limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They would be one more person; and two blank lines are no names that come again."""
    monkeypatch.setattr(sys.modules["audit.scale.source"], "MOST_READ", limit)
    content = blank.encode() + lines(*BODY[:40], "", "", *BODY[40:])
    code, _, message = asked(tmp_path, content, 'engine = "duckdb"\n', capsys)
    assert code == 2
    assert "a blank line above the column names" in message
    assert "or take that line out." in message
    _, counts, _ = asked(tmp_path, content, "", capsys)
    assert counts == asked(tmp_path, lines(*BODY), "", capsys)[1]


def test_what_is_too_large_to_be_read_otherwise_is_refused_by_duckdb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = sys.modules["audit.scale.source"]
    monkeypatch.setattr(source, "LARGE_BYTES", 1)
    monkeypatch.setattr(source, "MOST_READ", 1)
    for row, words in (("a,1,1", "cannot be counted"), (NAMES, "repeats its column names"), ("a\0,1,1,x", "no text")):
        code, _, message = asked(tmp_path, far(row), "", capsys)
        assert code == 2
        assert words in message
        assert "take `engine` out" not in message


@pytest.mark.parametrize("row", [NAMES, "a,1,1,caf\xe9"])
def test_a_contract_is_held_against_it_too(
    row: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What DuckDB would take for a row, or cannot read, far down."""
    asked(tmp_path, lines(*BODY), "", capsys)
    case = tmp_path / "case.toml"
    assert cli.main(["contract", str(case), "--out", str(tmp_path / "contract.toml")]) == 0
    case.write_text(f'contract = "contract.toml"\n{case.read_text()}')
    (tmp_path / "rows.csv").write_bytes(far(row).decode().encode("latin-1"))
    items = []
    for _ in range(2):
        capsys.readouterr()
        items.append((cli.main(["contract", str(case), "--check"]), capsys.readouterr().out))
        monkeypatch.setattr(sys.modules["audit.scale.source"], "LARGE_BYTES", 1)
    assert items[0] == items[1]
    assert items[0][1]
