"""A feed in which values go missing, through `assay watch`: numbers, yes and no, and words alike."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cli


@pytest.mark.parametrize("gone", [0.0, 0.3])
def test_values_that_go_missing_move_every_kind_of_column(
    gone: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing else changes: without a place for the missing each would be at about 0.0 (an earlier figure was .06)."""
    rng, n = np.random.default_rng(0), 4800
    frame = pd.DataFrame(
        {
            "day": np.repeat(np.arange(6), 800), "sex": rng.choice(["f", "m"], n), "age": rng.normal(40, 9, n).round(),
            "owner": rng.choice(np.array([True, False], dtype=object), n), "code": rng.choice(["07", "1", "b"], n),
        }
    )  # fmt: skip
    frame["truth"] = np.where(rng.random(n) < 0.3 + 0.2 * (frame["age"] > 40), "yes", "no")
    frame["p"] = (0.3 + 0.2 * (frame["age"] > 40) + rng.normal(0, 0.05, n)).clip(0, 1).round(3)
    for column in ("age", "owner", "code"):
        frame[column] = frame[column].astype(object).where((frame["day"] < 3) | (rng.random(n) >= gone), None)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "case.toml").write_text(
        '[case]\nname = "t"\npurpose = "p"\n[data]\npath = "rows.csv"\nlabel = "truth"\npositive = "yes"\n'
        'favourable = "yes"\nsensitive = ["sex"]\ntime = "day"\nfeatures = ["age", "owner", "code"]\n'
        '[model]\nscore = "p"\nthreshold = 0.4\n'
    )
    assert cli.main(["watch", str(tmp_path / "case.toml"), "--out", str(tmp_path / "w")]) == 0
    sizes = {c: float(v) for c, v in re.findall(r"(\w+) \(everyone, PSI ([0-9.]+)\)", capsys.readouterr().out)}
    if gone:
        assert sizes.keys() == {"age", "owner", "code"}
        # Of half a person's share before, a tenth of a window and more: 0.1 ln(0.1 / 0.0003) is 0.6.
        assert all(0.6 < psi < 3 for psi in sizes.values()), sizes
    else:
        assert not sizes
