"""What is not loaded: scipy.stats in a model's process until it is asked for, heavy libraries at the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from scipy import stats

from tests.shared import ROOT

LATE = """
import json, sys
from audit.models.late import until_asked

with until_asked():
    from audit.models.skops_model import import_skops
    import_skops()
found = {"unused": [n for n in ("numpy.f2py", "numpy.testing") if n in sys.modules]}
import numpy
assert numpy.testing.assert_equal and numpy.f2py.__name__ == "numpy.f2py"
import scipy
module = scipy.stats
found["before"] = [type(module).__name__, "scipy.stats._stats_py" in sys.modules]
import scipy
import sklearn.metrics._ranking, sklearn._loss.link, sklearn.isotonic, sklearn.covariance._robust_covariance as robust
given = sys.modules["sklearn.metrics._ranking"].rankdata
found["stand-in"] = type(given).__name__
found["rankdata"] = given([3, 1, 3, 2]).tolist()
found["gmean"] = float(sys.modules["sklearn._loss.link"].gmean([1.0, 2.0, 4.0]))
found["spearmanr"] = float(sys.modules["sklearn.isotonic"].spearmanr([1, 2, 3, 4], [1, 3, 2, 4])[0])
found["chi2"] = [float(robust.chi2(3).isf(0.5)), float(robust.chi2.ppf(0.9, 2))]
import scipy.stats
found["after"] = [type(scipy.stats).__name__, module.norm is scipy.stats.norm, callable(scipy.stats.norm.cdf)]
print(json.dumps(found))
"""
ASKED = (
    "from scipy.stats._distn_infrastructure import rv_frozen; import scipy.stats as s; n = s.norm(); "
    "assert isinstance(n, rv_frozen) and type(n) is type(s.norm(1, 2))",
    "from scipy.stats import *; assert norm.cdf(0) == 0.5",
    "import scipy.stats; assert len(dir(scipy.stats)) > 100",
    "import threading, scipy.stats as s; found = []; "
    "each = [threading.Thread(target=lambda: found.append(s.norm.cdf(0))) for _ in range(6)]; "
    "[t.start() for t in each]; [t.join(60) for t in each]; assert found == [0.5] * 6",
    "from scipy.stats import mstats",
    "import scipy.stats.distributions",
    "from scipy.stats import rankdata; assert type(rankdata).__name__ == 'function'",
    "import importlib; assert importlib.import_module('scipy.stats').gmean([1, 4]) == 2",
)
WHOLE = """
import os, sys
from audit.models.late import until_asked

with until_asked():
    import sklearn.ensemble
    if not (meanwhile := os.fork()):
        from scipy.stats._distn_infrastructure import rv_frozen
if not meanwhile:
    import scipy.stats
    assert isinstance(scipy.stats.norm(), rv_frozen)
    assert sys.modules[rv_frozen.__module__].__spec__.name == rv_frozen.__module__
    os._exit(0)
assert os.waitpid(meanwhile, 0)[1] == 0, "a part that is imported meanwhile is made once"
assert "scipy.stats._stats_py" not in sys.modules
for asked in ASKED:
    if (child := os.fork()) == 0:
        exec(asked)
        import scipy.stats
        assert scipy.stats.rankdata is sys.modules["scipy.stats._stats_py"].rankdata
        assert list(scipy.stats.__path__)
        print(asked, flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, asked
"""


def ran(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error::ImportWarning", "-c", code, *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_scikit_learn_works_with_a_scipy_stats_that_loads_when_it_is_asked() -> None:
    document = json.loads(ran(LATE))
    assert document["unused"] == []
    assert document["before"] == ["_Late", False]
    assert document["stand-in"] == "_StandIn"
    assert document["rankdata"] == stats.rankdata([3, 1, 3, 2]).tolist()
    assert document["gmean"] == stats.gmean([1.0, 2.0, 4.0])
    assert document["spearmanr"] == stats.spearmanr([1, 2, 3, 4], [1, 3, 2, 4])[0]
    assert document["chi2"] == [stats.chi2(3).isf(0.5), stats.chi2.ppf(0.9, 2)]
    assert document["after"] == ["module", True, True]


def test_whatever_else_is_asked_of_it_loads_it_whole() -> None:
    """And what is imported while it is put off is made once."""
    assert ran(WHOLE.replace("ASKED", repr(ASKED))).splitlines() == list(ASKED)


COMMANDS = """
import sys, cli

case, out = sys.argv[1:]
print = lambda *a, p=print: p(*a, file=sys.stderr)
for words in (["audit", case, "--out", out], ["show", out], ["check", case], ["verify", case]):
    assert cli.main(words) == (4 if words[0] == "verify" else 0)
    print("LOADED", words[0], *sorted({n for n in sys.modules if n in HEAVY}))
"""
HEAVY = ("sklearn", "scipy.stats", "scipy.optimize", "duckdb", "lightgbm", "xgboost", "shap", "lime", "matplotlib",
         "plotly", "streamlit", "fairlearn", "skops", "statsmodels", "pyhanko", "narwhals")  # fmt: skip


def test_commands_that_need_no_learner_load_none(tmp_path: Path) -> None:
    """In one process, so that each may have loaded what those before it needed."""
    case = ROOT / "sample_data" / "german_credit.toml"
    code = COMMANDS.replace("n in HEAVY", f"n in {HEAVY}")
    done = subprocess.run(
        [sys.executable, "-c", code, str(case), str(tmp_path / "run")],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded = [line.split()[1:] for line in done.stderr.splitlines() if line.startswith("LOADED")]
    assert loaded == [["audit"], ["show"], ["check"], ["verify"]]


def test_the_nearest_are_those_of_a_stable_sort() -> None:
    from audit.individual.neighbours import NEAR, nearest_of

    rng = np.random.default_rng(0)
    for _ in range(200):
        distance = np.round(rng.random((rng.integers(1, 30), rng.integers(NEAR, 40))) * 5, int(rng.integers(0, 2)))
        distance[rng.random(distance.shape) < 0.2] = rng.choice([np.inf, np.nan, 0.0])
        assert (nearest_of(distance) == np.argsort(distance, axis=1, kind="stable")[:, :NEAR]).all()
