"""`assay demo` as a person types it: its processes start for real, and end with the thread that began them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from audit.progress import PLANS


def test_the_demonstration_is_printed_signed_and_verified(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "cli", "demo", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    # Each stage in its place of the plan, as a person sees them; the first may end before anything is told.
    places = [int(n) for n in re.findall(r"\((\d+) of \d+\)[^\n]* \.\.\.$", done.stderr, re.MULTILINE)]
    assert places == sorted(places), done.stderr
    assert set(places) | {1} == set(range(1, len(PLANS["demo"]) + 1)), done.stderr
    assert "intact and consistent; who signed is not established" in done.stdout
    document = json.loads((out / "demo.json").read_bytes())
    assert {"audit, explain and mitigate", "report", "verify"} == set(document["seconds"])
    # What was made ahead gives the lines of processes that knew nothing before: tests/reports/test_pages_beside.py.
    assert document["verified"]["failed"] is None
    mapping = {c["check"]: c["status"] for c in document["verified"]["checks"]}
    assert {"structure", "signatures", "faces", "figures", "mitigation", "printed pages"} <= set(mapping)
    assert {name for name, status in mapping.items() if status != "ok"} == {"continuation", "log", "identity", "rerun"}
