"""All rows of a person are learned from, chosen on or reported on: never two of these."""

from __future__ import annotations

import numpy as np

from debias.splits import split_rows


def test_a_person_is_in_one_part_only_and_parts_keep_their_size() -> None:
    rng = np.random.default_rng(0)
    who = rng.integers(0, 300, 1500)
    every = np.ones(1500, dtype=bool)
    result = split_rows(None, every, who % 3, every, 0, who)
    parts = [set(who[p].tolist()) for p in (result.train, result.validation, result.test)]
    assert sum(len(p) for p in parts) == len(set.union(*parts))
    assert sorted(np.concatenate([result.train, result.validation, result.test]).tolist()) == list(range(1500))
    assert 0.2 < len(result.test) / 1500 < 0.3
    alone = split_rows(None, every, who % 3, every, 0)
    assert set(who[alone.train].tolist()) & set(who[alone.test].tolist())
