"""The alarm for models that behave differently when they are being explained.

A model can tell real people from the made-up rows that explainers ask about, and answer those harmlessly (Slack et al.
2020, "Fooling LIME and SHAP"). Such a model reacts to a feature on real rows and not on made-up ones. So each feature
is changed alone, once in real rows and once in rows spliced together from many people; an honest model, proxies or not,
reacts about as much in both. The alarm is raised where the reaction on real rows is nearly gone on spliced ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from audit.explain.kinds import Floats, Ints, Predict, ask
from audit.explain.permutation_shap import CellTable
from audit.explain.sentences import Reaction, alarms, words
from audit.explain.summary import rounded
from audit.models.hybrids import Base, Hybrids, rows_in_block


def reactions(
    predict: Predict,
    frame: pd.DataFrame,
    *,
    rows: int = 400,
    seed: int = 0,
    features: Sequence[str] | None = None,
    change: Callable[[Floats], Floats] | None = None,
) -> tuple[Reaction, ...]:
    """One for each of `features` (default: all columns), in the model's answers or what `change` makes of them. Asks
    about 2 x rows rows, and as many for each feature, in blocks."""
    rng = np.random.default_rng([seed, 2])
    count = len(frame)
    size = min(rows, count)
    names = [str(c) for c in frame.columns]
    wanted = names if features is None else [f for f in names if f in features]
    if size < 2 or not wanted:
        return ()
    own = rng.permutation(count)[:size]
    # Every column from another person: nobody is like this.
    mixed = np.column_stack([rng.permutation(count)[:size] for _ in names])
    table = CellTable(frame, frame.iloc[:0])
    # The rows changed stand behind everyone, so that a changed row is one of them and one cell of someone else.
    appended = table.cells(np.vstack([np.repeat(own[:, None], len(names), axis=1), mixed]))
    base = Base(pd.concat([frame, appended], ignore_index=True))
    plain = count + np.arange(2 * size)
    before = np.asarray(predict(base.frame.iloc[plain].reset_index(drop=True)), dtype=np.float64)
    before = before if change is None else change(before)
    out = []
    at = max(1, rows_in_block(len(names)) // (2 * size))
    for start in range(0, len(wanted), at):
        places = [names.index(name) for name in wanted[start : start + at]]
        other = [_another(table, j, source, rng) for j in places for source in (own, mixed[:, j])]
        mask = np.repeat(np.arange(len(names)) == np.array(places)[:, None], 2 * size, axis=0)
        asked = Hybrids(base, mask, np.concatenate(other), np.tile(plain, len(places)))
        after = ask(predict, asked)
        moved = np.abs((after if change is None else change(after)).reshape(-1, 2, size) - before.reshape(2, size))
        out += [_judge(names[j], real, spliced) for j, (real, spliced) in zip(places, moved, strict=True)]
    return tuple(out)


def _another(table: CellTable, column: int, source: Ints, rng: np.random.Generator) -> Ints:
    """For each row a person whose value of the column is another one, where there is any among a few draws."""
    codes = table.codes(column)
    out = rng.integers(0, len(codes), len(source))
    for _ in range(20):
        same = codes[out] == codes[source]
        if not same.any():
            break
        out[same] = rng.integers(0, len(codes), int(same.sum()))
    return np.asarray(out, dtype=np.int64)


def _judge(name: str, real: Floats, spliced: Floats) -> Reaction:
    mean, other = float(real.mean()), float(spliced.mean())
    error = float(real.std(ddof=1) / np.sqrt(len(real)))
    other_error = float(spliced.std(ddof=1) / np.sqrt(len(spliced)))
    reaction = Reaction(name, mean, error, other, other_error, False)
    return replace(reaction, alarm=alarms(reaction))


def to_json(reactions: Sequence[Reaction]) -> dict[str, Any]:
    """The `hiding` entry of explain.json."""
    return {
        "alarm": any(r.alarm for r in reactions),
        "notice": words(reactions),
        "features": [
            {
                "feature": r.feature,
                "real": rounded(r.real),
                "real_error": rounded(r.real_error),
                "spliced": rounded(r.spliced),
                "spliced_error": rounded(r.spliced_error),
                "alarm": r.alarm,
            }
            for r in reactions
        ],
    }
