"""What explain.json says in words, and of single people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from audit.case import Case
from audit.cube import Meaning
from audit.evidence import tool
from audit.explain.agree import agree
from audit.explain.kinds import DECISION, LOG_ODDS, PERMUTATION, PROBABILITY, Additivity, Attributions, Floats, Ints
from audit.explain.lime_batch import Lime, stability
from audit.explain.outputs import CLIP, Rule
from audit.explain.people import reasons
from audit.explain.prepare import SCHEMA, decided, shown
from audit.explain.recourse_gap import absent
from audit.explain.sample import FLOOR
from audit.explain.summary import SplitGap, rounded
from audit.models import ModelInfo
from audit.numbers import brief, many
from audit.values import to_json


def unexplained(case: Case) -> dict[str, Any]:
    """The document of a case that has no model to ask."""
    what = {
        "decision": "the case has a column of decisions and no model",
        "score": "the case has a column of scores and no model",
    }.get(case.model.kind, f"a model of the kind {case.model.kind!r} cannot be asked about changed rows here")
    reason = (
        f"{what[0].upper()}{what[1:]}: an explanation asks the model what it would decide if a person's values were "
        "different, and there is nothing to ask. Give the model file under [model] path to have decisions explained."
    )
    return {
        "schema": SCHEMA, "explained": False, "reason": reason, "output": None, "method": None, "rerouted": None,
        "background": None, "seed": None, "rows": 0, "global": [], "groups": [], "gap": [], "decomposition": [],
        "withheld": [], "fidelity": [], "people": [], "recourse": absent(reason),
        "dependence": [], "interactions": None, "hiding": None, "additivity": None, "limits": [reason], "tool": tool(),
    }  # fmt: skip


def meaning_of(output: str, meaning: Meaning, rule: Rule) -> str:
    """The output in words."""
    if output == PROBABILITY:
        return f"the model's probability of {meaning.positive!r}, 0 to 1"
    if output == LOG_ODDS:
        return f"the log-odds of the model's probability of {meaning.positive!r}"
    if output == DECISION:
        how = "as the model itself decides" if rule.signed else f"threshold {brief(rule.threshold)}"
        return f"1 where the decision is the favourable one, {meaning.favourable!r}, else 0 ({how})"
    return f"the model's value, decided {meaning.positive!r} from {brief(rule.threshold)} on"


def flat_gaps(gaps: Sequence[SplitGap]) -> list[dict[str, Any]]:
    """The gap between the extreme groups of each attribute in decisions, one entry a feature."""
    return [
        {
            "attribute": list(g.attribute), "output": g.output, "highest": list(g.highest), "lowest": list(g.lowest),
            "total": g.total, **to_json(p),
        }
        for g in gaps
        if g.kind == "extreme" and g.output == DECISION
        for p in g.features
    ]  # fmt: skip


def worst(*gates: Additivity) -> Additivity:
    """Several gates as one: the largest error, passed if all passed."""
    errors = [a.max_error for a in gates]
    return Additivity(
        None if None in errors else max(e for e in errors if e is not None),
        max(a.tolerance for a in gates),
        all(a.passed for a in gates),
        sum(a.rows for a in gates),
    )


def people_rule(named: bool) -> str:
    """Why these people."""
    if named:
        return "The people explained were asked for by their place among the audited rows."
    return (
        "Nobody was named. By turns for each sensitive attribute, of the group with the lowest selection rate, the "
        "refused person whose score is nearest to the threshold was taken; ties go to the first row."
    )


def people_entries(
    frame: pd.DataFrame, index: Ints, score: Floats, attributions: Attributions, limes: Sequence[Lime],
    meaning: Meaning, rule: Rule, output: str, rules: Sequence[str], changes: Sequence[Mapping[str, Any] | None],
) -> list[dict[str, Any]]:  # fmt: skip
    """The `people` of explain.json: SHAP and LIME side by side."""
    features, first = attributions.features, limes[0]
    same, spread = (None, None) if len(limes) < 2 else stability(limes)
    favourable = rule.favourable(score)
    good_is_up = output == DECISION or rule.favourable_is_positive
    out = []
    for i, row in enumerate(index.tolist()):
        values = shown(frame, row)
        shares, weights = attributions.values[i], first.weights[i]
        error = (
            None
            if attributions.first is None or attributions.second is None
            else np.abs(attributions.first[i] - attributions.second[i]) / 2
        )
        texts = first.rules(i)
        by_shap = np.argsort(-np.abs(shares), kind="stable")
        by_lime = np.argsort(-np.abs(weights), kind="stable")
        refused = favourable[row] == 0
        out.append(
            {
                "row": row,
                "chosen": rules[i],
                "score": rounded(rule.score(score)[row]),
                "decision": decided(meaning, bool(favourable[row])),
                "favourable": not refused,
                "base": rounded(attributions.base[i]),
                "values": values,
                "shap": [
                    {
                        "feature": features[j],
                        "value": rounded(shares[j]),
                        "error": None if error is None else rounded(error[j]),
                    }
                    for j in by_shap
                ],
                "lime": [
                    {
                        "feature": features[j],
                        "value": rounded(weights[j]),
                        "rule": texts[j],
                        "spread": None if spread is None else rounded(spread[i, j]),
                    }
                    for j in by_lime
                ],
                "lime_r2": rounded(first.r2[i]),
                "lime_local": rounded(first.local[i]),
                "lime_stability": None if same is None else rounded(same[i]),
                "agreement": agree(features, shares, weights, first.varies[i], float(first.r2[i])).to_json(),
                "reasons": reasons(features, values, shares, good_is_up, bool(refused)),
                "recourse": changes[i],
            }
        )
    return out


def limits(
    attributions: Attributions, why: str | None, info: ModelInfo, output: str, small: Mapping[str, Sequence[str]],
    background: int, rule: Rule,
) -> list[str]:  # fmt: skip
    """What a reader must know to not read too much into the numbers."""
    out = [
        "Attributions say what the model does with these values. They do not say what caused a person's situation, nor "
        "what would happen if it changed.",
        f"The output explained is the {output}. Another output gives other numbers for the same people.",
        f"A feature counts as not known by taking its value from {many(background, 'audited person')} instead. "
        "Where features go together this makes combinations that no person has, and the model was not trained on them.",
        "Strongly associated features share credit: a small attribution does not show that a feature is unimportant, "
        "and zero for a sensitive attribute does not show that the model is blind to it; see the proxies named.",
        "LIME fits a straight line over bins, a different question from SHAP's; only ranks and signs are compared.",
    ]
    if attributions.method == PERMUTATION:
        out.append(
            "The permutation method samples: shares carry the errors shown. The intervals of the importance enclose an "
            "estimate that errs low and one that errs high."
        )
        if why:
            out.append(f"The model's own attributions are not used: {why}.")
    else:
        out.append(
            f"{attributions.method}: the values themselves have no sampling error; intervals of the importance are "
            "over the rows sampled. Shares of the decision are sampled by the permutation method."
        )
    if output == LOG_ODDS:
        out.append(
            f"Probabilities of exactly 0 or 1 are taken as {brief(CLIP)} inside, where their log-odds are sampled."
        )
    if info.output != PROBABILITY:
        out.append(f"The model gives no probabilities; what is explained is its {info.output}.")
    if not rule.favourable_is_positive and output != DECISION:
        out.append("The score is of the value that is bad for a person: positive attributions count against them.")
    for attribute, groups in small.items():
        if groups:
            out.append(
                f"{len(groups)} group(s) of {attribute} with fewer than {FLOOR} people are left out of every figure, "
                "to protect them."
            )
    if not attributions.additivity.passed:
        out.append(
            "The additivity check failed: asked twice, the model does not give the same answer for the same row. Do "
            "not rely on these attributions."
        )
    return out
