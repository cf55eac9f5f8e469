"""An audit of a table in Spark against the bare Spark group-by, in one session; and on a cluster that loses a worker.

    python bench/spark.py [--rows 10000000 100000000] [--repeats 5] [--master "local[2]"] [--folder DIR] [--more 12]
    python bench/spark.py --cluster [--rows 10000000]

The table is that of bench/scale.py, with --more with so many further columns, half of them numbers of any value, half
texts of 30; the peer does not read those. Ours is `run_audit` with engine = "spark", 2,000 draws, from the table to
evidence.json on disk; "the cube" is its part in Spark. The peer is `df.groupBy(...).count().toArrow()` over the same
columns. Both are warm: the session has begun, and each ran once before. Cells are compared with DuckDB's, one by one.
CPU is that of Spark's process and this one together: where others use the machine too, it is what can be compared.
--cluster starts a standalone master and two workers on this machine, kills one of them while it counts, and compares
again. It needs `make spark` and Java.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "bench"))

import numpy as np  # noqa: E402
import scale  # noqa: E402

COLUMNS = ("sex", "race", "label", "decision", "score")


def case_of(path: Path) -> Any:
    from audit.case import Case, DataSpec, ModelSpec, SparkSpec
    from audit.load import load_policy

    data = DataSpec(path, "label", "yes", "yes", ("sex", "race"), engine="spark", spark=SparkSpec())
    return Case("bench", "bench", data, ModelSpec("score", column="score"), load_policy(None))


def cells(session: Any, path: Path) -> int:
    """The peer: the bare group-by, fetched."""
    return int(session.read.parquet(str(path)).groupBy(*COLUMNS).count().toArrow().num_rows)


def ours(case: Any) -> Any:
    from audit.gaps import Settings
    from audit.run import run_audit

    return run_audit(case, Path(tempfile.mkdtemp()), Settings(draws=2000))


def cube_alone(case: Any) -> Any:
    from audit.cube import cube_of
    from audit.scale.spark import count_in_spark

    return cube_of(count_in_spark(case)[0].coded)


def duckdb_cube(case: Any) -> Any:
    from audit.cube import cube_of
    from audit.scale.count import count

    return cube_of(count(replace(case, data=replace(case.data, engine=None, spark=None))).coded)


def equal(a: Any, b: Any) -> bool:
    return bool(
        a.levels == b.levels
        and np.array_equal(a.n, b.n)
        and np.array_equal(a.scores.at, b.scores.at)
        and np.array_equal(a.scores.n, b.scores.n)
    )


def timed(work: Any, *arguments: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work(*arguments)
    return time.perf_counter() - start, result


def widened(path: Path, more: int) -> Path:
    """The table with further columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = path.with_name(f"{path.stem}-{more}.parquet")
    if out.exists():
        return out
    rng, source = np.random.default_rng(1), pq.ParquetFile(path)
    texts = pa.array([f"level {i}" for i in range(30)])
    schema = source.schema_arrow
    for k in range(more):
        schema = schema.append(pa.field(f"more{k}", pa.string() if k % 2 else pa.float64()))
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for batch in source.iter_batches(2**20):
            n = batch.num_rows
            columns = [texts.take(pa.array(rng.integers(0, 30, n))) if k % 2 else pa.array(rng.normal(size=n).round(3))
                       for k in range(more)]  # fmt: skip
            writer.write_table(pa.table([*batch.columns, *columns], schema=schema))
    return out


def side_by_side(rows: list[int], repeats: int, master: str, folder: Path, more: int) -> None:
    from audit.case import SparkSpec
    from audit.scale.spark import session_of

    heads = ["rows", "bare s", "the cube s", "audit s", "cube / bare", "audit / bare"]
    heads += ["CPU us a row: bare, cube, audit", "CPU: cube / bare, audit / bare", "cells"]
    print(f"| {' | '.join(heads)} |")
    print("|---|---|---|---|---|---|---|---|---|")
    with session_of(SparkSpec(master=master)) as session:
        java = session.sparkContext._gateway.proc.pid
        for n in rows:
            path = folder / f"assay-bench-{n}.parquet"
            if not path.exists():
                scale.make(path, n)
            path = widened(path, more) if more else path
            case = case_of(path)
            cells(session, path)
            same = equal(cube_alone(case), duckdb_cube(case))
            runs, spent = [], []
            for _ in range(repeats):
                row, used = [], []
                for work, arguments in ((cells, (session, path)), (cube_alone, (case,)), (ours, (case,))):
                    before = cpu(java) + time.process_time()
                    row.append(timed(work, *arguments)[0])
                    used.append(cpu(java) + time.process_time() - before)
                runs.append(row)
                spent.append(used)
            bare, cube, audit = (statistics.median(r[i] for r in runs) for i in range(3))
            used = [statistics.median(s[i] for s in spent) for i in range(3)]
            each = ", ".join(f"{u / n * 1e6:.2f}" for u in used)
            each += f" | {used[1] / used[0]:.2f}, {used[2] / used[0]:.2f}"
            words = "equal" if same else "NOT EQUAL"
            ratios = f"{cube / bare:.2f} | {audit / bare:.2f}"
            print(f"| {n:,} | {bare:.2f} | {cube:.2f} | {audit:.2f} | {ratios} | {each} | {words} |", flush=True)


