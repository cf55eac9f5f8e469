"""Loads a skops file and asks for scores, inside an enclosed process."""

import pandas as pd


def score(fields, arrays):
    from audit.models.skops_model import SkopsModel

    model = SkopsModel(arrays["model"].tobytes(), ())
    rows = pd.DataFrame(arrays["rows"])
    if fields["text"]:
        rows = rows.round().astype(int).astype(str)
    if model.facts.features is not None:
        rows.columns = list(model.facts.features)
    return {}, {"scores": model.scores(rows, "1")}
