"""Every number of eight small audits, held to the last digits that two machines agree on.

Each kind of figure has its outside reference in a test of its own (docs/metrics.md names them). This one says that none
of them moved: a changed constant, sign or boundary is seen here first. Where a figure is meant to change,
`python -m tests.audit.test_pinned` writes the numbers anew, and the commit says why.
"""

from __future__ import annotations

import gzip
import json
import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import assay

PINNED = Path(__file__).with_name("pinned.json.gz")
LEFT_OUT = {"case", "model", "tool", "cube", "quality", "notes", "findings", "seed", "policy", "schema"}
DIGITS = 9


def people(n: int, seed: int, groups: dict[str, float]) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    group = rng.choice(list(groups), n, p=list(groups.values()))
    lean = np.searchsorted(sorted(groups), group) / len(groups)
    score = np.round(1 / (1 + np.exp(-rng.normal(lean - 0.3, 1))), 3)
    label = np.where(rng.random(n) < 0.2 + 0.6 * score, "yes", "no")
    return pd.DataFrame(
        {
            "g": group, "h": rng.choice(["x", "y"], n), "score": score, "label": label,
            "weight": rng.gamma(2, 1, n).round(3), "who": rng.integers(0, n // 2, n),
            "years": rng.integers(0, 4, n), "y": (3 * lean + rng.normal(0, 1, n)).round(3),
        }
    )  # fmt: skip


FOUR = {"a": 0.5, "b": 0.3, "c": 0.15, "d": 0.05}
DECIDED: dict[str, Any] = {"label": "label", "decision": "decision", "positive": "yes", "favourable": "yes"}
SCORED: dict[str, Any] = {"label": "label", "score": "score", "threshold": 0.5, "positive": "yes", "favourable": "yes"}


def _decided() -> assay.Result:
    frame = people(500, 1, FOUR).assign(decision=lambda f: np.where(f["score"] > 0.55, "yes", "no"))
    frame.loc[:40, "label"] = None
    frame.loc[::29, "g"] = None
    read = frame[["g", "h", "label", "decision", "years"]]
    return assay.audit(read, sensitive=["g", "h"], legitimate={"years": "asked for"}, **DECIDED)


def _tiny() -> assay.Result:
    """Groups of 10 to 20, one decided all alike, one with a single outcome."""
    frame = people(64, 2, FOUR | {"a": 0.35, "c": 0.3}).assign(
        decision=lambda f: np.where(f["score"] > 0.5, "yes", "no")
    )
    frame.loc[frame["g"] == "c", "decision"] = "no"
    frame.loc[frame["g"] == "b", "label"] = "yes"
    return assay.audit(
        frame[["g", "label", "decision"]], sensitive="g", reference={"g": "a"}, **DECIDED
    )  # fmt: skip


def _scored() -> assay.Result:
    return assay.audit(people(260, 3, FOUR)[["g", "score", "label"]], sensitive="g", **SCORED)


def _weighted() -> assay.Result:
    return assay.audit(
        people(260, 4, FOUR)[["g", "score", "label", "weight"]], sensitive="g", weight="weight", **SCORED
    )


def _repeated() -> assay.Result:
    frame = people(300, 5, FOUR)[["g", "score", "label", "who"]]
    return assay.audit(frame, sensitive="g", cluster="who", **SCORED)


def _repeated_and_weighted() -> assay.Result:
    frame = people(300, 6, FOUR)[["g", "score", "label", "who", "weight"]]
    return assay.audit(frame, sensitive="g", cluster="who", weight="weight", **SCORED)


def _numbers() -> assay.Result:
    frame = people(300, 7, FOUR).assign(guess=lambda f: (f["y"] + np.sin(np.arange(300))).round(3))
    return assay.audit(
        frame[["g", "y", "guess"]], label="y", score="guess", task="regression", favourable="high", sensitive="g"
    )  # fmt: skip


def _classes() -> assay.Result:
    rng = np.random.default_rng(8)
    frame = people(300, 8, FOUR).assign(
        grade=lambda f: pd.cut(f["y"], [-9, 0.5, 2, 9], labels=["low", "mid", "high"]).astype(str)
    )
    frame["given"] = np.where(rng.random(300) < 0.7, frame["grade"], rng.choice(["low", "mid", "high"], 300))
    return assay.audit(
        frame[["g", "grade", "given"]],
        label="grade",
        decision="given",
        positive="high",
        favourable="high",
        sensitive="g",
    )


AUDITS: dict[str, Callable[[], assay.Result]] = {
    "decided": _decided, "tiny": _tiny, "scored": _scored, "weighted": _weighted, "repeated": _repeated,
    "repeated and weighted": _repeated_and_weighted, "numbers": _numbers, "classes": _classes,
}  # fmt: skip


def numbers(value: Any, path: str = "") -> Iterator[tuple[str, float | None]]:
    """Path and number, in the order of the document; None where a figure cannot be estimated."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if path or key not in LEFT_OUT:
                yield from numbers(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from numbers(inner, f"{path}/{i}")
    elif value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        yield path, value


def evidence_of(name: str) -> dict[str, float | None]:
    result = AUDITS[name]()
    return dict(numbers(json.loads((result.folder / "evidence.json").read_bytes())))


@pytest.fixture(scope="module")
def pinned() -> dict[str, dict[str, float | None]]:
    document: dict[str, dict[str, float | None]] = json.loads(gzip.decompress(PINNED.read_bytes()))
    return document


@pytest.mark.parametrize("name", AUDITS)
def test_no_number_moved(name: str, pinned: dict[str, dict[str, float | None]]) -> None:
    result, meant = evidence_of(name), pinned[name]
    assert list(result) == list(meant)
    moved = [
        f"{path}: {result[path]} and not {value}" for path, value in meant.items() if not _same(result[path], value)
    ]
    assert not moved, f"{len(moved)} of {len(meant):,}, the first: " + "; ".join(moved[:5])


def _same(a: float | None, b: float | None) -> bool:
    return a is b if a is None or b is None else math.isclose(a, b, rel_tol=1e-7, abs_tol=1e-9)


def _short(value: float | None) -> float | None:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


if __name__ == "__main__":
    with tempfile.TemporaryDirectory():
        written = {name: {p: _short(v) for p, v in evidence_of(name).items()} for name in AUDITS}
    PINNED.write_bytes(gzip.compress(json.dumps(written).encode(), mtime=0))
    print({name: len(found) for name, found in written.items()}, PINNED.stat().st_size, "bytes")
