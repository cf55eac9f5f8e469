"""Of many groups every table of a report prints the largest and both ends of the gap; the rest is in the evidence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit.gaps import Settings
from audit.load import load_case
from audit.run import run_audit
from reports.document import Document, Table, build_document
from reports.issue import collect
from tests.reports.test_document import manifest

GROUPS = [f"g{i:02d}" for i in range(50)]
LARGEST, LOW, HIGH = "g49", "g48", "g47"
"""In the order of the alphabet all three come after the forty that a table has room for."""


def built(folder: Path, kind: str) -> Document:
    rng = np.random.default_rng(0)
    group = np.repeat(GROUPS, [*[40] * 47, 45, 45, 400])
    good = np.where(group == HIGH, 0.95, np.where(group == LOW, 0.05, 0.5))
    frame = pd.DataFrame({"town": group})
    names = np.array(["c", "b", "a"])
    if kind == "numbers":
        frame["y"], frame["d"] = rng.normal(size=len(group)).round(2), (good + rng.normal(0, 0.1, len(group))).round(2)
    else:
        frame["y"] = names[rng.integers(0, 3, len(group))]
        frame["d"] = np.where(rng.random(len(group)) < good, "a", names[rng.integers(0, 2, len(group))])
    frame.to_csv(folder / "rows.csv", index=False)
    how = 'task = "regression"\n' if kind == "numbers" else 'positive = "a"\n'
    what = "score" if kind == "numbers" else "decision"
    (folder / "case.toml").write_text(
        '[case]\nname = "c"\npurpose = "p"\n[data]\npath = "rows.csv"\nlabel = "y"\nsensitive = ["town"]\n'
        f'{how}[model]\n{what} = "d"\n'
    )
    run_audit(load_case(folder / "case.toml"), folder / "run", Settings(draws=50))
    files = collect(folder / "run")
    return build_document(files, manifest=manifest(files))


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_the_largest_group_and_both_ends_of_the_gap_are_printed(kind: str, tmp_path: Path) -> None:
    created = built(tmp_path, kind)
    tables = {
        t.caption: [r[t.columns.index("Group")] for r in t.rows]
        for s in created.sections
        for t in s.blocks
        if isinstance(t, Table) and "Group" in t.columns and len(t.rows) > 30
    }
    assert len(tables) >= (4 if kind == "classes" else 1), list(tables)
    for caption, printed in tables.items():
        assert LARGEST in printed, caption
        if "each group against everyone else" not in caption:
            assert {LOW, HIGH} <= set(printed), caption
        assert printed == sorted(printed) or "Class" in caption or "class" in caption, "in their order"
