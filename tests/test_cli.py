"""The command line: exit codes, one JSON document, one clear message, nothing lost."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import cli
from assay._commands import COMMANDS
from audit import starts
from audit.errors import AssayError, GateBroken, InputError, VerificationError
from audit.places import refuse_another
from reports.machine import BEGINS
from tests.reports import kit

CASE = """
[case]
name = "Loans"
purpose = "Who is granted a loan"
[data]
path = "loans.csv"
label = "repaid"
positive = "yes"
sensitive = ["sex"]
[model]
decision = "granted"
[policy]
file = "policy.toml"
"""
POLICY = """
version = "1"
[[norm]]
metric = "selection_rate"
kind = "difference"
attribute = ["sex"]
limit = {limit}
promote = 0.01
"""


@pytest.fixture
def case(tmp_path: Path) -> Path:
    rows = [f"{s},{r},{g}" for s, r, g in [("f", "yes", "no"), ("m", "yes", "yes"), ("f", "no", "yes"), ("m", "no", "yes")] * 30]  # fmt: skip # noqa: E501
    (tmp_path / "loans.csv").write_text("sex,repaid,granted\n" + "\n".join(rows) + "\n")
    (tmp_path / "policy.toml").write_text(POLICY.format(limit=0.1))
    path = tmp_path / "case.toml"
    path.write_text(CASE)
    return path


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    code = cli.main([str(a) for a in args])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_an_audit_prints_findings_and_writes_both_files(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "audit", case, "--out", tmp_path / "run")
    assert code == 0
    assert "100.0 % of m (60) and 50.0 % of f (60) receive the favourable decision" in out
    assert {p.name for p in (tmp_path / "run").iterdir()} >= {"evidence.json", "cube.json"}


def test_with_json_stdout_is_one_document_equal_to_the_file(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "audit", case, "--out", tmp_path / "run", "--json")
    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "run" / "evidence.json").read_text())


def test_the_same_case_gives_the_same_bytes(case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        run(capsys, "audit", case, "--out", tmp_path / name)
    for name in ("evidence.json", "cube.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_gate_ends_with_3_only_where_a_norm_is_broken(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "audit", case, "--out", tmp_path / "run", "--gate")
    assert code == 3
    assert "outside the norm" in out
    assert "Got: " in err
    (case.parent / "policy.toml").write_text(POLICY.format(limit=0.9))
    assert run(capsys, "audit", case, "--out", tmp_path / "run", "--gate")[0] == 0


def test_bad_input_is_one_message_with_exit_code_2_and_loses_nothing(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "audit", case, "--out", tmp_path / "run")
    before = (tmp_path / "run" / "evidence.json").read_bytes()
    case.write_text(CASE.replace('"granted"', '"grantd"'))
    code, out, err = run(capsys, "audit", case, "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    assert [line.startswith("assay audit: ") for line in err.splitlines() if not line.endswith(" ...")] == [True]
    assert "granted" in err
    assert "Traceback" not in err
    assert (tmp_path / "run" / "evidence.json").read_bytes() == before
    code, out, _ = run(capsys, "audit", case, "--out", tmp_path / "run", "--json")
    assert code == 2
    assert {"error", "problem", "got", "expected", "todo"} == set(json.loads(out))


@pytest.mark.parametrize("command", ["init", "check", "audit", "watch", "show", "verify", "register", "forget"])
def test_a_name_that_nothing_can_have_is_one_message(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ring").symlink_to("ring")
    for name, why in (("x" * 300, "too long"), (tmp_path / "ring", "symbolic links")):
        more = ["--out", tmp_path / "out"] if command in ("audit", "watch") else []
        code, out, err = run(capsys, command, name, *more)
        assert (code, out) == (2, "")
        assert "names no file" in err
        assert why in err
        assert len(err) < 300


@pytest.mark.parametrize("line", ['path = "{}"', 'path = "loans.csv"\nsensitive_path = "{}"\nid = "sex"'])
def test_a_name_that_nothing_can_have_inside_a_case_is_one_message(
    line: str, case: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (case.parent / "ring").symlink_to("ring")
    for name in ("x" * 300, "x" * 300 + "/*.csv", "ring"):
        case.write_text(CASE.replace('path = "loans.csv"', line.format(name)))
        code, _, err = run(capsys, "check", case)
        assert code == 2
        assert "a path names no file" in err


def test_a_folder_that_cannot_be_written_is_told_before_the_work(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Measuring, explaining and searching take minutes, and what they found would have no place."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    for place in ("file", "file/below", "link", "link/below"):
        code, _, err = run(capsys, "audit", case, "--out", tmp_path / place)
        assert code == 2
        assert "nothing can be written into" in err
        assert "Measuring" not in err
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # whoever runs the tests may write anywhere
    assert "no permission to write in" in run(capsys, "audit", case, "--out", tmp_path / "new" / "run")[2]
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "file").read_text() == "mine"


def test_an_option_that_is_given_twice_is_refused_and_neither_is_taken(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "audit", case, "--out", tmp_path / "a", "--out", tmp_path / "b")
    assert code == 2
    assert "--out is given twice" in err
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()
    assert run(capsys, "audit", case, "--out", tmp_path / "a", "--out", tmp_path / "a")[0] == 0


def test_the_contract_that_a_message_asks_for_is_proposed_by_the_line_it_prints(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From whatever folder the command was given, and whatever the folder of the case is called."""
    place = tmp_path / "a place, 'so'"
    place.mkdir()
    for file in ("case.toml", "loans.csv", "policy.toml"):
        (case.parent / file).rename(place / file)
    err = run(capsys, "contract", place / "case.toml", "--check")[2]
    words = shlex.split(err[err.index("assay contract ", err.index("propose one")) : err.rindex("), read it")])
    monkeypatch.chdir("/")
    assert run(capsys, *words[1:])[0] == 0
    (place / "case.toml").write_text('contract = "contract.toml"\n' + CASE)
    assert run(capsys, "contract", place / "case.toml", "--check")[0] == 0


