"""`verify --rerun`: the whole of a report made again from model and data; whatever differs is refused."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cli
from audit.documents import Documents
from audit.load import load_case
from audit.publish import publish_files
from reports.rerun import run_again
from reports.verify.rerun import LEFT_OUT, check_rerun
from reports.verify.result import Broken, InPart
from tests.reports import kit
from tests.reports.pki import Pki
from tests.shared import german

Files = dict[str, bytes]
MADE = ("evidence.json", "explain.json", "mitigation.json")
ROOT = Path(__file__).resolve().parents[2]
CASE = ROOT / "sample_data" / "german_credit.toml"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Files, Files]:
    """The files of a report on German credit, and the same made again."""
    out = german(tmp_path_factory)
    files = publish_files({n: (out / n).read_bytes() for n in ("cube.json", *MADE)})
    return files, run_again(load_case(CASE), files)


def test_all_of_it_comes_out_again_and_what_is_left_out_is_said(both: tuple[Files, Files]) -> None:
    files, again = both
    assert set(again) == set(files)
    line = check_rerun(files, again)
    assert "found equal" in line
    assert "evidence.json model.isolation (the walls around the model are those of the machine)" in line
    assert "mitigation.json decision, decisions (what people decided on it afterwards)" in line
    # A person was named and taken out of the report: what depends on whom is left out, and nothing else.
    assert "additivity.rows (depends on which persons were explained, and they are not in the report)" in line
    assert {entry.file for entry in LEFT_OUT} == {*MADE, "search.json"}


def test_a_file_that_is_not_made_again_is_in_part(both: tuple[Files, Files]) -> None:
    files, again = both
    with pytest.raises(InPart, match=r"not made again: series\.json"):
        check_rerun({**files, "series.json": b"{}"}, again)
    with pytest.raises(Broken, match="a file that the report does not have"):
        check_rerun({n: d for n, d in files.items() if n != "mitigation.json"}, again)


def test_other_data_are_named(both: tuple[Files, Files]) -> None:
    files, again = both
    document = json.loads(files["evidence.json"])
    document["data"]["sha256"] = "0" * 64
    with pytest.raises(Broken, match="the data is not the one"):
        check_rerun({**files, "evidence.json": json.dumps(document).encode()}, again)


# --- a table of edits: every key at the top of every file, and leaves drawn by seed ---


def other(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if value is None:
        return "x"
    if isinstance(value, list):
        return [*value, "x"] if not value else value[:-1]
    return {**value, "x": 1}


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from leaves(inner, (*path, number))
    else:
        yield path


def changed(document: Any, path: tuple[Any, ...]) -> Any:
    """The document with the value at `path` changed; everything else is shared."""
    if not path:
        return other(document)
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = changed(document[path[0]], path[1:])
    return copy


def left_out(name: str, path: tuple[Any, ...]) -> bool:
    named = tuple(step for step in path if isinstance(step, str))
    return any(e.file == name and named[: len(e.path)] == e.path for e in LEFT_OUT)


def of_inputs(files: Files, name: str) -> Files:
    """The file of this name; of the evidence beside it no more than which data and model it is of."""
    evidence = json.loads(files["evidence.json"])
    inputs = json.dumps({part: evidence[part] for part in ("data", "model")}).encode()
    return {"evidence.json": inputs} | {name: files[name]}


@pytest.mark.parametrize("name", ["cube.json", *MADE])
def test_any_other_value_anywhere_is_refused(name: str, both: tuple[Files, Files]) -> None:
    """Every key at the top and 20 leaves drawn by seed: none passes but those that the line says are left out."""
    files, again = (Documents(of_inputs(part, name)) for part in both)
    document = json.loads(files[name])
    paths: list[tuple[Any, ...]] = [(key,) for key in document]
    paths += random.Random(name).sample([p for p in leaves(document) if len(p) > 1], 20)
    passed = []
    for path in paths:
        edited = {**files, name: json.dumps(changed(document, path)).encode()}
        try:
            check_rerun(edited, again)
        except Broken:
            continue
        passed.append(path)
    assert [path for path in passed if not left_out(name, path)] == []
    assert len(passed) <= 8
    # A key more, and a key less, deep down.
    for change in (lambda d: d | {"more": 1}, lambda d: dict(list(d.items())[1:])):
        first = next(k for k, v in document.items() if isinstance(v, list) and v and isinstance(v[0], dict))
        rows = [change(document[first][0]), *document[first][1:]]
        with pytest.raises(Broken):
            check_rerun({**files, name: json.dumps(document | {first: rows}).encode()}, again)


# --- through the command ---


def set_at(*path: Any) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for step in path[:-2]:
            document = document[step]
        document[path[-2]] = path[-1]

    return change


EDITS: list[tuple[str, Callable[[Any], None]]] = [
    ("evidence.json", set_at("data", "rows", 10_000)),
    ("evidence.json", set_at("norms", 0, "limit", 0.5)),
    ("evidence.json", set_at("case", "purpose", "Who is sent a calendar")),
    ("evidence.json", set_at("model", "estimator", "AReviewedModel")),
    ("evidence.json", set_at("tool", "packages", "numpy", "9.9.9")),
    ("evidence.json", lambda d: d["data"]["columns"].pop()),
    ("evidence.json", set_at("policy", "version", "adopted by the board")),
    ("evidence.json", set_at("quality", "duplicates", "repeated", 7)),
    ("evidence.json", set_at("notes", ["Nothing to note."])),
    ("evidence.json", set_at("model", "kind", "endpoint")),
    ("evidence.json", set_at("settings", "alpha", 0.2)),
    ("explain.json", set_at("global", 0, "mean_abs", 0.0)),
    ("explain.json", set_at("limits", [])),
    ("explain.json", set_at("tool", "version", "9")),
    ("mitigation.json", set_at("flips", 0, "to_favourable", 999)),
    ("mitigation.json", set_at("splits", "train", 3)),
    ("mitigation.json", set_at("changes", [])),
    ("mitigation.json", set_at("notice", "Approved by the regulator")),
]


@pytest.fixture(scope="module")
def small_again(tmp_path_factory: pytest.TempPathFactory) -> tuple[Files, Files, Path]:
    """Forty rows of decisions, audited, and the same made again."""
    folder = tmp_path_factory.mktemp("small")
    files = publish_files(kit.audited(folder))
    return files, run_again(load_case(folder / "case.toml"), files), folder / "case.toml"


@pytest.mark.parametrize("number", range(len(EDITS)))
def test_no_edit_passes_the_command(
    number: int, both: tuple[Files, Files], pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The auditor certifies what the run did not give. The run made again is the one above; the rest is as typed."""
    files, again = both
    kit.judge_here(monkeypatch, kit.page)
    monkeypatch.setattr("reports.rerun.run_again", lambda case, embedded, allow: again)
    name, change = EDITS[number]
    report = tmp_path / "report.pdf"
    report.write_bytes(kit.report(kit.edited(files, name, change), pki.auditor))
    assert cli.main(["verify", str(report), "--rerun", str(CASE)]) == 4
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("FAILED: ")
    assert any(word in last for word in ("rerun", "figures", "totals", "mitigation")), last


