"""The policy that a loop goes by: kept with it, so that a person's word is taken under the norms that were in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import msgspec

from audit.case import Case
from audit.policy import LoopRules, Norm, Policy


def with_delay(case: Case, policy: Policy) -> Policy:
    """Waits are from when outcomes are known: shadow and probation last as many batches longer as outcomes take, and
    the cooldown at least so many."""
    loop, delay = policy.loop, case.watch.label_delay
    return replace(
        policy,
        loop=replace(
            loop,
            shadow_batches=loop.shadow_batches + delay,
            probation_batches=loop.probation_batches + delay,
            cooldown_batches=max(loop.cooldown_batches, delay),
        ),
    )


def settings_of(case: Case) -> dict[str, Any]:
    """What a loop's counts mean: the settings of a case that may not change while it runs, as JSON."""
    data, model = case.data, case.model
    return {
        "label": data.label,
        "positive": data.positive,
        "favourable": data.favourable,
        "sensitive": list(data.sensitive),
        "bins": {k: list(v) for k, v in sorted(data.bins.items())},
        "indicators": {k: list(v) for k, v in sorted(data.indicators.items())},
        "id": data.id,
        "cluster": data.cluster,
        "weight": data.weight,
        "time": data.time,
        "kind": model.kind,
        "column": model.column,
        "threshold": model.threshold if model.kind == "score" or model.threshold_given else None,
        "classes": dict(sorted(model.classes.items())),
        "label_delay": case.watch.label_delay,
    }


def policy_to_json(policy: Policy) -> dict[str, Any]:
    """A policy as it was read, without its place: the trail is the same wherever a case is."""
    return {
        "version": policy.version,
        "sha256": policy.sha256,
        "norms": [asdict(n) for n in policy.norms],
        "loop": asdict(policy.loop),
    }


def policy_from_json(data: Mapping[str, Any]) -> Policy:
    """The policy that `policy_to_json` wrote."""
    kept = msgspec.convert(data, _Kept)
    return Policy(kept.version, kept.norms, kept.sha256, None, kept.loop)


class _Kept(msgspec.Struct):
    """A policy as it is kept."""

    version: str
    sha256: str
    norms: tuple[Norm, ...]
    loop: LoopRules


def in_force(case: Case, kept: Any) -> Case:
    """The case under the policy that its loop was last run with. kept: the trail's document "policy"."""
    return case if kept is None else replace(case, policy=policy_from_json(kept))
