"""The first screen is light: what the other screens measure with is not loaded before it is drawn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_first_screen_loads_no_library_that_measures() -> None:
    code = "import sys; from screens import people, removal, start, warm; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    heavy = {"scipy", "sklearn", "pandas", "duckdb", "shap", "statsmodels", "cryptography", "pikepdf", "audit.load"}
    assert not heavy & set(done.stdout.split())
