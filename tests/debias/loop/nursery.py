"""Runs a loop in a child that is killed, again and again, until it is done. A program of its own: it forks.

    python nursery.py CASE.toml FOLDER KILLS

Everything is imported once; each child is a fork of that, begins where the last one stopped, and is ended by SIGKILL
after a drawn time. After 17 kills the last child is left to finish, and the next run begins, in another folder under
FOLDER, until there were KILLS of children that worked. Prints for each run how many, and how the last one ended.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path


def main() -> int:
    """See above."""
    import scipy.optimize
    import scipy.stats  # noqa: F401 - what a run imports late is imported here, once

    from audit.load import load_case
    from debias.loop.run import run_watch

    case, kills, runs = Path(sys.argv[1]), int(sys.argv[3]), 0
    while kills:
        # Short lives first, so that beginnings are hit too; later ones get as far as the challenger.
        longest = (0.1, 0.25, 0.5)[runs % 3]
        out = Path(sys.argv[2]) / f"killed-{runs}"
        killed, code = raised(lambda out=out: run_watch(load_case(case), out), min(17, kills), longest, runs)
        print(killed, code, flush=True)
        kills, runs = kills - killed, runs + 1
    return 0


def raised(work: Callable[[], object], kills: int, longest: float, seed: int) -> tuple[int, int]:
    """How many children were killed while they worked, and how the last one ended."""
    draw, killed = random.Random(seed), 0
    while True:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work()
                code = 0
            finally:
                os._exit(code)
        status = None
        if killed < kills:
            until = time.monotonic() + draw.uniform(0.0, longest)
            while status is None and time.monotonic() < until:
                ended, result = os.waitpid(child, os.WNOHANG)
                status = result if ended else None
                time.sleep(0.001)
            if status is None:
                os.kill(child, signal.SIGKILL)
        if status is None:
            status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status):
            return killed, os.waitstatus_to_exitcode(status)
        killed += 1


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
    sys.exit(main())
