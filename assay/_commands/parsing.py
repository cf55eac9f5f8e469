"""What click does not do by itself for `assay`: our refusals, several values after one option, abbreviations.

    @command(CASE, OUT, ALLOW)
    def audit(case: Path, out: Path, allow: tuple[str, ...]) -> Result: ...

    call = parsed(["audit", "case.toml", "--out", "run"])     # a Call; nothing has run yet
    result = call.run()

Every command takes `--json`. What cannot be used raises InputError with what was got, what is expected, and the nearest
known name, like any other input.
"""

from __future__ import annotations

import importlib
import math
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from assay._commands import COMMANDS
from audit.about import VERSION
from audit.errors import AssayError, InputError, OutputError, nearest
from audit.places import no_name, not_a_place, refuse_another

_OPTION = re.compile(r"--[A-Za-z][\w-]*(=.*)?|-h", re.DOTALL)
_SHORT = re.compile(r"-[^\d.\s-].*", re.DOTALL)
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class Result(NamedTuple):
    """What a command returns: the document of --json, the same in words, and an error to end with after both."""

    document: dict[str, Any]
    words: str
    failure: AssayError | None = None


class Call(NamedTuple):
    """One command with what it was given, before it runs."""

    name: str
    function: Callable[..., Result]
    given: dict[str, Any]
    json: bool

    def run(self) -> Result:
        return self.function(**self.given)


class Option(click.Option):
    """many: `--sensitive sex race` gives both. group: the heading that --help shows it under."""

    def __init__(self, *names: str, many: bool = False, group: str = "", **settings: Any) -> None:
        super().__init__(names, multiple=settings.pop("multiple", many), **settings)
        self.many = many
        self.group = group


class _Type(click.ParamType[Any]):
    """One value of the command line; `refused` says it in our words."""

    expected = ""

    def refused(self, param: click.Parameter | None, value: Any, problem: str, expected: str = "") -> InputError:
        name = param.opts[0] if isinstance(param, click.Option) else (param.human_readable_name if param else "it")
        return InputError(
            f"{name} {problem}",
            got=repr(value),
            expected=expected or self.expected,
            todo=f"give {name} another value",
        )


class _File(_Type):
    name = "file"
    expected = "the name of a file or folder"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value)
        if (why := no_name(path) if str(value) else "nothing") is not None:
            raise self.refused(param, str(value)[:60], f"names no file ({why})")
        return path


class _Folder(_File):
    """A folder that is written into: told before the work that it cannot be."""

    name = "dir"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        folder = super().convert(value, param, ctx)
        if (why := not_a_place(folder)) is not None:
            raise OutputError(
                f"nothing can be written into {folder}",
                got=why,
                expected="a folder, or a name that one can be made under",
                todo=f"name another {param.opts[0] if param else 'folder'}; nothing was begun",
            )
        return folder


class _Number(_Type):
    name = "number"
    expected = "a number, such as 0.05"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self.refused(param, value, "is no number")
        return number


class _Whole(_Type):
    name = "n"
    expected = "a whole number, such as 0 or 25"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return int(value)
        except ValueError as error:
            raise self.refused(param, value, "is no whole number") from error


class OneOf(_Type):
    """One of a few words."""

    name = "choice"

    def __init__(self, *words: str) -> None:
        self.words = words

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return "|".join(self.words)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self.words:
            choices = f"{', '.join(self.words[:-1])} or {self.words[-1]}" if len(self.words) > 1 else self.words[0]
            near = nearest(value, self.words)
            raise self.refused(
                param, value, "is none of the words it can be", choices + (f"; {near}" if near[0] == "d" else "")
            )
        return str(value)


class _Report(_File):
    """A PDF that is written, over none but another: told before the work."""

    name = "pdf"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = super().convert(value, param, ctx)
        if path.is_dir():
            raise self.refused(param, str(value), "is a folder", "the name of a file, such as report.pdf")
        refuse_another(path, b"%PDF-")
        return path


FILE, FOLDER, REPORT, NUMBER, WHOLE = _File(), _Folder(), _Report(), _Number(), _Whole()


class Command(click.Command):
    """A command of ours: it hands back a Call in place of running. `more` is help beside the line of the table."""

    more = ""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        options = [p for p in self.get_params(ctx) if isinstance(p, click.Option)]
        return super().parse_args(ctx, spelled_out(args, options, ctx.command_path))

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Everything that must be given, and then [OPTIONS]."""
        needed = [p for p in self.params if p.required]
        shown = [
            f"{p.opts[0]} {p.make_metavar(ctx)}" if isinstance(p, click.Option) else p.make_metavar(ctx) for p in needed
        ]
        optional = [p.make_metavar(ctx) for p in self.params if isinstance(p, click.Argument) and not p.required]
        return [*shown, *optional, "[OPTIONS]"]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Under a heading each."""
        headings: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and record[1]:
                headings.setdefault(getattr(param, "group", "") or "Options", []).append(record)
        for heading, records in headings.items():
            with formatter.section(heading):
                formatter.write_dl(records)


