"""Work done in a process of its own: what it takes in memory is given back when it ends."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from audit import errors
from audit.errors import AssayError, OutputError

Result = TypeVar("Result")
ROOT = Path(__file__).resolve().parents[1]


def elsewhere(function: Callable[..., Result], *args: Any) -> Result:
    """`function(*args)` in a process of its own: a function of ours by its name, what goes in and comes out pickled.

    Raises what the function raises of ours, and OutputError where the process ended without an answer.
    """
    asked = pickle.dumps((function.__module__, function.__qualname__, args))
    done = subprocess.run(
        [sys.executable, "-m", "audit.elsewhere"], cwd=ROOT, input=asked, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise OutputError(
            "the file could not be looked at", got=f"a process that ended with {done.returncode}",
            expected="room in memory for a few columns of it", todo="make room, or bring Parquet, which is read faster",
        )  # fmt: skip
    # From our own process, which we have just started.
    good, result = pickle.loads(done.stdout)
    if not good:
        name, parts = result
        raise getattr(errors, name).of(parts)
    answer: Result = result
    return answer


def main() -> None:
    """The other end."""
    import importlib

    module, name, args = pickle.load(sys.stdin.buffer)
    try:
        reply: Any = True, getattr(importlib.import_module(module), name)(*args)
    except AssayError as error:
        parts = {k: getattr(error, k) for k in ("problem", "got", "expected", "todo")}
        reply = False, (type(error).__name__, parts)
    sys.stdout.buffer.write(pickle.dumps(reply))


if __name__ == "__main__":
    main()
