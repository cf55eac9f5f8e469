"""What could go wrong, and the variants: each figure against the counts beside it, each sign against its interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.documents import record_in
from audit.documents.stress import Stress, Whatif
from audit.errors import AssayError
from audit.numbers import many
from reports.verify.figures import alike, load
from reports.verify.result import Broken, shown

TOLERANCE = 1e-6


def check_stress(files: Mapping[str, bytes]) -> str:
    """stress.json. Raises Broken."""
    from audit.stress.figures import figure_of, is_worse
    from audit.stress.words import noticed, words_of

    document = load(files, "stress.json")
    compared = entries = 0
    try:
        stress = record_in(Stress, document, "stress.json")
        for question, part in (("serving", stress.serving), ("training", stress.training)):
            for number, e in enumerate(part.entries, 1):
                where = f"{question} {number}"
                words_of(e)
                noticed(e)
                at = None if e.lowest is None else e.counts.groups.index(e.lowest)
                before, after = (figure_of(e.figure, counts, at) for counts in (e.counts.before, e.counts.after))
                if before is None or after is None:
                    raise Broken("a figure of the stress test has no counts", got=where)
                pairs = (
                    ("before", e.before, before),
                    ("after", e.after, after),
                    ("change", e.change, after - before),
                    ("worse", e.worse, is_worse(e.figure, e.low, e.high, after, e.random_worst)),
                    ("interval", e.low <= e.change <= e.high, True),
                    ("names_person", e.names_person, any(x.personal for x in e.predicate)),
                    ("budget", e.rows <= stress.asked.budget * e.of + 1, True),
                )
                compared += _same(f"what could go wrong, {where}", pairs)
                entries += 1
    except (AssayError, TypeError, ValueError, KeyError, IndexError, ArithmeticError, AttributeError) as error:
        raise Broken("the stress test cannot be measured", got=type(error).__name__) from error
    return f"{many(compared, 'value')} of {many(entries, 'finding')} computed again from their counts"


def check_whatif(files: Mapping[str, bytes]) -> str:
    """whatif.json. Raises Broken."""
    import numpy as np

    from audit import stats
    from audit.stress.figures import Aim, figure_of
    from debias.whatif.run import multiverse

    document = load(files, "whatif.json")
    compared = 0
    try:
        whatif = record_in(Whatif, document, "whatif.json")
        p: list[float] = []
        for number, a in enumerate(whatif.aims, 1):
            pairs = (
                ("base", a.base, figure_of(a.kind, a.base_counts)),
                ("shipped", a.shipped, figure_of(a.kind, a.shipped_counts)),
            )
            compared += _same(f"the figure {number} of the variants", pairs)
        for number, v in enumerate(whatif.variants, 1):
            for a, f in zip(whatif.aims, v.figures, strict=True):
                value = figure_of(a.kind, f.counts)
                p.append(np.nan if f.p_value is None else f.p_value)
                if f.value is None:
                    continue
                followed: tuple[tuple[str, Any, Any], ...] = (
                    ("value", f.value, value),
                    ("change", f.change, None if value is None else value - a.base),
                    ("interval", f.low <= f.change <= f.high, True),  # type: ignore[operator]  # None: not measured
                )
                compared += _same(f"variant {number}", followed)
        compared += _same("the variants", [("tests", whatif.tests, len(p))] if whatif.tests else [])
        adjusted = iter(stats.holm(np.array(p)).tolist() if p else [])
        for number, v in enumerate(whatif.variants, 1):
            for f in v.figures:
                right = next(adjusted)
                compared += _same(
                    f"variant {number}", (("p_adjusted", f.p_adjusted, None if right != right else right),)
                )
        kept = [Aim(a.metric, a.attribute, a.kind, a.limit) for a in whatif.aims]
        own = [np.nan if a.shipped is None else a.shipped for a in whatif.aims]
        again = multiverse(kept, own, whatif.variants)
        for number, (got, norm) in enumerate(zip(whatif.multiverse, again, strict=True), 1):
            compared += _same(f"norm {number} of the variants", [(k, getattr(got, k), v) for k, v in norm.items()])
    except (AssayError, TypeError, ValueError, KeyError, IndexError, ArithmeticError, AttributeError) as error:
        raise Broken("the variants cannot be measured", got=type(error).__name__) from error
    return f"{many(compared, 'value')} of {many(len(whatif.variants), 'variant')} computed again from their counts"


def _same(where: str, pairs: Any) -> int:
    """How many were compared; raises Broken at the first that differs."""
    for key, got, expected in pairs:
        if not _alike(got, expected):
            raise Broken(f"{where}, {key} does not follow from its counts", got=shown(got), expected=shown(expected))
    return len(pairs)


def _alike(got: Any, expected: Any) -> bool:
    if isinstance(expected, list | tuple):
        return isinstance(got, list | tuple) and list(expected) == list(got)
    return alike(got, expected, TOLERANCE)