class Commands(click.Group):
    """The commands of the table; a module is imported when its command is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        where, words = COMMANDS[name]
        module, _, function = where.partition(":")
        loaded = getattr(importlib.import_module(f"assay._commands.{module}"), function)
        assert isinstance(loaded, Command)
        loaded.name = name
        loaded.help = f"{words[0].upper()}{words[1:]}." + (f"\n\n{loaded.more}" if loaded.more else "")
        return loaded

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table alone: no command is imported to be listed."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing:  # a shell asks how a word may go on
            return super().parse_args(ctx, args)
        if not args:
            raise InputError(
                "no command was named",
                got="nothing after `assay`",
                expected=", ".join(COMMANDS),
                todo="`assay --help` says what each does; `assay demo` shows them at work",
            )
        known = {name: p for p in self.get_params(ctx) if isinstance(p, click.Option) for name in p.opts}
        first = _whole_name(args[0], known, ctx.command_path) if args[0].startswith("-") else args[0]
        return super().parse_args(ctx, [first, *args[1:]])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args[0] not in COMMANDS and not ctx.resilient_parsing:
            raise InputError(
                f"there is no command {args[0]!r}",
                got=args[0],
                expected=nearest(args[0], COMMANDS),
                todo="`assay --help` lists the commands",
            )
        return super().resolve_command(ctx, args)


def command(*params: click.Parameter, more: str = "") -> Callable[[Callable[..., Any]], Command]:
    """The decorator of a command's function, which takes each option by name and returns (document, words)."""

    def decorate(function: Callable[..., Any]) -> Command:
        def call(**values: Any) -> Call:
            as_json = values.pop("json")
            name = click.get_current_context().info_name or ""
            return Call(name, lambda **g: Result(*function(**g)), values, as_json)

        json = Option("--json", is_flag=True, help="One JSON document on stdout, nothing else.")
        done = Command(function.__name__, params=[*params, json], callback=call, context_settings=_SETTINGS)
        done.more = more
        return done

    return decorate


def parsed(argv: Sequence[str]) -> Call | None:
    """What the words of a command line ask for; None where they asked for help or the version, which has been printed.

    Raises InputError, and BrokenPipeError where nobody reads what is printed.
    """
    version = Option(
        "--version", is_flag=True, is_eager=True, expose_value=False, callback=_say_version, help="Print the version."
    )
    group = Commands(
        "assay",
        help="Audit decisions about people; sign what was found. `assay COMMAND --help` says more of each.",
        params=[version],
        context_settings=_SETTINGS,
        subcommand_metavar="COMMAND",
        no_args_is_help=False,
    )
    if "_ASSAY_COMPLETE" in os.environ:  # a shell asks how a word may go on, and the process ends with the answer
        group.main(prog_name="assay")
    try:
        # Not `group.main`, which ends the process with 1 where nobody reads the help any more.
        with group.make_context("assay", list(argv)) as context:
            call = group.invoke(context)
    except click.exceptions.Exit:
        return None
    except click.UsageError as error:
        raise _in_our_words(error) from error
    except click.Abort as error:
        raise KeyboardInterrupt from error
    return call if isinstance(call, Call) else None


def _say_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(f"assay {VERSION}")
        ctx.exit()


def _in_our_words(error: click.UsageError) -> InputError:
    """One message, with the usage of the command."""
    ctx = error.ctx
    path = ctx.command_path if ctx else "assay"
    usage = " ".join([path, *ctx.command.collect_usage_pieces(ctx)]) if ctx else "assay COMMAND"
    todo = f"`{path} --help` says more"
    if isinstance(error, click.MissingParameter) and error.param is not None and ctx is not None:
        metavar = error.param.make_metavar(ctx)
        name = f"{error.param.opts[0]} {metavar}" if isinstance(error.param, click.Option) else metavar
        return InputError(f"{name} is missing", expected=usage, todo=todo)
    problem = error.format_message().rstrip(".")
    return InputError(problem[:1].lower() + problem[1:], expected=usage, todo=todo)


def spelled_out(args: Sequence[str], options: Iterable[click.Option], path: str) -> list[str]:
    """The words as click reads them: abbreviations written out, `--sensitive a b` as two options, `--name=value`.

    Raises InputError for an option that is not known, that is short for several, or that lacks its value.
    """
    known = {name: option for option in options for name in option.opts}
    rest = list(args)
    out: list[str] = []
    once: dict[str, str] = {}
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*out, word, *rest]
        if _OPTION.fullmatch(word) is None and _SHORT.fullmatch(word) is None:
            out.append(word)
            continue
        short, equals, value = word.partition("=")
        name = _whole_name(short, known, path)
        option = known[name]
        if option.is_flag or option.count:
            if equals:
                raise InputError(f"{name} takes no value", got=word, expected=name, todo="leave the value out")
            out.append(name)
            continue
        values = [value] if equals else []
        several = getattr(option, "many", False)
        while not equals and rest and (several or not values) and rest[0] != "--" and not _OPTION.fullmatch(rest[0]):
            values.append(rest.pop(0))
        if not values:
            raise InputError(
                f"{name} needs a value",
                got=f"{rest[0]} after it" if rest else "nothing after it",
                expected=f"{name} {_metavar(option)}",
                todo=f"give it one; write {name}=--VALUE where it begins with --",
            )
        if not option.multiple and once.setdefault(name, values[0]) != values[0]:
            raise InputError(
                f"{name} is given twice", got=f"{once[name]} and {values[0]}", expected="one value",
                todo="leave one of them out",
            )  # fmt: skip
        out += [f"{name}={each}" for each in values]
    return out


def _metavar(option: click.Option) -> str:
    return option.metavar or (
        "|".join(option.type.words) if isinstance(option.type, OneOf) else option.type.name.upper()
    )


def _whole_name(short: str, known: dict[str, click.Option], path: str) -> str:
    """The option that `short` names or abbreviates."""
    if short in known:
        return short
    begins = [name for name in known if short.startswith("--") and name.startswith(short)]
    if len(begins) == 1:
        return begins[0]
    if begins:
        raise InputError(
            f"{short} is short for several options", got=short, expected=", ".join(begins), todo="write it out"
        )
    raise InputError(
        f"`{path}` has no option {short}",
        got=short,
        expected=nearest(short, known),
        todo=f"`{path} --help` lists the options",
    )
