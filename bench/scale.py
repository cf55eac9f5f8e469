"""An audit of a file larger than comfort against the bare GROUP BY on the same file, and how time grows.

    python bench/scale.py [--rows 10000000 100000000] [--csv] [--folder DIR] [--growth]

The bench makes a Parquet file: two attributes of ten groups together, a label, a decision and a score in 1,000 levels.
Ours is `run_audit` as the command line calls it, 2,000 draws, from the file to evidence.json on disk, its sha256 too.
The peer is DuckDB alone, on as many threads: `SELECT ..., count(*) ... GROUP BY ALL` over the same columns, fetched.
--csv: the same table as CSV (10 million rows are 203 MB), read by DuckDB as text on the peer's side. The audit chooses
its own way through the file, as it does for a person. Each runs in a process of its own, the two in turn; medians, and
the largest peak of resident memory. --growth prints how the time of an audit in memory grows with rows, groups and
scores.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

BATCH = 2_000_000


def make(path: Path, rows: int, seed: int = 0) -> None:
    """The table, written in row groups: sex, race, label, decision, score."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)
    names = {"sex": ["Female", "Male"], "race": ["A", "B", "C", "D", "E"], "said": ["no", "yes"]}
    schema = pa.schema(
        [("sex", pa.string()), ("race", pa.string()), ("label", pa.string()), ("decision", pa.string()),
         ("score", pa.float64())]
    )  # fmt: skip
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, rows, BATCH):
            n = min(BATCH, rows - start)
            sex = (rng.random(n) < 0.55).astype(np.int8)
            race = rng.choice(5, n, p=[0.5, 0.2, 0.15, 0.1, 0.05]).astype(np.int8)
            label = (rng.random(n) < 0.2 + 0.1 * sex).astype(np.int8)
            score = np.floor(np.clip(rng.normal(0.35 + 0.25 * label, 0.15, n), 0, 0.999) * 1000) / 1000
            decided = (score >= 0.5).astype(np.int8)

            def words(codes: np.ndarray, key: str) -> pa.Array:
                return pa.DictionaryArray.from_arrays(codes, names[key]).cast(pa.string())

            columns = [words(sex, "sex"), words(race, "race"), words(label, "said"), words(decided, "said"), score]
            writer.write_table(pa.table(columns, schema=schema))


def as_csv(parquet: Path) -> Path:
    """The table once more, as CSV beside it."""
    import duckdb

    path = parquet.with_suffix(".csv")
    if not path.exists():
        duckdb.connect().execute(f"COPY (SELECT * FROM '{parquet}') TO '{path}' (HEADER)")
    return path


def ours(path: Path, out: Path) -> None:
    from audit.case import Case, DataSpec, ModelSpec
    from audit.gaps import Settings
    from audit.load import load_policy
    from audit.run import run_audit

    data = DataSpec(path, "label", "yes", "yes", ("sex", "race"))
    case = Case("bench", "bench", data, ModelSpec("score", column="score"), load_policy(None))
    run_audit(case, out, Settings(draws=2000))


def theirs(path: Path, out: Path) -> None:
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    columns = "sex, race, label, decision, score"
    file = f"read_csv('{path}', all_varchar = true)" if path.suffix == ".csv" else f"read_parquet('{path}')"
    table = connection.sql(f"SELECT {columns}, count(*) FROM {file} GROUP BY ALL").to_arrow_table()
    print(table.num_rows, file=sys.stderr)


def alone(who: str, path: Path) -> tuple[float, float, float]:
    """Seconds inside the work, processor seconds of it, and peak MiB of the process."""
    # VmHWM and not ru_maxrss: that begins with what this process had when it was forked.
    code = (
        "import sys, time, json, tempfile; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "sys.path.insert(0, sys.argv[1] + '/bench'); import scale, audit.run, duckdb, pandas;"
        "start, cpu = time.perf_counter(), time.process_time();"
        "getattr(scale, sys.argv[2])(Path(sys.argv[3]), Path(tempfile.mkdtemp()));"
        "took = [time.perf_counter() - start, time.process_time() - cpu];"
        "peak = next(int(t.split()[1]) for t in open('/proc/self/status') if t.startswith('VmHWM'));"
        "print(json.dumps([*took, peak / 1024]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT), who, str(path)], capture_output=True, text=True, check=True
    )
    seconds, cpu, peak = json.loads(done.stdout.splitlines()[-1])
    return float(seconds), float(cpu), float(peak)


def growth() -> None:
    """Seconds from columns in memory to the last figure, by rows, groups and scores."""
    from audit.cube import CodedRows, Meaning, cube_of, margins_of
    from audit.gaps import Settings
    from audit.measure import measure

    print("| rows | groups | scores | seconds | figures |\n|---|---|---|---|---|")
    for rows, groups, scores in (
        (10_000, 2, 0), (100_000, 2, 0), (1_000_000, 2, 0), (1_000_000, 10, 0), (1_000_000, 50, 0),
        (1_000_000, 10, 100), (1_000_000, 10, 1000),
    ):  # fmt: skip
        rng = np.random.default_rng(0)
        levels = tuple(f"g{i:02}" for i in range(groups))
        coded = CodedRows(
            ("g",), (levels,), rng.integers(0, groups, (rows, 1)), rng.integers(0, 2, rows), rng.integers(0, 2, rows),
            None, rng.integers(0, scores, rows) / scores if scores else None, Meaning("1", "0", "1"),
        )  # fmt: skip
        best = float("inf")
        for _ in range(3):
            start = time.perf_counter()
            margins, _ = margins_of(cube_of(coded))
            measures = measure(margins, Settings())
            best = min(best, time.perf_counter() - start)
        print(
            f"| {rows:,} | {groups} | {scores:,} | {best:.2f} | {len(measures.rates) + len(measures.gaps)} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000_000])
    parser.add_argument("--csv", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--growth", action="store_true")
    args = parser.parse_args()
    if args.growth:
        growth()
        return
    print("| rows | file MB | group by s (CPU) | audit s (CPU) | ratio (CPU) | audit peak MiB | group by peak MiB |")
    print("|---|---|---|---|---|---|---|")
    for rows in args.rows:
        path = args.folder / f"assay-bench-{rows}.parquet"
        if not path.exists():
            make(path, rows)
        path = as_csv(path) if args.csv else path
        runs = [(alone("theirs", path), alone("ours", path)) for _ in range(args.repeats)]
        (peer, peer_cpu), (mine, cpu) = ([statistics.median(r[i][k] for r in runs) for k in (0, 1)] for i in (0, 1))
        peaks = [max(r[i][2] for r in runs) for i in (0, 1)]
        size = path.stat().st_size / 1e6
        figures = f"{peer:.2f} ({peer_cpu:.2f}) | {mine:.2f} ({cpu:.2f}) | {mine / peer:.2f} ({cpu / peer_cpu:.2f})"
        print(f"| {rows:,} | {size:.0f} | {figures} | {peaks[1]:.0f} | {peaks[0]:.0f} |", flush=True)


if __name__ == "__main__":
    main()
