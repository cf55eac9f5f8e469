"""Groups that are small only without others, or only in people and not in rows: explanations leave them out too.

Eight people have area = x, so they are in no table; of the twelve of sex = o five are among them, and the seven who are
left are in no table either. Of the twelve rows of sex = h all are of three people.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cli
from audit.models.write import skops_bytes
from reports.issue import collect
from tests.reports.test_privacy import records


def in_steps(frame: pd.DataFrame) -> str:
    frame.loc[:7, "area"] = "x"
    frame.loc[[*range(5), *range(100, 107)], "sex"] = "o"
    return ""


def of_few_people(frame: pd.DataFrame) -> str:
    frame.loc[:11, "sex"] = "h"
    frame.loc[:11, "person"] = np.arange(12) // 4
    return 'cluster = "person"\n'


@pytest.mark.parametrize("make", [in_steps, of_few_people])
def test_what_a_report_embeds_says_nothing_of_them(
    make: Callable[[pd.DataFrame], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.linear_model import LogisticRegression

    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    rng, n = np.random.default_rng(4), 240
    frame = pd.DataFrame({
        "merit": rng.normal(size=n), "proxy": rng.normal(size=n), "person": np.arange(n),
        "sex": rng.choice(["f", "m"], n), "area": rng.choice(["a", "b"], n),
    })  # fmt: skip
    frame["paid"] = np.where(frame["merit"] + rng.normal(size=n) > 0, "yes", "no")
    role = make(frame)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    model = LogisticRegression().fit(frame[["merit", "proxy"]], frame["paid"])
    (tmp_path / "model.skops").write_bytes(skops_bytes(model))
    (tmp_path / "case.toml").write_text(
        '[case]\nname = "Private"\npurpose = "Who gets a loan"\n[data]\npath = "rows.csv"\nlabel = "paid"\n'
        f'positive = "yes"\nsensitive = ["sex", "area"]\nfeatures = ["merit", "proxy"]\n{role}'
        '[model]\npath = "model.skops"\n[recourse]\nactionable = ["merit", "proxy"]\n'
    )
    for command in ("audit", "explain"):
        assert cli.main([command, str(tmp_path / "case.toml"), "--out", str(tmp_path / "run")]) == 0
    files = collect(tmp_path / "run")
    counts = json.loads(files["evidence.json"])["counts"]
    tables = {(tuple(c["attribute"]), tuple(c["group"])): c["rows"] for c in counts}
    assert 0 in tables.values()
    explained = json.loads(files["explain.json"])
    told = [(key, r) for *key, r in records(explained) if {"people", "rows"} & r.keys()]
    assert {"groups", "fidelity", "decomposition", "recourse"} <= explained.keys()
    assert len(told) > 10
    for key, record in told:
        assert 0 < record["rows"] <= tables[tuple(key)], record
        assert record.get("people", tables[tuple(key)]) == tables[tuple(key)], record
    named = {(*d["attribute"], *d[side]) for d in explained["decomposition"] for side in ("highest", "lowest")}
    assert not [k for k in named if tables.get(((k[0],), (k[1],))) == 0], named
