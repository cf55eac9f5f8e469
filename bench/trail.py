"""The trail with 100,000 events: how fast it is written, how large it is, how long a check and the screen's read take.

    python bench/trail.py [--events 100000] [--singles 500] [--repeat 5] [--url postgresql://...]

Two trails. `plain`: an event is one sentence. `real`: what the loop itself wrote for a batch of the replay "quiet"
(made here by running eight batches of it), with the state and the counts of the batch, as the loop does it. The trail
is filled in transactions of 100 events (`fill`); then come single events on the full trail, each on the disk before the
next begins (`single`): medians. The last page is the 50 newest entries, by a reader opened and closed each time, as the
screen does it. The peer in the same process is the database alone: the same rows in the same single transactions, with
no hash and no head.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from debias.loop.database import open_engine  # noqa: E402
from debias.loop.page import BATCHES, KEPT, TRAIL, Page  # noqa: E402
from debias.loop.trail import Trail  # noqa: E402

BLOCK = 100
PAGE = 50
Real = tuple[dict[str, Any], Any, Any, bytes | None]


def real_page(folder: Path) -> Real:
    """What the loop keeps of one batch: the entry's body, the state, the counts, the pending decisions."""
    from audit.load import load_case
    from debias.loop.run import run_watch, url_of

    run_watch(load_case(ROOT / "sample_data" / "replays" / "quiet.toml"), folder, max_batches=8)
    with Trail.open(url_of(folder, None), write=False) as trail:
        body = [e.body for e in trail.entries() if e.body["kind"] == "batch"][-1]
        number, cube = trail.cubes()[-1]
        return dict(body), trail.kept("state"), cube, trail.pending(number)


def put(page: Page, i: int, real: Real | None) -> None:
    """Event number i as the loop writes one."""
    if real is None:
        page.append("batch", f"Batch {i}, 1,000 people.", {"number": i})
        return
    body, state, cube, pending = real
    more = {k: body[k] for k in ("before", "after", "running", "policy")}
    page.keep("state", state)
    page.add_batch(i, f"{i:05d}-bench", f"{i:064d}", cube, pending)
    if i >= 2:
        page.forget_pending(i - 2)
    page.append(body["kind"], body["words"], body["facts"] | {"number": i}, **more)


def fill(url: str, events: int, real: Real | None) -> list[float]:
    """Seconds of each block of events, a transaction a block."""
    seconds = []
    with Trail.open(url) as trail:
        for start in range(0, events, BLOCK):
            began = time.perf_counter()
            with trail.write() as page:
                for i in range(start, min(start + BLOCK, events)):
                    put(page, i, real)
            seconds.append(time.perf_counter() - began)
    return seconds


def singles(url: str, start: int, n: int, real: Real | None) -> list[float]:
    """Seconds of each of n events, a transaction each."""
    seconds = []
    with Trail.open(url) as trail:
        for i in range(start, start + n):
            began = time.perf_counter()
            with trail.write() as page:
                put(page, i, real)
            seconds.append(time.perf_counter() - began)
    return seconds


def bare(url: str, start: int, n: int, real: Real | None) -> list[float]:
    """The same rows in the same transactions on the same tables, by the database alone."""
    engine, _, _ = open_engine(url, write=True)
    plain = {"kind": "batch", "words": "Batch 1, 1,000 people.", "facts": {"number": 1}}
    text = json.dumps(plain if real is None else real[0])
    seconds = []
    with engine.connect().execution_options(assay_writes=True) as c:
        for i in range(start, start + n):
            began = time.perf_counter()
            with c.begin():
                row = {"seq": i + 1, "prev": f"{i:064d}", "hash": f"{i:064d}", "time": "t", "seal": f"{i:064d}"}
                c.execute(TRAIL.insert(), row | {"body": text})
                if real is not None:
                    c.execute(KEPT.update().where(KEPT.c.name == "state").values(value=json.dumps(real[1])))
                    kept = {"number": i, "id": f"{i}", "sha256": f"{i:064d}", "cube": json.dumps(real[2])}
                    c.execute(BATCHES.insert(), kept | {"pending": real[3]})
                    c.execute(BATCHES.update().where(BATCHES.c.number == i - 2).values(pending=None))
            seconds.append(time.perf_counter() - began)
    engine.dispose()
    return seconds


def median(work: Callable[[], Any], repeat: int) -> float:
    """The median of `repeat` runs in seconds."""
    seconds = []
    for _ in range(repeat):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def checked(url: str, events: int) -> None:
    """The whole chain, by a reader of its own."""
    with Trail.open(url, write=False) as trail:
        assert trail.check()["entries"] == events


def last_page(url: str) -> None:
    """What a screen reads."""
    with Trail.open(url, write=False) as trail:
        assert len(trail.latest(PAGE)) == PAGE


def size_of(url: str) -> int:
    """Bytes of the database."""
    engine, _, file = open_engine(url, write=True)
    if file is not None:
        return sum(p.stat().st_size for p in file.parent.glob(file.name + "*"))
    with engine.connect() as c:
        tables = " + ".join(f"pg_total_relation_size('{t}')" for t in ("trail", "kept", "batches"))
        return int(c.execute(sa.text(f"SELECT {tables}")).scalar_one())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--singles", type=int, default=500)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--url", help="a PostgreSQL database; two schemas are made and dropped in it")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        real = real_page(folder / "loop")
        sizes = len(json.dumps(real[0])), len(json.dumps(real[1]))
        print(f"{args.events:,} events; an entry of the loop {sizes[0]:,} bytes, its state {sizes[1]:,}")
        print(
            "| trail | fill, events/s | single, ms | database alone, ms | size, MB | bytes/event | check, s "
            "| last page, ms |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for kind, page_data in (("plain", None), ("real", real)):
            with place(args.url, folder, kind) as url:
                filled = BLOCK / statistics.median(fill(url, args.events, page_data))
                size = size_of(url)
                check = median(partial(checked, url, args.events), args.repeat)
                page = median(partial(last_page, url), 10 * args.repeat)
                single = statistics.median(singles(url, args.events, args.singles, page_data))
                alone = statistics.median(bare(url, args.events + args.singles, args.singles, page_data))
                print(
                    f"| {kind} | {filled:,.0f} | {1000 * single:.2f} | {1000 * alone:.2f} | {size / 1e6:,.1f} "
                    f"| {size / args.events:,.0f} | {check:.2f} | {1000 * page:.1f} |",
                    flush=True,
                )


class place:
    """A database for one trail: a file, or a schema that goes again."""

    def __init__(self, url: str | None, folder: Path, name: str) -> None:
        self._server, self._name = url, f"bench_{name}"
        self._file = folder / f"{name}.db"

    def __enter__(self) -> str:
        if self._server is None:
            return f"sqlite:///{self._file}"
        self._run(f"CREATE SCHEMA {self._name}")
        joined = "&" if "?" in self._server else "?"
        return f"{self._server}{joined}options=-csearch_path%3D{self._name}"

    def __exit__(self, *_: object) -> None:
        if self._server is None:
            for path in self._file.parent.glob(self._file.name + "*"):
                path.unlink()
        else:
            self._run(f"DROP SCHEMA {self._name} CASCADE")

    def _run(self, statement: str) -> None:
        engine, _, _ = open_engine(str(self._server), write=True)
        with engine.begin() as c:
            c.exec_driver_sql(statement)
        engine.dispose()


if __name__ == "__main__":
    main()
