"""The widest gap of calibration errors is that of looking at each pair of groups by itself."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from audit.calibration import bounds
from audit.cube import CodedRows, Meaning, cube_of, margins_of
from audit.gaps import Settings
from audit.measure import measure


@pytest.mark.parametrize("against", [None, "g2"])
def test_both_ends_are_those_of_all_pairs(against: str | None) -> None:
    rng = np.random.default_rng(3)
    group, score = rng.integers(0, 6, 900), rng.integers(0, 11, 900) / 10
    label = (rng.random(900) < score ** (1 + group / 2)).astype(np.int64)
    rows = CodedRows(
        ("g",), (tuple(f"g{k}" for k in range(6)),), group[:, None], label, (score >= 0.5).astype(np.int64), None,
        score, Meaning("1", "0", "1"),
    )  # fmt: skip
    settings = Settings(draws=100, reference={} if against is None else {"g": against})
    margins, _ = margins_of(cube_of(rows))
    gaps = [g for g in measure(margins, settings).gaps if g.metric == "calibration_error"]
    margin = next(m for m in margins if m.attribute)
    mapping = {g[0]: bounds(margin, k, settings.alpha / 6) for k, g in enumerate(margin.groups)}
    pairs = [
        (mapping[a], mapping[b], a, b) for a, b in permutations(mapping, 2) if against is None or against in (a, b)
    ]
    (error, least, most), other, high, low = max(pairs, key=lambda p: p[0][0] - p[1][0])
    for gap in gaps:
        assert (gap.highest, gap.lowest, gap.pairs) == ((high,), (low,), len(pairs) // 2)
    difference, ratio = gaps
    assert difference.value == error - other[0]
    assert difference.low == max(0.0, *(a[1] - b[2] for a, b, *_ in pairs))
    assert difference.high == min(1.0, max(a[2] - b[1] for a, b, *_ in pairs))
    assert (difference.pair_low, difference.pair_high) == (least - other[2], most - other[1])
    assert ratio.value == other[0] / error
    assert ratio.low == min(b[1] / a[2] for a, b, *_ in pairs)
    assert ratio.high == min(1.0, *(b[2] / a[1] for a, b, *_ in pairs if a[1] > 0))
