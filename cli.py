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
        call = parsed(words)
        if call is None:
            raise SystemExit(0)
        as_json = call.json
        return _finished(call, name)
    except AssayError as error:
        print(printable(f"{name}: {error.message}"), file=sys.stderr)
        if as_json:
            print(json.dumps(error.to_json(), ensure_ascii=False, indent=1))
        return error.exit_code
    except KeyboardInterrupt:
        print(f"{name}: stopped after {time.monotonic() - started:.0f} s.", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our output has stopped reading; nothing was lost.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("ASSAY_DEBUG"):
            raise
        print(
            f"{name}: a fault of ours, not of your input ({type(error).__name__}: {error}). What was on "
            "disk before is unchanged. Set ASSAY_DEBUG=1 and run it again for the whole trace.",
            file=sys.stderr,
        )
        return 1


def _finished(call: Call, name: str) -> int:
    """Run it and print what it found; where that ends in an error, the error follows on stderr."""
    try:
        with job():
            result = call.run()
    finally:
        progress.end()
    print(
        json.dumps(result.document, ensure_ascii=False, indent=1) if call.json else printable(result.words),
        flush=True,
    )
    if result.failure is None:
        return 0
    print(printable(f"{name}: {result.failure.message}"), file=sys.stderr)
    return result.failure.exit_code


def start() -> None:
    """What an installed `assay` starts: a process that ends with its command."""
    starts.command()
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
        os._exit(code[0])


if __name__ == "__main__":
    start()
