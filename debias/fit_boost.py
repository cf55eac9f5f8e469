"""A candidate by constrained boosting, as a pipeline that takes the raw columns."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from audit.errors import InputError
from audit.numbers import brief, fixed
from debias.candidate import SKOPS, Candidate, Request, decided, joint_of, scores_of
from debias.held import apart_of
from debias.learner import boosted_learner, encoder
from debias.methods.boost import LEAST, BoostSettings, boost, bounds_of

THRESHOLD = 0.5


def by_boosting(asked: Request) -> Candidate:
    """One run that binds every attribute named and their intersection. hyper: the fields of BoostSettings.

    Raises InputError where no gap can be bound.
    """
    from audit.models.write import skops_bytes

    task, attributes, tolerance, loss_from = asked.task, asked.attributes, asked.tolerance, asked.loss_from
    settings = BoostSettings(**(asked.hyper or {}))  # type: ignore[arg-type]
    fit, choose = task.splits.train, task.splits.validation
    rows = np.concatenate([fit, choose])
    learn = np.arange(len(rows)) < len(fit)
    prepare, categories = encoder(task.part(fit))
    prepare.fit(task.part(fit))
    x = np.asarray(prepare.transform(task.part(rows)), dtype=np.float64)
    # The saved classifier predicts the class that sorts last, so that is the class to boost.
    ordered = sorted((task.meaning.negative, task.meaning.positive))
    flipped = ordered[1] != task.meaning.positive
    label = 1 - task.label[rows] if flipped else task.label[rows]
    merit = int(ordered[1] == task.meaning.favourable)
    sets = [(a,) for a in attributes] + ([attributes] if len(attributes) > 1 else [])
    named = [(" and ".join(s), *joint_of(task, s)) for s in sets]
    bounds, small = bounds_of(asked.constraint, [(name, g[rows]) for name, g, _ in named], label, merit, learn)
    if not bounds:
        raise InputError(
            "there are no two groups large enough to bound a gap between them",
            got=f"fewer than two groups by {' or '.join(attributes)} with {LEAST} training rows or more",
            expected=f"two groups of {LEAST} training rows or more",
            todo="name another attribute, put small groups together with `bins`, or bring more rows",
        )
    notes = []
    names = {name: groups for name, _, groups in named}
    loose: dict[str, set[int]] = {name: set(range(int(g[rows].max()) + 1, len(groups))) for name, g, groups in named}
    for name, group, _ in small:
        loose[name if name in names else name.rpartition(" among ")[0]].add(group)
    left = sorted({" / ".join(names[name][g]) for name, groups in loose.items() for g in groups})
    too_few = f"fewer than {LEAST} training rows"
    apart = tuple(a for (name, _, groups), s in zip(named, sets, strict=True) if len(s) == 1
                  for a in apart_of(groups, s, loose[name], too_few))  # fmt: skip
    if left:
        notes.append(
            f"Fewer than {LEAST} training rows, so not held to the constraint: {', '.join(left[:8])}"
            + (f" and {len(left) - 8} more." if len(left) > 8 else ".")
        )
    done = boost(
        x,
        label,
        task.weight_of(rows),
        bounds,
        learn,
        tolerance=tolerance,
        threshold=THRESHOLD,
        categories=categories,
        settings=settings,
        seed=asked.seed,
        loss_from=loss_from,
    )
    if not done.met:
        best = (
            f"smallest gap was {'not estimable' if np.isnan(done.gap) else fixed(done.gap, 3)}"
            if loss_from is None
            else f"least that the worst group erred was {fixed(loss_from + done.gap, 3)}, not "
            f"{fixed(loss_from + tolerance, 3)}"
        )
        notes.append(
            f"The tolerance of {brief(tolerance)} was not reached on the rows that were learned from and chosen "
            f"on: the {best}. A larger tolerance, fewer attributes or more trees may help."
        )
    model = boosted_learner(prepare, done.text, (ordered[0], ordered[1]), x.shape[1])
    content = skops_bytes(model)
    score = scores_of(task, content, own=model)
    return Candidate(
        asked.method,
        SKOPS,
        "skops",
        content,
        "gradient boosting (LightGBM) under the constraint, in place of the audited model",
        positive=decided(score, THRESHOLD),
        score=score,
        threshold=THRESHOLD,
        parameters={
            **asdict(settings),
            **({} if loss_from is None else {"loss_from": loss_from, "loss_bound": loss_from + tolerance}),
            "trees_kept": done.kept,
            "multipliers": done.multipliers,
            "gap_on_training": float(done.gap_fit[done.kept - 1]),
            "gap_on_validation": float(done.gap_held[done.kept - 1]),
        },
        notes=tuple(notes),
        apart=apart,
    )
