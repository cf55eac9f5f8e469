"""Answers kept: a stored explanation out of a million, and a second audit beside the first.

    python bench/answers.py [--people 1000000] [--asked 2000] [--case sample_data/adult.toml]

Explanations of 13 features are put into the store as `assay precompute` puts them, and read as `assay explain --kept`
reads them: by a person's own values, each checked by its keyed hash. Read by one process, and again while another one
writes. Then `assay audit` of the case, twice into one new store, each in a process of its own: processor seconds.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

FEATURES = 13
WRITER = """
import os, sys
from pathlib import Path
from audit.answers import Store
store, n = Store(Path(sys.argv[1]), Path(sys.argv[2])), 0
while True:
    store.put_people(b"w" * 32, [(os.urandom(16), os.urandom(224)) for _ in range(100)])
    store.put(n.to_bytes(32, "big"), "answer", os.urandom(100_000))
    n += 1
"""


def person(n: int) -> list[object]:
    return [n, n * 0.5, *(f"value {(n * k) % 7}" for k in range(FEATURES - 2))]


def filled(folder: Path, people: int) -> tuple[object, float]:
    from audit.answers import Store
    from audit.explain.ahead import Head, Kept, digest

    store, key = Store(folder / "answers", folder / "run"), b"k" * 32
    names = tuple(f"f{k}" for k in range(FEATURES))
    head = Head(names, "probability", "tree", 500, "", 0.5, True, False)
    store.put(key, "explanation", b"{}")
    start = time.process_time()
    numbers = np.random.default_rng(0)
    for at in range(0, people, 10_000):
        body = numbers.normal(size=(min(10_000, people - at), 2 + 2 * FEATURES)).astype("<f8")
        store.put_people(key, [(digest(key, person(at + n)), b.tobytes()) for n, b in enumerate(body)])
    return Kept(store, key, head), time.process_time() - start


def read(kept: object, people: int, asked: int) -> str:
    chosen = np.random.default_rng(1).integers(0, people, asked).tolist()
    took = []
    for n in chosen:
        values = person(n)
        start = time.perf_counter()
        answer = kept.of(values)  # type: ignore[attr-defined]
        took.append(1000 * (time.perf_counter() - start))
        assert answer is not None
        assert len(answer.shap) == FEATURES
    return " | ".join(f"{np.percentile(took, p):.3f}" for p in (50, 99, 100))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--asked", type=int, default=2000)
    parser.add_argument("--case", type=Path, default=ROOT / "sample_data" / "adult.toml")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        os.environ["ASSAY_HOME"] = place
        kept, seconds = filled(home, args.people)
        size = sum(p.stat().st_size for p in (home / "answers").iterdir())
        print(f"{args.people:,} explanations kept: {seconds:.1f} s of processor, {size / 2**20:.0f} MiB on disk")
        print("| one explanation, ms | p50 | p99 | most |\n|---|---|---|---|")
        print(f"| one reader | {read(kept, args.people, args.asked)} |", flush=True)
        command = [sys.executable, "-c", WRITER, str(home / "answers"), str(home / "run")]
        writer = subprocess.Popen(command, cwd=ROOT)
        time.sleep(3)
        print(f"| while another process writes | {read(kept, args.people, args.asked)} |", flush=True)
        writer.kill()
        writer.wait()
    with tempfile.TemporaryDirectory() as place:
        os.environ["ASSAY_HOME"] = place
        for which in ("first", "second"):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(
                [sys.executable, str(ROOT / "cli.py"), "audit", str(args.case), "--out", f"{place}/{which}"],
                check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT,
            )  # fmt: skip
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(f"{which} audit of {args.case.name}: {used:.2f} s of processor")


if __name__ == "__main__":
    main()
