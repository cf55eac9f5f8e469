"""Which rows are for what: learn, choose, report. No row is for two of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.errors import DataError
from audit.numbers import many

Ints = npt.NDArray[np.int64]
VALIDATION_SHARE = 0.25
TEST_SHARE = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Splits:
    """Row numbers of the table: train to fit, validation to choose, test to report; `own` where Assay drew them."""

    train: Ints
    validation: Ints
    test: Ints
    own: bool


def split_rows(
    train: npt.NDArray[np.bool_] | None,
    audit: npt.NDArray[np.bool_],
    stratum: Ints,
    labelled: npt.NDArray[np.bool_],
    seed: int,
    people: Ints | None = None,
) -> Splits:
    """The case's own split, its training rows divided in two; without one, three parts drawn by seed.

    train, audit, labelled (n,) are masks; stratum (n,) is the joint code of groups and label, so that each part has
    its share of every group. Rows without a label are never learned from. people (n,): who each
    row is about; where Assay draws, all rows of a person go the same way. Raises DataError where a part is too small.
    """
    own = train is None
    if train is None:
        test = share_of(np.flatnonzero(audit), stratum, TEST_SHARE, seed, people)
        rest = np.setdiff1d(np.flatnonzero(audit & labelled), test)
    else:
        test = np.flatnonzero(audit)
        rest = np.setdiff1d(np.flatnonzero(train & labelled), test)
    validation = share_of(rest, stratum, VALIDATION_SHARE, seed + 1, people)
    fit = np.setdiff1d(rest, validation)
    for name, rows, least in (("learn from", fit, 20), ("choose on", validation, 10), ("report on", test, 10)):
        if len(rows) < least:
            raise DataError(
                f"there are too few rows to {name}",
                got=many(len(rows), "row") + ("" if own else " in the split of the case"),
                expected=f"at least {least} rows with a known label",
                todo="bring more rows, or check `split`, `train` and `audit` in the case file",
            )
    return Splits(fit.astype(np.int64), validation.astype(np.int64), test.astype(np.int64), own)


def share_of(rows: Ints, stratum: Ints, share: float, seed: int, people: Ints | None = None) -> Ints:
    """About `share` of `rows`, evenly from each stratum: every 1/share-th of a shuffled, then sorted, list.

    With people (n,), of whom each row is about, about that share of the people with all of their rows.
    """
    if people is not None:
        _, first = np.unique(people[rows], return_index=True)
        chosen = people[share_of(rows[first], stratum, share, seed)]
        whole: Ints = rows[np.isin(people[rows], chosen)]
        return whole
    rng = np.random.default_rng(seed)
    shuffled = rows[rng.permutation(len(rows))]
    ordered = shuffled[np.argsort(stratum[shuffled], kind="stable")]
    step = (np.arange(len(ordered)) + rng.random()) * share
    picked = np.floor(step) > np.floor(step - share)
    out: Ints = np.sort(ordered[picked])
    return out
