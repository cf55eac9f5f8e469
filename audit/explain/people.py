"""Single people: whom to explain when nobody is named, and reasons in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from audit.explain.kinds import Floats

REASONS = 4
"""How many reasons are given: what counts most against a person, as in notices of a refusal (reports/presets)."""


def choose_people(
    score: Floats,
    favourable: Floats,
    threshold: float,
    groups: Mapping[str, npt.NDArray[np.str_]],
    keep: npt.NDArray[np.bool_],
    count: int = 3,
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Positions of `count` people, and for each the rule that chose them. No draw is made; ties go to the first row.

    By turns for each attribute: of the group with the lowest selection rate, the person refused with the score nearest
    to the threshold. Without such a person, the one nearest to the threshold of all.
    """
    distance = np.abs(score - threshold)
    chosen: list[int] = []
    rules: list[str] = []
    worst = {}
    for attribute, names in groups.items():
        levels = np.unique(names[keep])
        if len(levels) > 1:
            worst[attribute] = min(levels.tolist(), key=lambda g: (favourable[keep & (names == g)].mean(), str(g)))
    turns = list(worst.items())
    while turns and len(chosen) < count:
        attribute, group = turns.pop(0)
        pool = np.flatnonzero(keep & (groups[attribute] == group) & (favourable == 0))
        pool = pool[~np.isin(pool, chosen)]
        if len(pool):
            chosen.append(int(pool[np.argmin(distance[pool])]))
            rules.append(
                f"of the group {attribute} = {group}, which has the lowest selection rate, the refused person whose "
                "score is nearest to the threshold and who was not yet chosen"
            )
            turns.append((attribute, group))
    while len(chosen) < count:
        pool = np.flatnonzero(keep)
        pool = pool[~np.isin(pool, chosen)]
        if not len(pool):
            break
        chosen.append(int(pool[np.argmin(distance[pool])]))
        rules.append("of all people, the one whose score is nearest to the threshold and who was not yet chosen")
    return tuple(chosen), tuple(rules)


def reasons(
    features: Sequence[str], values: Mapping[str, object], shares: Floats, favourable_is_positive: bool, refused: bool
) -> list[str]:
    """What counted most against (for a refusal) or for a person, in words, strongest first.

    shares (M,): attributions of the score of the positive value.
    """
    towards = shares if favourable_is_positive else -shares
    against = -towards if refused else towards
    order = [int(i) for i in np.argsort(-against, kind="stable")[:REASONS] if against[i] > 0]
    side = "against" if refused else "for"
    return [f"{features[i]} = {values[features[i]]} counted {side} the person" for i in order]
