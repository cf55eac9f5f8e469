"""The command line as its users type it: several values, abbreviations, one message for what cannot be used."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

import cli
from assay._commands import COMMANDS
from assay._commands.parsing import Commands, parsed
from audit.evidence import tool

ROOT = Path(__file__).resolve().parents[2]
GROUP = Commands("assay")


def given(*argv: str) -> dict[str, Any]:
    call = parsed(argv)
    assert call is not None
    return call.given


def command_of(name: str) -> click.Command:
    result = GROUP.get_command(click.Context(GROUP), name)
    assert result is not None
    return result


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_takes_what_its_function_asks_for(name: str) -> None:
    command = command_of(name)
    function = next(c.cell_contents for c in command.callback.__closure__ if inspect.isfunction(c.cell_contents))  # type: ignore[union-attr]
    asked = inspect.signature(function).parameters.values()
    offered = {p.name for p in command.params} - {"json"}
    named = {p.name for p in asked if p.kind is not p.VAR_KEYWORD}
    assert named <= offered
    assert named == offered or any(p.kind is p.VAR_KEYWORD for p in asked)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_each_option_and_each_required_one_first(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    assert ended.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    assert " ".join(COMMANDS[name][1].split())[1:] in out
    usage = out.split("[OPTIONS]")[0]
    for param in command_of(name).params:
        if isinstance(param, click.Option):
            assert param.help, f"{name} {param.opts[0]} has no help"
            assert param.opts[0] in out
        if param.required:
            assert (param.opts[0] if isinstance(param, click.Option) else param.metavar or "") in usage


def test_no_option_is_declared_twice_with_other_words() -> None:
    """The same object, or words of its own: --allow stands once."""
    allows = {id(p) for name in COMMANDS for p in command_of(name).params if "--allow" in p.opts}
    assert len(allows) == 1


def test_several_values_stand_after_one_option_or_after_several() -> None:
    asked = ("audit", "d.csv", "--out", "run", "--decision", "hired")
    for words in (
        ("--sensitive", "sex", "race", "--name", "n"),
        ("--sensitive", "sex", "--sensitive", "race"),
        ("--sensitive=sex", "--sensitive=race"),
        ("--sens", "sex", "race"),
    ):
        assert given(*asked, *words)["sensitive"] == ("sex", "race"), words
    assert given("audit", "--sensitive", "sex", "race", "--out", "run", "--", "d.csv")["case"] == Path("d.csv")
    assert given("audit", "--out", "run", "--sensitive", "sex", "race", "--", "d.csv")["sensitive"] == ("sex", "race")


def test_values_that_begin_with_a_dash_are_values() -> None:
    asked = ("audit", "d.csv", "--out", "run")
    assert given(*asked, "--positive", "-1")["positive"] == "-1"
    assert given(*asked, "--name=--odd", "--purpose", "-- two words")["name"] == "--odd"
    assert given("report", "run", "--key", "-", "--out", "r.pdf", "--password-file", "-")["key"] == "-"
    assert given("approve", "r.pdf", "--key", "k", "--decision", "reject", "--reason", "- no")["reason"] == "- no"


def test_abbreviations_work_where_they_are_clear() -> None:
    assert given("verify", "r.pdf", "--require", "--print", "again.pdf")["require_quorum"] is True
    assert given("mitigate", "c.toml", "--out", "o", "--meth", "reweighing")["method"] == ("reweighing",)


REFUSED = {
    "no command": ([], "audit"),
    "a command that is near": (["aduit", "c.toml"], "did you mean 'audit'?"),
    "an option of no command": (["--verbos"], "--help"),
    "an option that is near": (["audit", "c.toml", "--out", "o", "--dras", "10"], "did you mean '--draws'?"),
    "a short option": (["audit", "c.toml", "-o", "run"], "-o"),
    "short for several": (["audit", "c.toml", "--out", "o", "--se", "1"], "--seed, --sensitive"),
    "nothing required": (["audit"], "assay audit CASE.toml --out DIR"),
    "a required option": (["keys", "new", "--name", "Ada"], "--out KEY.p12"),
    "a required word": (["approve", "r.pdf", "--key", "k", "--reason", "x"], "--decision"),
    "one word too many": (["check", "a.toml", "b.toml"], "b.toml"),
    "no value at the end": (["audit", "c.toml", "--out"], "--out DIR"),
    "an option for a value": (["audit", "c.toml", "--out", "--gate"], "--gate after it"),
    "a value for a flag": (["audit", "c.toml", "--out", "o", "--gate=yes"], "--gate takes no value"),
    "no whole number": (["audit", "c.toml", "--out", "o", "--draws", "2e3"], "'2e3'"),
    "no number": (["plan", "--groups", "2", "--gap", "ten"], "'ten'"),
    "not finite": (["plan", "--groups", "2", "--gap", "nan"], "'nan'"),
    "no such choice": (["explain", "c.toml", "--out", "o", "--output", "probabilty"], "did you mean 'probability'?"),
    "no file": (["audit", "", "--out", "o"], "CASE.toml names no file"),
    "no name of a file": (["audit", "c\0.toml", "--out", "o"], "CASE.toml names no file"),
    "two at once": (["watch", "c.toml", "--out", "o", "--state", "--approve", "12345678"], "--approve and --state"),
    "something else than new": (["keys", "old", "--name", "Ada", "--out", "k"], "'old'"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_used_is_one_message_and_2(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    argv, needed = REFUSED[kind]
    assert cli.main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"assay {argv[0]}: " if argv and argv[0] in COMMANDS else "assay: ")
    assert err.count("\n") == 1
    assert needed in err
    assert "Expected: " in err
    assert cli.main([*argv[:1], "--json", *argv[1:]]) == 2 if argv else True
    if argv and argv[0] in COMMANDS:
        assert set(json.loads(capsys.readouterr().out)) == {"error", "problem", "got", "expected", "todo"}


def test_help_of_all_needs_no_command_and_no_facade() -> None:
    code = (
        "import sys, cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "found = sorted(m for m in sys.modules if m.startswith(('assay.', 'audit.', 'numpy', 'pandas')))\n"
        "print(*found, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert set(done.stderr.split()) == {
        "assay._commands",
        "assay._commands.parsing",
        "audit.about",
        "audit.errors",
        "audit.models",
        "audit.models.held",
        "audit.numbers",
        "audit.places",
        "audit.printable",
        "audit.progress",
        "audit.starts",
    }
    assert "audit" in done.stdout


@pytest.mark.parametrize("words", [["--version"], ["--vers"]])
def test_the_version_is_that_of_the_evidence(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"assay {tool()['version']}\n"


@pytest.mark.parametrize("words", [["--help"], ["audit", "--help"], ["--version"]])
def test_help_that_nobody_reads_is_no_error(words: list[str]) -> None:
    here, there = os.pipe()
    os.close(here)
    with open(there, "wb") as nobody:
        done = subprocess.run([sys.executable, "-m", "cli", *words], cwd=ROOT, stdout=nobody, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    "typed, offered", [("assay aud", ["audit"]), ("assay ver", ["verify"]), ("assay audit x.toml --dr", ["--draws"])]
)
def test_a_shell_completes_what_is_typed(typed: str, offered: list[str]) -> None:
    asked = {"_ASSAY_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    command = [sys.executable, "-m", "cli"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **asked}, capture_output=True, text=True, timeout=120)
    assert [line.split(",")[1] for line in done.stdout.splitlines()] == offered
