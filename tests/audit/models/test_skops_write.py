"""A model written twice is the same file, and what was one object stays one."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from audit.models.write import skops_bytes

ROOT = Path(__file__).resolve().parents[3]

CODE = """
import sys
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from audit.models.write import skops_bytes
rubbish = [object() for _ in range(1000)]; import json, sqlite3
x = np.arange(20.0).reshape(10, 2)
model = Pipeline([("scale", StandardScaler()), ("model", LogisticRegression())]).fit(x, np.arange(10) > 4)
sys.stdout.buffer.write(skops_bytes(model))
"""


def fitted() -> Pipeline:
    x = np.arange(20.0).reshape(10, 2)
    return Pipeline([("scale", StandardScaler()), ("model", LogisticRegression())]).fit(x, np.arange(10) > 4)


def test_same_bytes_in_this_process_and_in_another_that_did_other_things() -> None:
    one = skops_bytes(fitted())
    assert one == skops_bytes(fitted())
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == one


def test_plain_skops_is_not_the_same_twice() -> None:
    """Why the module exists; when this fails, it can go."""
    assert skops.io.dumps(fitted()) != skops.io.dumps(fitted())


def test_other_model_other_bytes() -> None:
    other = fitted()
    other.named_steps["model"].coef_ = other.named_steps["model"].coef_ + 1e-9
    assert skops_bytes(other) != skops_bytes(fitted())


def test_read_back_it_is_the_same_model_without_more_trust() -> None:
    model, x = fitted(), np.linspace(-5, 25, 40).reshape(20, 2)
    content = skops_bytes(model)
    assert skops.io.get_untrusted_types(data=content) == skops.io.get_untrusted_types(data=skops.io.dumps(model))
    np.testing.assert_array_equal(skops.io.loads(content).predict_proba(x), model.predict_proba(x))


def test_shared_parts_stay_shared_and_equal_ones_stay_two() -> None:
    shared = [1.0, 2.0]
    back = skops.io.loads(skops_bytes({"a": shared, "b": shared, "c": [1.0, 2.0], "d": (1, "x"), "e": (1, "x")}))
    assert back["a"] is back["b"]
    assert back["a"] is not back["c"]
    assert back["c"] == back["a"]
    assert back["d"] == back["e"] == (1, "x")


def test_no_clock_in_the_archive() -> None:
    with zipfile.ZipFile(io.BytesIO(skops_bytes(fitted()))) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.testzip() is None