def cpu(process: int) -> float:
    """Seconds of processor that a process of this machine (Linux) has had."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def cluster() -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A standalone master and two workers of one core each: its address, and the processes, the master first."""
    import socket

    import pyspark

    home = Path(pyspark.__file__).parent
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tempfile.mkdtemp(prefix="assay-spark-")
    kept = {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_WORKER_DIR": folder}
    environment = {**os.environ, **kept, "SPARK_DAEMON_MEMORY": "512m"}
    run = [str(home / "bin" / "spark-class")]
    master = f"spark://127.0.0.1:{port}"

    def begun(*arguments: str) -> subprocess.Popen[bytes]:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen([*run, *arguments], env=environment, start_new_session=True, **quiet)  # type: ignore[call-overload]

    started = [
        begun("org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0")
    ]
    try:
        for _ in range(2):
            started.append(
                begun("org.apache.spark.deploy.worker.Worker", "--cores", "1", "--memory", "1g", "--host", "127.0.0.1",
                      "--webui-port", "0", master)
            )  # fmt: skip
        yield master, started
    finally:
        for process in started:
            gone(process)


def gone(process: subprocess.Popen[bytes]) -> None:
    """The process and what it started, at once: as a machine that loses power."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def with_a_loss(rows: int, folder: Path) -> bool:
    """Whether a cluster that loses one of two workers while it counts gives DuckDB's cube."""
    from audit.case import SparkSpec
    from audit.scale.spark import session_of

    path = folder / f"assay-bench-{rows}.parquet"
    if not path.exists():
        scale.make(path, rows)
    case = case_of(path)
    with cluster() as (master, processes), session_of(SparkSpec(master=master)) as session:
        # Many small tasks, so that one is under way when its worker dies.
        session.conf.set("spark.sql.files.maxPartitionBytes", str(max(1, path.stat().st_size // 16)))
        store = session.sparkContext._jsc.sc().statusTracker()  # how far it is
        lost: list[str] = []

        def kill() -> None:
            """When some tasks of the count are done and others are not."""
            while not lost:
                for stage in store.getActiveStageIds():
                    about = store.getStageInfo(stage)
                    if about.isDefined() and about.get().numTasks() > 4 and about.get().numCompletedTasks() >= 2:
                        done = f"{about.get().numCompletedTasks()} of {about.get().numTasks()} tasks were done"
                        gone(processes[2])
                        lost.append(done)
                        return
                time.sleep(0.02)

        watcher = threading.Thread(target=kill, daemon=True)
        executors = session.sparkContext._jsc.sc().getExecutorMemoryStatus()
        for _ in range(600):
            if executors.size() >= 3:  # the driver is one of them
                break
            time.sleep(0.5)
            executors = session.sparkContext._jsc.sc().getExecutorMemoryStatus()
        before = executors.size() - 1
        watcher.start()
        seconds, cube = timed(cube_alone, case)
        same = equal(cube, duckdb_cube(case))
        left = session.sparkContext._jsc.sc().getExecutorMemoryStatus().size() - 1
        killed = lost[0] if lost else "NOTHING was: it was too late"
        words = "equal" if same else "NOT EQUAL"
        print(f"{rows:,} rows, {before} workers; one was killed when {killed}; {seconds:.1f} s")
        print(f"executors left: {left}; the cube is {words} to DuckDB's")
        return same and bool(lost) and before == 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000_000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--more", type=int, default=0)
    parser.add_argument("--cluster", action="store_true")
    args = parser.parse_args()
    if args.cluster:
        sys.exit(0 if all(with_a_loss(n, args.folder) for n in args.rows) else 1)
    side_by_side(args.rows, args.repeats, args.master, args.folder, args.more)


if __name__ == "__main__":
    main()
