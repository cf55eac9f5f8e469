"""How the time and memory of `assay audit` (`explained`, `texts`: of `assay explain`) grow along each axis of a file.

    python bench/growth.py [--only rows groups attributes ...] [--runs 5] [--most SIZE] [--write docs/growth.md]

Each row is of the command line, as a person starts it, on a Parquet file made by the bench: CPU seconds of its
processes and wall seconds (medians of --runs), peak memory (the largest), and the size of evidence.json. The exponent
is the slope of CPU seconds above what the smallest size takes, between a size and the one before, in logarithms of
both: 1 is linear. Beside it what n log n itself shows between the same sizes, above the same smallest one: where the
exponent is larger, something grows faster there. Below NOISE seconds (of one run; of medians less) above the smallest
size there is none. The last line is of the whole axis, from the first size that stands out. Of attributes all pairs and
triples are audited, so their exponent is over the number of tables, which is told. --most leaves out sizes above it.
--write puts each axis' table in place of the one that the page has. One thread a process.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

NOISE = 0.5
CHUNK = 1_000_000

SIZES = {
    "rows": (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000),
    "groups": (2, 10, 30, 100, 300, 1_000),
    "attributes": (1, 2, 4, 8),
    "intersections": (25, 100, 400, 900),
    "numbers": (10, 50, 200, 500, 1_000),
    "categories": (10, 50, 200, 500, 1_000),
    "classes": (2, 5, 10, 20),
    "explained": (10, 30, 100, 300),
    "texts": (10, 30, 100, 300),
}


def table(rows: int, groups: tuple[int, ...], rng: np.random.Generator) -> dict[str, object]:
    """Attributes a0, a1, ... of so many groups, an outcome and a decision that one group of a0 gets more often."""
    out: dict[str, object] = {}
    for i, many in enumerate(groups):
        codes = rng.integers(0, many, rows)
        names = np.array([f"g{k:04d}" for k in range(many)])
        out[f"a{i}"] = pd.Categorical.from_codes(codes, names)
        if i == 0:
            apart = codes == 0
    label = rng.random(rows) < 0.3
    out["label"] = np.where(label, "yes", "no")
    out["decision"] = np.where(rng.random(rows) < 0.25 + 0.1 * apart + 0.2 * label, "yes", "no")
    return out


def make_case(axis: str, size: int, folder: Path) -> Path:
    """The case of one point of an axis."""
    rng = np.random.default_rng(size)
    rows, groups = 100_000, (3,)
    features: list[str] = []
    if axis == "rows":
        rows, groups = size, (2, 5)
    elif axis == "groups":
        groups = (size,)
    elif axis == "attributes":
        groups = (3,) * size
    elif axis == "intersections":
        side = math.isqrt(size)
        rows, groups = 300_000, (side, side)
    if axis in ("explained", "texts"):
        return explained(size, folder, texts=axis == "texts")
    path = folder / f"{axis}-{size}.parquet"
    frame = table(min(rows, CHUNK), groups, rng)
    if axis in ("numbers", "categories"):
        features = [f"x{k}" for k in range(size)]
        for name in features:
            frame[name] = (
                rng.normal(size=rows).astype(np.float32)
                if axis == "numbers"
                else pd.Categorical.from_codes(rng.integers(0, 30, rows).astype(np.int8), [f"v{k}" for k in range(30)])
            )
    if axis == "classes":
        names = [f"c{k:02d}" for k in range(size)]
        label = rng.integers(0, size, rows)
        decided = np.where(rng.random(rows) < 0.6, label, rng.integers(0, size, rows))
        frame["label"], frame["decision"] = np.array(names)[label], np.array(names)[decided]
    first = pa.Table.from_pandas(pd.DataFrame(frame), preserve_index=False)
    with pq.ParquetWriter(path, first.schema) as file:
        file.write_table(first)
        for done in range(CHUNK, rows, CHUNK):  # of many rows a million at a time
            more = pd.DataFrame(table(min(CHUNK, rows - done), groups, rng))
            file.write_table(pa.Table.from_pandas(more, schema=first.schema, preserve_index=False))
    case = folder / f"{axis}-{size}.toml"
    sensitive = json.dumps([f"a{i}" for i in range(len(groups))])
    good = "c00" if axis == "classes" else "yes"
    case.write_text(
        f'[case]\nname = "{axis} {size}"\npurpose = "growth"\n[data]\npath = "{path.name}"\nlabel = "label"\n'
        f'positive = "{good}"\nsensitive = {sensitive}\nfeatures = {json.dumps(features)}\n'
        '[model]\ndecision = "decision"\n'
    )
    return case


def explained(size: int, folder: Path, rows: int = 20_000, texts: bool = False) -> Path:
    """A case with a model of so many columns, ten of which matter: boosted trees of numbers, as scikit-learn has them;
    or a line through one-hot columns of texts of 30 kinds."""
    import skops.io
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    rng = np.random.default_rng(size)
    values = rng.integers(0, 30, (rows, size)) if texts else rng.normal(size=(rows, size))
    x = pd.DataFrame(values, columns=[f"x{k}" for k in range(size)])
    worth = (x.iloc[:, :10] > 14).sum(axis=1) - 4 if texts else x.iloc[:, :10].sum(axis=1)
    label = np.where(worth + rng.normal(size=rows) > 1, "yes", "no")
    x = ("v" + x.astype(str)) if texts else x
    line = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression(max_iter=50))
    model = line if texts else HistGradientBoostingClassifier(random_state=0)
    skops.io.dump(model.fit(x, label), folder / "model.skops")
    frame = x.assign(label=label, a0=rng.choice(["g0", "g1", "g2"], rows))
    frame.to_parquet(folder / "explained.parquet", index=False)
    case = folder / "explained.toml"
    case.write_text(
        f'[case]\nname = "explained {size}"\npurpose = "growth"\n[data]\npath = "explained.parquet"\n'
        'label = "label"\npositive = "yes"\nsensitive = ["a0"]\n[model]\npath = "model.skops"\n'
    )
    return case


def measured(case: Path, out: Path) -> tuple[float, float, float, float]:
    """(CPU seconds, wall seconds, peak MiB of the largest process, MB of the document)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    one = {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")}
    name, document = ("explain", "explain.json") if case.stem == "explained" else ("audit", "evidence.json")
    command = [sys.executable, str(ROOT / "cli.py"), name, str(case), "--out", str(out)]
    watched = (
        "import json, resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL);"
        "print(json.dumps([done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", watched, *command], capture_output=True, text=True, check=True, env=one
    )
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    code, peak = json.loads(done.stdout)
    if code not in (0, 3):
        raise SystemExit(f"{case.name}: exit {code}\n{done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, wall, peak, (out / document).stat().st_size / 1e6


def repeated(case: Path, out: Path, runs: int) -> tuple[float, float, float, float]:
    """The same of so many runs, each in a folder of its own, since answers are kept: medians of seconds, the largest
    peak."""
    cpu, wall, peak, document = zip(*(measured(case, out / str(run)) for run in range(runs)), strict=True)
    return statistics.median(cpu), statistics.median(wall), max(peak), document[-1]


def tables(attributes: int) -> int:
    """How many tables of groups so many attributes have: alone, in pairs and in triples."""
    return sum(math.comb(attributes, k) for k in (1, 2, 3))


def exponents(seen: Sequence[tuple[int, float]], runs: int) -> tuple[float, float] | None:
    """Of (size, CPU seconds), smallest first: the slope between the last two, and that of n log n; None where too
    little stands above the first."""
    if len(seen) < 3:
        return None
    (least, base), (n, last), (many, cpu) = seen[0], seen[-2], seen[-1]
    if min(cpu, last) - base < NOISE / math.sqrt(runs):
        return None

    def slope(of_last: float, of_many: float) -> float:
        return math.log(of_many / of_last) / math.log(many / n)

    sorting = [k * math.log(k) - least * math.log(least) for k in (n, many)]
    return slope(last - base, cpu - base), slope(*sorting)


def told(slopes: tuple[float, float] | None) -> str:
    return " | ".join(["", ""] if slopes is None else [f"{s:.2f}" for s in slopes])


def walk(axis: str, most: int, runs: int = 1, make: Callable[[str, int, Path], Path] = make_case) -> str:
    """The table of an axis, printed line by line and given back."""
    lines: list[str] = []

    def tell(line: str) -> None:
        lines.append(line)
        print(line, flush=True)

    tell(f"| {axis} | CPU s | wall s | peak MiB | document MB | exponent | of n log n |")
    tell("|---:|---:|---:|---:|---:|---:|---:|")
    seen: list[tuple[int, float]] = []
    for size in (s for s in SIZES[axis] if s <= most):
        many = tables(size) if axis == "attributes" else size
        size_text = f"{size:,} ({many:,} tables)" if axis == "attributes" else f"{size:,}"
        with tempfile.TemporaryDirectory() as held:
            folder = Path(held)
            cpu, wall, peak, document = repeated(make(axis, size, folder), folder / "run", runs)
        seen.append((many, cpu))
        shown = told(exponents(seen, runs))
        tell(f"| {size_text} | {cpu:.1f} | {wall:.1f} | {peak:,.0f} | {document:.2f} | {shown} |")
    first = next((k for k in range(1, len(seen) - 1) if seen[k][1] - seen[0][1] >= NOISE / math.sqrt(runs)), None)
    if first is not None:
        shown = told(exponents([seen[0], seen[first], seen[-1]], runs))
        tell(f"| {seen[first][0]:,} to {seen[-1][0]:,} |  |  |  |  | {shown} |")
    print()
    return "\n".join(lines)


def put(page: Path, axis: str, table: str) -> None:
    """The table in place of the page's own of this axis, which stands between two comments; at the end where it has
    none."""
    start, end = f"<!-- growth: {axis} -->\n", "\n<!-- end -->\n"
    text = page.read_text()
    before, separator, after = text.partition(start)
    if not separator:
        page.write_text(f"{text.rstrip()}\n\n{start}{table}{end}")
        return
    page.write_text(before + start + table + end + after.partition(end)[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=tuple(SIZES), default=list(SIZES))
    parser.add_argument("--most", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=5, metavar="N")
    parser.add_argument("--write", type=Path, metavar="PAGE")
    args = parser.parse_args()
    for axis in args.only:
        lines = walk(axis, args.most, args.runs)
        if args.write:
            put(args.write, axis, lines)


if __name__ == "__main__":
    main()
