"""How soon the loop sees what it must see, and how often it sees what is not there.

    python bench/loop_power.py harm --runs 100        a rise of one group's share of wrong decisions, beside its peers
    python bench/loop_power.py quiet --runs 1000      no change: false alarms over 100 batches (a minute)
    python bench/loop_power.py anyone --runs 20       a group of whom 50 have outcomes, wrong in 45 % against 15 %
    python bench/loop_power.py bound                  beside `anyone`: what no test of that level can better
    python bench/loop_power.py moves --runs 20        a group gone or new, acceptance halved
    python bench/loop_power.py approvals --runs 1000  a person always says yes: promotions with one open

Seeded; each line of the tables says how many runs it is of. The peers see the same group's decisions, wrong
or not: river's ADWIN (delta .002) and Page-Hinkley (its defaults, two-sided) where river can be imported, a
z-test of the newest ten batches against the first ten with Bonferroni over 100 looks, and three standard
deviations around the mean of the first ten batches. They know nothing of a tolerance.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from audit.cube import CodedRows, Meaning  # noqa: E402
from audit.watch.harm import feed_harm, look, open_harm  # noqa: E402
from audit.watch.moves import composition, decisions, open_moves, seen  # noqa: E402
from bench.loop_streams import composed, counts, decided, moved, named  # noqa: E402
from debias.loop.transitions import HARM_PART  # noqa: E402

SIZE = 500
BASE = 0.15
MEANING = Meaning("yes", "no", "yes")
HARM = {"tolerance": 0.05, "alpha": 0.05 * HARM_PART, "people": 50}


def rows(rng: np.random.Generator, share: Any, wrong: Any, accepted: float = 0.3, size: int = SIZE) -> CodedRows:
    group = rng.choice(len(share), size, p=share)
    decision = (rng.random(size) < accepted).astype(np.int64)
    miss = rng.random(size) < np.asarray(wrong)[group]
    label = np.where(miss, 1 - decision, decision)
    names = tuple(f"g{k}" for k in range(len(share)))
    return CodedRows(("a",), (names,), group[:, None], label, decision, None, None, MEANING)


def stream(seed: int, share: Any, rise: float, at: int, batches: int) -> Iterator[CodedRows]:
    """The first group's share of wrong decisions rises by `rise` with batch `at`."""
    rng = np.random.default_rng([seed, 18])
    for number in range(batches):
        yield rows(rng, share, [BASE + (rise if number >= at else 0.0), *[BASE] * (len(share) - 1)])


def loop(batches: list[CodedRows]) -> int | None:
    """The batch with which the loop names somebody."""
    harm = open_harm(3, **HARM)  # type: ignore[arg-type]
    for number, coded in enumerate(batches):
        harm = look(feed_harm(harm, number, coded))
        if harm.alarm:
            return number
    return None


def of_group(batches: list[CodedRows]) -> list[np.ndarray]:
    return [(c.label != c.decision)[c.codes[:, 0] == 0].astype(float) for c in batches]


def z_test(batches: list[CodedRows]) -> int | None:
    from scipy.stats import norm

    each = of_group(batches)
    first = np.concatenate(each[:10])
    bar = norm.isf(0.05 / 100)
    for number in range(10, len(each)):
        new = np.concatenate(each[max(10, number - 9) : number + 1])
        p = np.concatenate([first, new]).mean()
        spread = math.sqrt(p * (1 - p) * (1 / len(first) + 1 / max(len(new), 1))) if len(new) else 0
        if spread and (new.mean() - first.mean()) / spread > bar:
            return number
    return None


def three_sigma(batches: list[CodedRows]) -> int | None:
    means = [b.mean() for b in of_group(batches) if len(b)]
    centre, spread = statistics.mean(means[:10]), statistics.stdev(means[:10])
    return next((k for k, m in enumerate(means) if k >= 10 and m > centre + 3 * spread), None)


