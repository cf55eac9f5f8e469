"""`assay`: the door for programs. The commands are in `assay/_commands`, one line each in its table.

Results go to stdout (with --json: one document and nothing else), progress and errors to stderr. Exit codes: 0 done,
1 a fault of ours, 2 the input cannot be used, 3 a norm is broken (--gate), 4 verification failed, 5 verified in part.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from assay._commands import COMMANDS
from assay._commands.parsing import Call, parsed
from audit import progress, starts
from audit.errors import AssayError
from audit.models.held import job
from audit.printable import printable
from reports import typesetter


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. With --help it prints help and ends the process with 0."""
    words = list(sys.argv[1:] if argv is None else argv)
    started = time.monotonic()
    name, as_json = f"assay {words[0]}" if words and words[0] in COMMANDS else "assay", "--json" in words
    progress.begin(*words)
    try:
        try:
            call = parsed(words)  # which prints help itself
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _lost(error) from error
        if call is None:
            raise SystemExit(0)
        as_json = call.json
        return _finished(call, name)
    except AssayError as error:
        progress.say(f"{name}: {error.message}")
        if as_json:
            _report_errors(name, _printed(json.dumps(error.to_json(), ensure_ascii=False, indent=1)))
        return error.exit_code
    except KeyboardInterrupt:
        progress.say(f"{name}: stopped after {time.monotonic() - started:.0f} s.")
        return 1
    except BrokenPipeError:
        _leave_stdout()
        return 0
    except Exception as error:
        if os.environ.get("ASSAY_DEBUG"):
            raise
        progress.say(
            f"{name}: a fault of ours, not of your input ({type(error).__name__}: {error}). What was on "
            "disk before is unchanged. Set ASSAY_DEBUG=1 and run it again for the whole trace."
        )
        return 1


def _finished(call: Call, name: str) -> int:
    """Run it and print what it found; where that ends in an error, the error follows on stderr."""
    try:
        with job():
            result = call.run()
    finally:
        progress.end()
    lost = _printed(json.dumps(result.document, ensure_ascii=False, indent=1) if call.json else printable(result.words))
    _report_errors(name, lost, result.failure)
    ended = result.failure or lost
    return ended.exit_code if ended else 0


def _report_errors(name: str, *errors: AssayError | None) -> None:
    for error in errors:
        if error is not None:
            progress.say(f"{name}: {error.message}")


def _printed(words: str) -> AssayError | None:
    """Print it on stdout; where that cannot be written, the error that says so."""
    try:
        print(words, flush=True)
    except BrokenPipeError:
        _leave_stdout()
    except OSError as error:
        return _lost(error)
    return None


def _lost(error: OSError) -> AssayError:
    """What was printed did not arrive, which is the place's fault and not the command's."""
    _leave_stdout()
    return AssayError(
        "what was to be printed could not be written to standard output; files that the command wrote are whole",
        got=error.strerror or str(error),
        todo="make room there, or send the output elsewhere, and run it again",
    )


def _leave_stdout() -> None:
    """What is still printed goes nowhere, at the end of the process too: whoever read it has stopped reading, or it is
    full."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def start() -> None:
    """What an installed `assay` starts: a process that ends with its command."""
    starts.command(sys.argv[1:])
    typesetter.ends = True
    code: list[int] = []
    atexit.register(_end_at_once, code)  # the first that is registered, so that it is the last that is called
    code.append(main())
    sys.exit(code[0])


def _end_at_once(code: list[int]) -> None:
    """End without taking apart what is left, which is a sixth of a small audit. Threads have ended, and what libraries
    registered for the end has been done."""
    if code:
        with suppress(OSError, ValueError, AttributeError):  # nobody reads it any more
            sys.stdout.flush()
            sys.stderr.flush()
        starts.end_as_asked()
        os._exit(code[0])


if __name__ == "__main__":
    start()
