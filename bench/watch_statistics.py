"""The statistics of watching, measured: false alarms, stopping times, delays after a change, rows a second.

    python bench/watch_statistics.py [alarms] [stopping] [delay] [speed] [--runs 2000] [--seed 0]

alarms    nobody is treated differently, and one looks at every row: how often does a test ever fire? Ours (the
          e-process as a norm of `assay watch` has it: both directions, a part set aside) beside a z-test.
stopping  a gap is there from the first person: how many people until the e-process fires, over the number that a z-test
          for two shares of the same alpha needs, looked at once, to find it with probability .8 (Fleiss 1981).
delay     the gap begins after 2,000 pairs: pairs from there until the e-process alone fires, and until the e-detector
          does (A = 10,000). Runs that had fired before are counted apart.
speed     rows a second through the auditor: the streams of the shipped policy's norms on both clocks, the cube, and
          drift of 10 features within 10 groups of 3 attributes. One process; wall clock and processor time.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from audit.cube import CodedRows, Meaning, cube_of
from audit.load import load_policy
from audit.watch.drift import drifted, reference_of
from audit.watch.evalues import Open, advance_all, close_blocks, difference_logs, start
from audit.watch.harm import feed_harm, look, open_harm
from audit.watch.monitor import SET_ASIDE, feed, open_monitor

ALPHA, POWER, BAR = 0.05, 0.8, 10_000.0


def people(rng: np.random.Generator, n: int, share: float | None) -> np.ndarray:
    """Who comes: 0 and 1 in turn, or at random with this share of 0."""
    return np.arange(n) % 2 if share is None else (rng.random(n) >= share).astype(np.int64)


def norm(side: np.ndarray, hit: np.ndarray, tolerance: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """After each block: who closed it, log e-value and log detector of one norm on two groups."""
    blocks, _ = close_blocks(side, hit, Open())
    tables = np.stack([x.table for x in difference_logs(blocks, tolerance)])
    _, paths = advance_all((start(), start()), tables, blocks.kind)
    share = np.log((1 - SET_ASIDE) / 2)
    log_e = np.logaddexp(np.logaddexp(*(p.log_e + share for p in paths)), np.log(SET_ASIDE))
    return blocks.end, log_e[1:], np.logaddexp(*(p.log_m + share for p in paths))[1:]


def z_values(side: np.ndarray, hit: np.ndarray) -> np.ndarray:
    """The pooled z of two shares after each person; 0 before there are 10 of each group."""
    n = np.stack([np.cumsum(side == s) for s in (0, 1)]).astype(float)
    x = np.stack([np.cumsum((side == s) & (hit > 0)) for s in (0, 1)]).astype(float)
    pooled = x.sum(axis=0) / n.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (x[0] / n[0] - x[1] / n[1]) / np.sqrt(pooled * (1 - pooled) * (1 / n[0] + 1 / n[1]))
    return np.where((n.min(axis=0) >= 10) & np.isfinite(z), z, 0.0)


def alarms(runs: int, seed: int) -> Iterator[list[str]]:
    """Shares of runs that ever fire, looking after every row."""
    yield ["arrival", "rate", "limit", "people", "e-process", "z, every row", "z, every 100th", "z, once"]
    many = 10_000
    for share, rate, limit in ((None, 0.5, 0.0), (0.5, 0.5, 0.0), (0.2, 0.1, 0.0), (0.5, 0.4, 0.1), (0.05, 0.3, 0.0)):
        rng = np.random.default_rng([seed, 1, int(1000 * (share or 0)), int(100 * rate)])
        fired = np.zeros(4)
        for _ in range(runs):
            side = people(rng, many, share)
            hit = (rng.random(many) < np.where(side == 0, rate + limit, rate)).astype(np.int64)
            log_e = norm(side, hit, limit)[1]
            z = np.abs(z_values(side, hit))
            each = z.max() >= 1.96, z[99::100].max() >= 1.96, z[-1] >= 1.96
            fired += [log_e.max() >= np.log(1 / ALPHA), *each]
        shares = [f"{100 * f / runs:.1f} %" for f in fired]
        yield [
            arrival(share),
            f"{rate:g}",
            f"{limit:g}",
            f"{many:,}",
            shares[0],
            *(shares[1:] if not limit else ["-"] * 3),
        ]


def arrival(share: float | None) -> str:
    return "in turn" if share is None else f"{100 * share:.0f} : {100 * (1 - share):.0f}"


def needed(p: float, q: float, share: float) -> float:
    """People that a two-sided pooled z-test needs (Fleiss 1981, without continuity correction)."""
    mean = share * p + (1 - share) * q
    null = np.sqrt(mean * (1 - mean) * (1 / share + 1 / (1 - share)))
    other = np.sqrt(p * (1 - p) / share + q * (1 - q) / (1 - share))
    return float(((1.959964 * null + 0.841621 * other) / (p - q)) ** 2)


def stopping(runs: int, seed: int) -> Iterator[list[str]]:
    """People until the e-process fires over people that a test looked at once needs."""
    yield ["arrival", "rates", "gap", "z-test needs", "its power", "mean people", "mean ratio", "median ratio", "95 %"]
    for share in (None, 0.5, 0.2):
        for middle in (0.5, 0.25):
            for gap in (0.05, 0.1, 0.2, 0.3):
                p, q = middle + gap / 2, middle - gap / 2
                n = needed(p, q, share or 0.5)
                rng = np.random.default_rng([seed, 2, int(100 * (share or 0)), int(100 * middle), int(100 * gap)])
                took, power = [], 0
                for _ in range(runs):
                    side = people(rng, int(12 * n), share)
                    hit = (rng.random(len(side)) < np.where(side == 0, p, q)).astype(np.int64)
                    end, log_e, _ = norm(side, hit)
                    over = np.flatnonzero(log_e >= np.log(1 / ALPHA))
                    took.append(end[over[0]] + 1 if len(over) else len(side))
                    power += abs(z_values(side[: round(n)], hit[: round(n)])[-1]) >= 1.959964
                ratio = np.array(took) / n
                yield [
                    arrival(share), f"{p:.3g}, {q:.3g}", f"{gap:g}", f"{n:,.0f}", f"{power / runs:.2f}",
                    f"{np.mean(took):,.0f}", f"{ratio.mean():.2f}", f"{np.median(ratio):.2f}",
                    f"{np.quantile(ratio, 0.95):.2f}",
                ]  # fmt: skip


def delay(runs: int, seed: int) -> Iterator[list[str]]:
    """Pairs after the change."""
    yield ["gap", "e-process alone", "e-detector", "ratio", "fired before: e-process", "detector"]
    change, after = 2000, 12_000
    for gap in (0.1, 0.2, 0.3):
        rng = np.random.default_rng([seed, 3, int(100 * gap)])
        took: list[list[float]] = [[], []]
        before = [0, 0]
        for _ in range(runs):
            side = people(rng, 2 * (change + after), None)
            now = np.where(np.arange(len(side)) < 2 * change, 0.0, gap)
            hit = (rng.random(len(side)) < 0.5 + np.where(side == 0, now, -now) / 2).astype(np.int64)
            end, log_e, log_m = norm(side, hit)
            for i, over in enumerate((log_e >= np.log(1 / ALPHA), log_m >= np.log(BAR))):
                first = np.flatnonzero(over)
                at = (end[first[0]] + 1) / 2 - change if len(first) else after
                if at <= 0:
                    before[i] += 1
                else:
                    took[i].append(at)
        e, m = (np.mean(t) for t in took)
        shares = [f"{100 * b / runs:.1f} %" for b in before]
        yield [f"{gap:g}", f"{e:,.0f}", f"{m:,.0f}", f"{m / e:.2f}", *shares]


def batch(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, CodedRows]:
    """10 features (3 real numbers, 2 counts, 5 categories), 10 groups of 3 attributes, decisions and outcomes."""
    frame = {f"number {i}": rng.normal(size=n) if i < 2 else rng.lognormal(size=n) for i in range(3)}
    frame |= {f"count {i}": rng.integers(0, 90, n) for i in range(2)}
    words = [np.array([f"value {k}" for k in range(8)], dtype=object), np.array(["no", "yes"], dtype=object)]
    frame |= {f"category {i}": rng.choice(words[i % 2], n) for i in range(5)}
    shares = ((0.45, 0.55), (0.6, 0.15, 0.12, 0.08, 0.05), (0.3, 0.5, 0.2))
    codes = np.column_stack([rng.choice(len(s), n, p=s) for s in shares])
    levels = tuple(tuple(f"g{k}" for k in range(len(s))) for s in shares)
    label = (rng.random(n) < 0.4).astype(np.int64)
    decision = np.where(rng.random(n) < 0.8, label, 1 - label)
    meaning = Meaning("yes", "no", "yes")
    return pd.DataFrame(frame), CodedRows(("sex", "race", "age"), levels, codes, label, decision, None, None, meaning)


def speed(_: int, seed: int) -> Iterator[list[str]]:
    """Rows a second."""
    yield ["rows a batch", "streams", "cube", "drift", "rows/s, wall", "rows/s, processor", "with harm, processor"]
    norms = load_policy(None).norms
    for n in (10_000, 50_000, 100_000, 250_000):
        rng = np.random.default_rng([seed, 4])
        frame, coded = batch(rng, 50_000)
        reference = reference_of(frame, list(frame.columns), coded)
        groups = {(a,): levels for a, levels in zip(coded.attributes, coded.levels, strict=True)}
        monitor = open_monitor(norms, coded.attributes, coded.meaning, groups=groups)
        harm = open_harm(3, tolerance=0.05, alpha=0.05, people=50, reference=cube_of(coded))
        batches = [batch(rng, n) for _ in range(max(3, 1_000_000 // n))]
        spent = dict.fromkeys(("streams", "cube", "drift", "harm"), 0.0)
        wall = 0.0
        for number, (frame, coded) in enumerate(batches):
            begun = time.perf_counter()
            with_time = time.process_time()
            monitor = feed(feed(monitor, coded, labelled=False), coded, labelled=True)
            streams = time.process_time()
            cube_of(coded)
            cube = time.process_time()
            drifted(reference, frame, coded, alpha=ALPHA)
            drift = time.process_time()
            wall += time.perf_counter() - begun
            harm = look(feed_harm(harm, number, coded))
            for name, took in zip(
                spent, (streams - with_time, cube - streams, drift - cube, time.process_time() - drift), strict=True
            ):
                spent[name] += took
        rows = n * len(batches)
        three = spent["streams"] + spent["cube"] + spent["drift"]
        parts = [f"{1e9 * spent[k] / rows:,.0f} ns" for k in ("streams", "cube", "drift")]
        rates = [f"{rows / v:,.0f}" for v in (wall, three, three + spent["harm"])]
        yield [f"{n:,}", *parts, *rates]


def show(rows: Iterator[list[str]]) -> None:
    """A table in Markdown, line by line as it is found."""
    head = next(rows)
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head), flush=True)
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)
    print()


def main() -> None:
    parts: dict[str, Callable[[int, int], Iterator[list[str]]]] = {
        "alarms": alarms, "stopping": stopping, "delay": delay, "speed": speed,
    }  # fmt: skip
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help="alarms, stopping, delay, speed; all by default")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for name in args.parts or parts:
        print(f"### {name}\n")
        show(parts[name](args.runs, args.seed))


if __name__ == "__main__":
    main()
