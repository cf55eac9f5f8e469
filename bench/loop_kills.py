"""Killed (kill -9) while a challenger is built, and while it is promoted, on a case with a model: is it the same trail?

    python bench/loop_kills.py --kills 10

First the loop runs undisturbed, as `assay watch` in a process. Then it runs again and is killed so many times while it
says that it builds, at times drawn evenly over what a build took, and so many times in the batch of the promotion; it
goes on each time with another process. Told are the kills, and whether chain and pointer are those of the first.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import OneHotEncoder  # noqa: E402

from audit.models.write import skops_bytes  # noqa: E402
from tests.debias.loop.fed import bodies, hashes, people, write_case  # noqa: E402


def make_case(folder: Path, days: int, method: str) -> Path:
    learn = people(4, seed=9)
    towns = ("towns", OneHotEncoder(handle_unknown="ignore"), ["town"])
    model = make_pipeline(
        ColumnTransformer([towns, ("income", "passthrough", ["income"])]), LogisticRegression(max_iter=1000)
    ).fit(learn[["income", "town"]], (learn["score"] > 0.65).map({True: "yes", False: "no"}))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.skops").write_bytes(skops_bytes(model))
    write_case(folder, people(days), model='path = "model.skops"', delay=1, automatic="true", methods=f'["{method}"]')
    return folder / "case.toml"


class Child:
    """`assay watch` in a process; `until` waits for a line that begins so on its stderr, or for the trail to have the
    batch of this number."""

    def __init__(self, case: Path, out: Path) -> None:
        self._out = out
        env = os.environ | {"OMP_NUM_THREADS": "1"}
        words = [sys.executable, str(ROOT / "cli.py"), "watch", str(case), "--out", str(out)]
        self.process = subprocess.Popen(
            words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=env, start_new_session=True
        )

    def until(self, begin: str | int) -> bool:
        assert self.process.stderr is not None
        if isinstance(begin, int):
            threading.Thread(target=self.process.stderr.read, daemon=True).start()
            while not (there := has_batch(self._out, begin)) and self.process.poll() is None:
                time.sleep(0.01)
            return there
        for line in self.process.stderr:
            if line.startswith(begin):
                return True
        self.process.wait()
        return False

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> int:
        assert self.process.stderr is not None
        self.process.stderr.read()
        return self.process.wait()


def seconds(case: Path, out: Path, begin: str | int) -> float:
    """From that line to the next, from that batch to the next."""
    child = Child(case, out)
    if not child.until(begin):
        return 0.0
    begun = time.monotonic()
    child.until(begin + 1 if isinstance(begin, int) else "")
    took = time.monotonic() - begun
    child.kill()
    return took


def has(out: Path, kind: str) -> bool:
    return any(b["kind"] == kind for b in bodies(out))


def has_batch(out: Path, number: int) -> bool:
    return out.exists() and any(b["kind"] == "batch" and b["facts"]["number"] >= number for b in bodies(out))


def killed_at(case: Path, out: Path, begin: str | int, done: str, kills: int, rng: random.Random) -> int:
    """Kill it so many times after that line, before the trail has `done`; how many times that came about."""
    before = out.with_name(out.name + "-before")
    longest, count = 0.0, 0
    for _ in range(4 * kills):
        if count == kills:
            break
        if not longest:
            shutil.rmtree(before, ignore_errors=True)
            if out.exists():
                shutil.copytree(out, before)
            longest = seconds(case, out, begin) or 0.5
            if out.exists() and has(out, done):
                shutil.rmtree(out)
                if before.exists():
                    shutil.copytree(before, out)
            continue
        child = Child(case, out)
        if not child.until(begin):
            raise SystemExit(f"it never said {begin!r}")
        time.sleep(rng.uniform(0, longest))
        child.kill()
        if has(out, done):
            shutil.rmtree(out)
            if before.exists():
                shutil.copytree(before, out)
            longest *= 0.8
            continue
        count += 1
    return count


def main() -> int:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--days", type=int, default=26)
    parser.add_argument("--method", default="threshold")
    args = parser.parse_args()
    rng = random.Random(18)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        case = make_case(folder, args.days, args.method)
        whole, out = folder / "whole", folder / "killed"
        assert Child(case, whole).end() == 0
        entries: list[dict[str, Any]] = bodies(whole)
        kinds = [b["kind"] for b in entries]
        print(
            "undisturbed:",
            len(entries),
            "entries;",
            ", ".join(k for k in kinds if k in ("confirmed", "shadow", "promoted", "settled")),
        )
        if "promoted" not in kinds:
            raise SystemExit("nothing was promoted")
        built = killed_at(case, out, "Building a challenger", "shadow", args.kills, rng)
        number = next(
            b["facts"]["number"] for b in reversed(entries[: kinds.index("promoted")]) if b["kind"] == "batch"
        )
        promoted = killed_at(case, out, number - 1, "promoted", args.kills, rng)
        assert Child(case, out).end() == 0
        same = hashes(out) == hashes(whole)
        pointer = (out / "running.json").read_bytes() == (whole / "running.json").read_bytes()
        told_of = ", ".join(f"{k} {'equal' if v else 'NOT equal'}" for k, v in (("chain", same), ("pointer", pointer)))
        print(f"killed {built} times during a build and {promoted} during a promotion: {told_of}")
        return 0 if same and pointer else 1


if __name__ == "__main__":
    sys.exit(main())