def test_the_honest_report_passes_the_command(
    small_again: tuple[Files, Files, Path], pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Nothing is in the way of it: the run is made again for real."""
    files, _, case = small_again
    kit.judge_here(monkeypatch, kit.page)
    report = tmp_path / "report.pdf"
    report.write_bytes(kit.report(files, pki.auditor))
    assert cli.main(["verify", str(report), "--rerun", str(case)]) == 0
    out = capsys.readouterr().out
    assert "values made again from model and data and found equal" in out
    assert out.splitlines()[-1] == "intact and consistent; who signed is not established"


def test_nothing_is_run_for_a_report_that_failed(
    small_again: tuple[Files, Files, Path], pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Through the process with limits: a model is not asked on the word of a file that does not hold."""
    files, _, case = small_again
    monkeypatch.setattr("reports.rerun.run_again", lambda *_, **__: pytest.fail("it was run"))
    report = tmp_path / "report.pdf"
    report.write_bytes(kit.report(files, pki.auditor)[:-1])
    assert cli.main(["verify", str(report), "--rerun", str(case)]) == 4
    assert "not checked  rerun           not made again, because a check failed" in capsys.readouterr().out


def test_its_pages_are_believed(both: tuple[Files, Files], pki: Pki) -> None:
    """A report with every kind of explanation and chart, and the person explained."""
    files, _ = both
    manifest = kit.manifest_of(files, pki.auditor, extra={"people": True, "timestamp": False, "annex": "short"})
    kit.assert_believed(files, manifest, pki.auditor)
