"""Runs a loop in a child that is killed, again and again, until it is done. A program of its own: it forks.

    python nursery.py CASE.toml OUT SEED KILLS LONGEST

Everything is imported once; each child is a fork of that, begins where the last one stopped, and is ended by SIGKILL
after a time drawn by SEED, up to LONGEST seconds. After KILLS kills the last child is left to finish. Prints how many
were killed while they worked, and how the last one ended.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path


def main() -> int:
    """See above."""
    import scipy.optimize
    import scipy.stats  # noqa: F401 - what a run imports late is imported here, once

    from audit.load import load_case
    from debias.loop.run import run_watch

    case, out = Path(sys.argv[1]), Path(sys.argv[2])
    draw, kills, longest = random.Random(int(sys.argv[3])), int(sys.argv[4]), float(sys.argv[5])
    killed = 0
    while True:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                run_watch(load_case(case), out)
                code = 0
            finally:
                os._exit(code)
        status = None
        if killed < kills:
            until = time.monotonic() + draw.uniform(0.0, longest)
            while status is None and time.monotonic() < until:
                ended, found = os.waitpid(child, os.WNOHANG)
                status = found if ended else None
                time.sleep(0.001)
            if status is None:
                os.kill(child, signal.SIGKILL)
        if status is None:
            status = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(status):
            killed += 1
            continue
        print(killed, os.waitstatus_to_exitcode(status))
        return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
    sys.exit(main())
