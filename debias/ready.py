"""The next command of a queue gets ready while another has its turn: `python -m debias.ready HANDLE ARGS...`.

It loads what the command will import, and for one that asks a case's model starts that model's process, behind the
same walls and by the same rules as the command itself, which finds it again (audit.models.held). Then it waits: a byte
on HANDLE is its turn, the end of it means that there is nothing to do. It measures nothing and writes nothing before.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from audit import starts

LOADED = {
    "audit": ("assay._commands.audit", "audit.run", "audit.models", "reports.presets"),
    "explain": ("assay._commands.explain", "audit.explain.run", "audit.models", "reports.presets"),
    "mitigate": ("assay._commands.mitigate", "debias.mitigate", "audit.models", "reports.presets"),
}
"""Command -> what it imports."""


class Command:
    """The command of a job, once it runs; before that, where it is the next one, getting ready (debias.ready)."""

    def __init__(self, args: Sequence[str]) -> None:
        self.args = args
        self.child: subprocess.Popen[bytes] | None = None
        self.turn: int | None = None

    def get_ready(self) -> None:
        if self.child is None:
            mine, self.turn = os.pipe()
            start = [sys.executable, "-m", "debias.ready", str(mine), *self.args]
            self.child = subprocess.Popen(start, pass_fds=[mine])
            os.close(mine)

    def run(self, env: Mapping[str, str], handles: Sequence[int]) -> None:
        """Begin: the one that is ready. A new one where none is, and for a case that was sealed meanwhile, since the
        ready one keeps the environment that it has and has hold of no case."""
        if env or handles or self.turn is None or self.child is None or self.child.poll() is not None:
            self.drop()
            start = [sys.executable, "-m", "cli", *self.args]
            self.child = subprocess.Popen(start, env={**os.environ, **env}, pass_fds=handles)
            return
        with contextlib.suppress(BrokenPipeError):  # it ended just now, and its code says how
            os.write(self.turn, b"1")
        self._close()

    def wait(self) -> int:
        assert self.child is not None
        return self.child.wait()

    def terminate(self) -> None:
        if self.child is not None:
            self.child.terminate()

    def drop(self) -> None:
        """End one that got ready for nothing."""
        if self.turn is not None and self.child is not None:
            self._close()
            self.child.wait()

    def _close(self) -> None:
        if self.turn is not None:
            os.close(self.turn)
            self.turn = None


def prepare(args: Sequence[str]) -> None:
    """Load what `args` will import, and open the model that it will ask. Raises what that raises."""
    if not args or args[0] not in LOADED:
        return
    for name in LOADED[args[0]]:
        importlib.import_module(name)
    from audit.asked import open_model
    from audit.load import load_case
    from audit.models import Worker

    case = load_case(Path(args[1]))
    if case.model.kind != "path" or case.model.path is None:
        return
    allow = [v for k, v in pairwise(args) if k == "--allow"]
    worker = open_model(case.model, allow)
    if type(worker) is Worker:
        with worker:
            pass  # it goes on loading, and is kept for the command


def main(argv: Sequence[str]) -> None:
    turn, args = int(argv[0]), list(argv[1:])
    starts.command()  # as `cli.start`
    from audit.models.held import job

    try:
        with job():
            with contextlib.suppress(Exception):  # the command itself says what is wrong
                prepare(args)
            if os.read(turn, 1):
                sys.argv[1:] = args
                runpy.run_module("cli", run_name="__main__", alter_sys=True)
    except starts.Stopped:  # while it waited for its turn
        starts.end_as_asked()


if __name__ == "__main__":
    main(sys.argv[1:])