@pytest.mark.parametrize("draws", ["-1", "0", "99999999999999999999"])
def test_draws_that_cannot_be_made_are_refused(
    draws: str, case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "audit", case, "--out", tmp_path / "run", "--draws", draws)
    assert code == 2
    assert "so many draws cannot be made" in err
    assert not (tmp_path / "run" / "evidence.json").exists()


def test_no_file_of_another_kind_is_written_over(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A report over the run's own evidence, or over the data, would lose them."""
    monkeypatch.setenv("ASSAY_KEY_PASSWORD", "a long password")
    key, folder, log = tmp_path / "k.p12", tmp_path / "run", tmp_path / "log"
    assert run(capsys, "keys", "new", "--name", "Ada", "--out", key)[0] == 0
    assert run(capsys, "audit", case, "--out", folder)[0] == 0
    report = ["report", folder, "--key", key, "--annex", "none", "--log", log, "--out"]
    mine = {p: p.read_bytes() for p in (folder / "evidence.json", tmp_path / "loans.csv", case, key)}
    for path in mine:
        code, _, err = run(capsys, *report, path)
        assert code == 2
        assert "is another file, and would be lost" in err
        assert "Printing" not in err
    assert run(capsys, *report, folder)[0] == 2
    for _ in range(2):  # an earlier report may be written over
        assert run(capsys, *report, tmp_path / "r.pdf")[0] == 0
    for path in mine:
        for words in (
            ["register", log, "--csv", path],
            ["register", log, "--proof", tmp_path / "r.pdf", "--out", path],
            *(["audit", case, "--out", tmp_path / "other", f"--{kind}", path] for kind in BEGINS),
        ):
            assert run(capsys, *words)[0] == 2, words
    other = tmp_path / "other"
    audit = ["audit", case, "--out", other]
    for kind in BEGINS:  # a folder; files of the audit itself
        assert run(capsys, *audit, f"--{kind}", folder)[0] == 2
        assert run(capsys, *audit, f"--{kind}", other / "evidence.json")[0] == 2
    # One for two programs.
    assert run(capsys, *audit, "--junit", tmp_path / "new", "--sarif", folder / ".." / "new")[0] == 2
    assert not other.exists()  # said before the work
    assert {p: p.read_bytes() for p in mine} == mine
    (tmp_path / "empty").write_bytes(b"")
    for _ in range(2):
        assert run(capsys, "register", log, "--csv", tmp_path / "empty")[0] == 0
        again = (word for kind in BEGINS for word in (f"--{kind}", tmp_path / kind))
        assert run(capsys, "audit", case, "--out", tmp_path / "other", *again)[0] == 0


def test_a_fault_of_ours_is_1_without_a_trace(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("no")

    monkeypatch.setattr("audit.run.run_audit", broken)
    monkeypatch.delenv("ASSAY_DEBUG", raising=False)
    code, _, err = run(capsys, "audit", case, "--out", tmp_path / "run")
    assert code == 1
    assert "a fault of ours" in err
    assert "Traceback" not in err


def test_exit_codes_of_the_errors() -> None:
    assert (AssayError("x").exit_code, InputError("x").exit_code) == (1, 2)
    assert (GateBroken("x").exit_code, VerificationError("c", "x").exit_code) == (3, 4)


def test_a_key_needs_a_password_and_a_file_that_is_not_there_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASSAY_KEY_PASSWORD", raising=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    code, _, err = run(capsys, "keys", "new", "--name", "Ada", "--out", tmp_path / "k.p12")
    assert code == 2
    assert "ASSAY_KEY_PASSWORD" in err
    code, _, err = run(capsys, "verify", tmp_path / "none.pdf")
    assert code == 2
    assert "none.pdf" in err


def test_a_report_is_signed_verified_and_a_flipped_byte_fails_with_4(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_KEY_PASSWORD", "a long password")
    report, key = tmp_path / "report.pdf", tmp_path / "ada.p12"
    assert run(capsys, "keys", "new", "--name", "Ada Auditor", "--out", key)[0] == 0
    assert run(capsys, "keys", "new", "--name", "Bo Board", "--out", tmp_path / "bo.p12")[0] == 0
    run(capsys, "audit", case, "--out", tmp_path / "run")
    code, _, err = run(
        capsys, "report", tmp_path / "run", "--key", key, "--out", report, "--member", "Bo Board", "--quorum", 1
    )
    assert code == 0, err
    code, out, err = run(capsys, "verify", report, "--rerun", case, "--json")
    assert code == 0, err
    assert json.loads(out)["ok"] is True
    kit.judge_here(monkeypatch)  # once in a process of its own, then here
    code, _, err = run(
        capsys, "approve", report, "--key", tmp_path / "bo.p12", "--decision", "reject", "--reason", "The gap is wide."
    )
    assert code == 0, err
    code, out, _ = run(capsys, "verify", report)
    assert code == 0
    assert "The gap is wide." in out
    content = bytearray(report.read_bytes())
    content[len(content) // 3] ^= 1
    report.write_bytes(bytes(content))
    code, out, err = run(capsys, "verify", report)
    assert code == 4
    assert "FAILED" in out
    assert "assay verify:" in err


def test_help_names_every_command_of_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    out = capsys.readouterr().out
    for name in ("demo", "audit", "explain", "mitigate", "watch", "report", "approve", "verify", "keys"):
        assert name in out


def test_the_readme_names_every_command(root: Path) -> None:
    readme = (root / "README.md").read_text()
    for name in COMMANDS:
        assert f"assay {name}" in readme, name


def test_a_reader_that_stops_reading_is_no_error(case: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} -m cli audit {case} --out {tmp_path / 'run'} --json | head -c 10"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=Path(cli.__file__).parent,
        env={**os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 141)


def test_watch_runs_decides_checks_and_gates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.debias.loop.fed import write_case

    write_case(tmp_path)
    case, out = tmp_path / "case.toml", tmp_path / "out"
    code, printed, _ = run(capsys, "watch", case, "--out", out, "--batches", "2", "--json")
    assert code == 0
    assert json.loads(printed)["taken"] == 2
    code, printed, err = run(capsys, "watch", case, "--out", out, "--gate")
    assert code == 3
    assert "A challenger waits for a person" in printed
    assert "clearly broken" in err
    challenger = json.loads((out / "watch.json").read_bytes())["pending"]["model"]
    assert run(capsys, "watch", case, "--out", out, "--approve", challenger[:8])[0] == 2
    assert run(capsys, "watch", case, "--out", out, "--approve", "00000000", "--reason", "No such.")[0] == 2
    decide = ("--approve", challenger[:8], "--reason", "Fits.", "--by", "Ada")
    code, printed, _ = run(capsys, "watch", case, "--out", out, *decide)
    assert code == 0
    assert "Promoted by Ada: Fits." in printed
    code, printed, _ = run(capsys, "watch", case, "--out", out, "--state", "--json")
    assert (code, json.loads(printed)["running"]) == (0, challenger)
    code, printed, _ = run(capsys, "watch", case, "--out", out, "--check")
    assert code == 0
    assert "The trail is whole" in printed


def test_watch_check_names_the_entry_that_was_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import sqlite3

    from tests.debias.loop.fed import people, write_case

    write_case(tmp_path, people(3))
    run(capsys, "watch", tmp_path / "case.toml", "--out", tmp_path / "out")
    database = sqlite3.connect(tmp_path / "out" / "watch.db")
    database.execute("DROP TRIGGER trail_no_UPDATE")
    database.execute("UPDATE trail SET body = replace(body, 'Loans', 'Loams') WHERE seq = 1")
    database.commit()
    database.close()
    code, _, err = run(capsys, "watch", tmp_path / "case.toml", "--out", tmp_path / "out", "--check")
    assert code == 4
    assert "entry 1" in err


def test_watch_on_nothing_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.debias.loop.fed import people, write_case

    write_case(tmp_path, people(3))
    for flag in ("--state", "--check"):
        code, printed, err = run(capsys, "watch", tmp_path / "case.toml", "--out", tmp_path / "out", flag)
        assert (code, printed) == (2, "")
        assert "run `assay watch` first" in err


ENDS = """
import atexit, sys, threading, time
import cli

class Kept:
    def __del__(self):
        print("taken apart")

def other():
    time.sleep(0.2)
    print("a thread ended")

def run(words=None):
    atexit.register(print, "registered was called")
    threading.Thread(target=other).start()
    return int(sys.argv[1])

kept = Kept()
cli.main = run
cli.start()
"""


@pytest.mark.parametrize("code", ["0", "4"])
def test_a_command_ends_at_once_with_its_code_after_threads_and_what_libraries_registered(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDS, code],
        cwd=Path(cli.__file__).parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == int(code)
    assert done.stdout.split("\n") == ["a thread ended", "registered was called", ""]
    assert done.stderr == ""


@pytest.mark.parametrize("user", [{}, {"OMP_NUM_THREADS": "3"}])
def test_numeric_libraries_of_a_command_use_one_thread_unless_the_user_says_otherwise(user: dict[str, str]) -> None:
    """By the launcher that the set-up writes, as the libraries themselves say it."""
    root = Path(cli.__file__).parent
    code = (
        "import runpy, sys, cli\n"
        "def run():\n"
        "    import numpy, sklearn.utils._openmp_helpers, threadpoolctl\n"
        "    print([p['num_threads'] for p in threadpoolctl.threadpool_info()])\n"
        "    return 0\n"
        "assert 'numpy' not in sys.modules\n"
        "cli.main = run\n"
        "runpy.run_path('scripts/assay.py', run_name='__main__')"
    )
    env = {k: v for k, v in os.environ.items() if k not in starts.THREADS} | user
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=env, capture_output=True, text=True, timeout=60, check=True
    )
    threads = ast.literal_eval(done.stdout)
    assert len(threads) >= 2
    assert set(threads) == ({1} if not user else {1, 3}), done.stdout


def test_a_summary_of_another_case_may_be_written_over(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It begins with the case's name; what begins otherwise is somebody's."""
    summary = tmp_path / "summary.md"
    assert run(capsys, "audit", case, "--out", tmp_path / "a", "--markdown", summary)[0] == 0
    case.write_text(re.sub('name = ".*"', 'name = "Another"', case.read_text(), count=1))
    assert run(capsys, "audit", case, "--out", tmp_path / "b", "--markdown", summary)[0] == 0
    assert "Another" in summary.read_text().splitlines()[0]
    summary.write_text("# Mine")
    assert run(capsys, "audit", case, "--out", tmp_path / "b", "--markdown", summary)[0] == 2
    assert summary.read_text() == "# Mine"


def test_a_pipe_is_not_looked_into(tmp_path: Path) -> None:
    """Who opens one to read waits for ever."""
    os.mkfifo(tmp_path / "pipe")
    refuse_another(tmp_path / "pipe", b"%PDF-")