def river_peer(make: Callable[[], Any]) -> Callable[[list[CodedRows]], int | None]:
    def run(batches: list[CodedRows]) -> int | None:
        detector = make()
        for number, wrong in enumerate(of_group(batches)):
            for value in wrong:
                detector.update(value)
                if detector.drift_detected:
                    return number
        return None

    return run


def peers() -> dict[str, Callable[[list[CodedRows]], int | None]]:
    detectors: dict[str, Callable[[list[CodedRows]], int | None]] = {
        "loop": loop,
        "z, Bonferroni": z_test,
        "3 sigma": three_sigma,
    }
    try:
        from river.drift import ADWIN, PageHinkley
    except ImportError:
        print("river cannot be imported: ADWIN and Page-Hinkley are left out", file=sys.stderr)
        return detectors
    return detectors | {"ADWIN": river_peer(ADWIN), "Page-Hinkley": river_peer(PageHinkley)}


def harm(runs: int) -> Iterator[list[str]]:
    yield [
        "group",
        "rise",
        "since batch",
        "detector",
        "found within 60 batches",
        "median delay, batches",
        "before the change",
    ]
    settings = (
        ((0.5, 0.5), 0.05, 20), ((0.5, 0.5), 0.1, 3), ((0.5, 0.5), 0.1, 20), ((0.5, 0.5), 0.2, 20),
        ((0.05, 0.95), 0.2, 3), ((0.05, 0.95), 0.2, 10), ((0.05, 0.95), 0.2, 20), ((0.05, 0.95), 0.3, 20),
        ((0.1, 0.9), 0.3, 3), ((0.1, 0.9), 0.3, 20),
    )  # fmt: skip
    for share, rise, at in settings:
        for name, detector in peers().items():
            if at < 10 and name != "loop":
                continue  # their reference is ten batches
            ends = [detector(list(stream(seed, share, rise, at, at + 60))) for seed in range(runs)]
            delay = [e - at + 1 for e in ends if e is not None and e >= at]
            early = sum(e is not None and e < at for e in ends)
            shown = f"{statistics.median(delay):g}" if delay else "-"
            yield [f"{share[0]:.0%}", f"{BASE} + {rise:g}", str(at), name, f"{len(delay)} of {runs}", shown, str(early)]


def anyone(runs: int) -> Iterator[list[str]]:
    """Alarms by the batch with which 200 of the group's people have come since: of a group that goes wrong, and of one
    that was not there at first and is wrong from its first person on."""
    yield [
        "group",
        "since batch",
        "before",
        "named within 200 of its people",
        "median of its people",
        "before the change",
    ]
    settings = [(share, at, "15 %") for share, at in ((0.5, 3), (0.1, 3), (0.05, 3), (0.05, 20), (0.02, 6), (0.02, 20))]
    settings += [(share, 5, "not there") for share in (0.5, 0.1, 0.05, 0.02)]
    for share, at, before in settings:
        people_counts, early = [], 0
        for seed in range(runs):
            rng = np.random.default_rng([seed, 45])
            harm, came, number = open_harm(3, **HARM), 0, 0  # type: ignore[arg-type]
            while came < 200 and not harm.alarm:
                there = share if number >= at or before == "15 %" else 0.0
                coded = rows(rng, (there, 1 - there), [0.45 if number >= at else BASE, BASE])
                came += int((coded.codes == 0).sum()) if number >= at else 0
                harm = look(feed_harm(harm, number, coded))
                number += 1
            right = number > at and harm.alarm == (("a", "g0"),)
            people_counts += [came] if right else []
            early += bool(harm.alarm) and not right
        shown = f"{statistics.median(people_counts):g}" if people_counts else "-"
        yield [f"{share:.0%}", str(at), before, f"{len(people_counts)} of {runs}", shown, str(early)]


