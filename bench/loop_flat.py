"""What a batch costs after a thousand others, a look at millions of late outcomes, and opening a long trail.

    python bench/loop_flat.py batches --batches 1000 --rows 5000     the last hundred over a fresh loop's first
    python bench/loop_flat.py labels --ids 5000000                   one look
    python bench/loop_flat.py trail --entries 100000                 opened by a watcher

Processor time of this process, one file a batch, a score in a column, outcomes one batch late.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from audit.case import Case  # noqa: E402
from audit.load import load_case  # noqa: E402
from debias.loop.labels import Labels  # noqa: E402
from debias.loop.trail import Trail  # noqa: E402
from debias.loop.watcher import Watcher  # noqa: E402
from tests.debias.loop.fed import people, write_case  # noqa: E402


def batches(folder: Path, count: int, rows: int) -> None:
    """A loop over `count` batches; over the last hundred, a fresh loop beside it takes batches in turn with it, so that
    what else the machine does weighs on both alike."""
    url = f"sqlite:///{folder}"
    long, fresh = (make_case(folder / name) for name in ("long", "fresh"))
    each: dict[str, list[float]] = {"long": [], "fresh": []}
    with (
        Trail.open(f"{url}/long.db") as old, Watcher(long, folder / "long/out", old) as first,
        Trail.open(f"{url}/fresh.db") as new, Watcher(fresh, folder / "fresh/out", new) as second,
    ):  # fmt: skip
        for number in range(count):
            day = people(1, rows, seed=number, gap=0.0).assign(day=number)
            day["id"] += number * rows
            for name, watcher in (("long", first), ("fresh", second)):
                if name == "long" or number >= count - 110:
                    path = folder / name / "in" / f"{number:05d}.parquet"
                    day.to_parquet(path)
                    os.utime(path, (time.time() - 100,) * 2)
                    with contextlib.redirect_stderr(io.StringIO()):
                        begun = time.process_time()
                        assert watcher.advance()
                        each[name].append(time.process_time() - begun)
            if number % 100 == 99:
                print(f"{number - 98:5d} to {number + 1:5d}: {np.mean(each['long'][-100:]) * 1e3:7.1f} ms", flush=True)
    after, before = (float(np.mean(each[name][-100:])) for name in ("long", "fresh"))
    print(f"{after * 1e3:.1f} ms after {count - 100:,} batches, {before * 1e3:.1f} ms after 10: {after / before:.3f}")


def make_case(folder: Path) -> Case:
    """A case over the files of a folder."""
    write_case(folder, people(2, gap=0.0), more='source = "in/*.parquet"', delay=1)
    (folder / "in").mkdir()
    return load_case(folder / "case.toml")


def labels(folder: Path, ids: int) -> None:
    """Processor time of looks at so many ids in ten files."""
    write_case(folder, people(2))
    case = load_case(folder / "case.toml")
    late = folder / "late"
    late.mkdir()
    for k in range(10):
        part = np.arange(k * (ids // 10), (k + 1) * (ids // 10))
        pd.DataFrame({"id": part, "repaid": np.where(part % 3, "yes", "no")}).to_parquet(late / f"{k}.parquet")
    late_labels = Labels(replace(case, watch=replace(case.watch, labels=late / "*.parquet")))
    frame = pd.DataFrame({"id": np.arange(5000) * 7, "repaid": pd.Series([None] * 5000, dtype="str")})
    time.sleep(1.2)
    for name in ("first look", "look", "look"):
        begun = time.process_time()
        late_labels.look()
        late_labels.onto(frame)
        print(f"{name}: {time.process_time() - begun:.3f} s", flush=True)
    pd.DataFrame({"id": [1, 2], "repaid": ["yes", "no"]}).to_parquet(late / "z.parquet")
    time.sleep(1.2)
    begun = time.process_time()
    late_labels.look()
    late_labels.onto(frame)
    print(f"look after a new file: {time.process_time() - begun:.3f} s", flush=True)


def trail(folder: Path, entries: int) -> None:
    """How long a watcher takes to open so many entries, each second one as long as a batch's."""
    write_case(folder, people(4))
    case = load_case(folder / "case.toml")
    url = f"sqlite:///{folder}/watch.db"
    with Trail.open(url) as opened, Watcher(case, folder / "out", opened) as watcher:
        with contextlib.redirect_stderr(io.StringIO()):
            watcher.advance()
        state = opened.kept("state")
    with Trail.open(url) as opened:
        body = dict(list(opened.entries())[-1].body)
        stands = {"before": "HEALTHY", "after": "HEALTHY", **{k: body[k] for k in ("running", "policy")}}
        done = 0
        while done < entries:
            with opened.write() as page:
                page.keep("state", state)
                for k in range(1000):
                    page.append("known", "x", {"changes": []} if k % 2 else body["facts"], **stands)
                done += 1000
    begun, cpu = time.monotonic(), time.process_time()
    with Trail.open(url) as opened, Watcher(case, folder / "out", opened):
        took = f"{time.monotonic() - begun:.2f} s, {time.process_time() - cpu:.2f} s of processor"
        print(f"{entries:,} entries: opened in {took}")


def main() -> int:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("batches", "labels", "trail"))
    parser.add_argument("--batches", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--ids", type=int, default=5_000_000)
    parser.add_argument("--entries", type=int, default=100_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if args.what == "batches":
            batches(place, args.batches, args.rows)
        elif args.what == "labels":
            labels(place, args.ids)
        else:
            trail(place, args.entries)
    return 0


if __name__ == "__main__":
    sys.exit(main())