def quiet(runs: int) -> Iterator[list[str]]:
    yield ["groups", "streams", "false alarms of harm in 100 batches", "composition", "decisions"]
    for share in ([1 / 2] * 2, [1 / 5] * 5, [1 / 10] * 10, [0.05, 0.95]):
        shares = [share] * 100
        n, wrong = counts((18, len(share), round(100 * share[0])), runs, shares, [[BASE] * len(share)] * 100, SIZE)
        accepted = np.random.default_rng([19, len(share)]).binomial(n, 0.3)
        alarms = named(n, wrong, HARM), moved(n, n, composed), moved(n, accepted, decided)
        label = str(len(share)) if share[0] == share[-1] else f"{share[0]:.0%} and {share[1]:.0%}"
        yield [label, str(runs), *(str(sum(v is not None for v in batches)) for batches in alarms)]


def bound(runs: int) -> Iterator[list[str]]:
    """What no test can better: the power of the uniformly most powerful unbiased test (Fisher's, randomised; Lehmann &
    Romano 2005, section 4.5) of "no more often than before" at one look, at the 200th person, the batch of the change
    being known. Exact, over the size of the reference (500 people a batch) and both counts.
    """
    from scipy.stats import binom, hypergeom

    yield ["group", "since batch", "chance of a false alarm", "power at one look", f"{min(runs, 20)} of as many"]
    for share, at in ((0.05, 3), (0.02, 6)):
        sizes = np.arange(50, int(500 * at * share * 1.6))
        likely = binom.pmf(sizes, 500 * at, share)
        total = dict.fromkeys((0.01, 0.02), 0.0)
        for n1, p in zip(sizes, likely / likely.sum(), strict=True):
            good, then = np.arange(n1 + 201)[:, None], np.arange(201)[None, :]
            each = np.nan_to_num(hypergeom.pmf(then, n1 + 200, good, 200))
            above = np.cumsum(each[:, ::-1], axis=1)[:, ::-1] - each
            first = good - then
            chance = binom.pmf(first, n1, BASE) * binom.pmf(then, 200, 0.45)
            for level in total:
                named_here = np.clip((level - above) / np.maximum(each, 1e-300), 0, 1)
                total[level] += p * float((chance * named_here).sum())
        for level, power in total.items():
            yield [f"{share:.0%}", str(at), f"{level:.0%}", f"{power:.4f}", f"{power ** min(runs, 20):.2f}"]


def moves(runs: int) -> Iterator[list[str]]:
    yield ["what", "at batch", "told within two batches", "before"]
    for at in (5, 20, 60):
        for name, before, after, accepted in (
            ("a group of 5 % gone", (0.05, 0.95), (0.0, 1.0), (0.3, 0.3)),
            ("a new group of 5 %", (0.0, 1.0), (0.05, 0.95), (0.3, 0.3)),
            ("acceptance 15.6 -> 7.6 %", (0.5, 0.5), (0.5, 0.5), (0.156, 0.076)),
        ):
            hits = early = 0
            for seed in range(runs):
                rng = np.random.default_rng([seed, at])
                who, what = (open_moves(3, alpha=0.05, people=50) for _ in range(2))
                first = None
                for number in range(at + 2):
                    late = number >= at
                    coded = rows(rng, after if late else before, [BASE] * 2, accepted[late])
                    who, a = seen(who, number, composition(coded))
                    what, b = seen(what, number, decisions(coded))
                    if first is None and (a or b):
                        first = number
                hits += first is not None and first >= at
                early += first is not None and first < at
            yield [name, str(at), f"{hits} of {runs}", str(early)]


def approvals(runs: int) -> Iterator[list[str]]:
    from tests.debias.loop.test_safe import promoted_open

    yield ["replays", "promotions with an open condition"]
    yield [str(runs), str(sum(promoted_open(seed) for seed in range(runs)))]


def main() -> int:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=("harm", "anyone", "bound", "quiet", "moves", "approvals"))
    parser.add_argument("--runs", type=int, default=20)
    args = parser.parse_args()
    for name in args.what:
        for k, line in enumerate(globals()[name](args.runs)):
            print("| " + " | ".join(line) + " |", flush=True)
            if k == 0:
                print("|" + "---|" * len(line), flush=True)
        print(flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
