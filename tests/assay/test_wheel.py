"""What `pip install .` puts down is enough: the wheel, unpacked elsewhere, audits without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    names = listed.stdout.splitlines() or [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if ".venv" not in p.parts]
    for name in names:
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/images/")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PIP_NO_INDEX": "1"})
    assert done.returncode == 0, done.stderr
    place = folder / "site"
    with zipfile.ZipFile(next(folder.glob("assay-*.whl"))) as wheel:
        wheel.extractall(place)
    return place


def python(place: Path, *args: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(place), "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        [sys.executable, "-W", "ignore", *args], cwd=place.parent, env=env, capture_output=True, text=True
    )


def test_the_wheel_holds_the_packages_and_nothing_else(installed: Path) -> None:
    tops = {p.name for p in installed.iterdir() if not p.name.endswith(".dist-info")}
    assert tops == {"assay", "audit", "debias", "reports", "screens", "sample_data", "cli.py", "app.py"}
    entry = next(installed.glob("*.dist-info")) / "entry_points.txt"
    assert "assay = cli:start" in entry.read_text()


def test_the_facade_works_from_the_wheel(installed: Path) -> None:
    code = (
        "import assay, audit; assert 'site' in audit.__file__, audit.__file__\n"
        "frame = {'sex': ['f', 'm'] * 50, 'hired': ['no', 'yes'] * 50}\n"
        "print(assay.audit(frame, decision='hired', sensitive=['sex'], draws=50).findings[0])"
    )
    done = python(installed, "-c", code)
    assert done.returncode == 0, done.stderr
    assert "100.0 %" in done.stdout


def test_a_model_is_asked_from_the_wheel(installed: Path) -> None:
    case = str(installed / "sample_data" / "german_credit.toml")
    done = python(installed, "-m", "cli", "audit", case, "--out", "run", "--draws", "50")
    assert done.returncode == 0, done.stderr
    assert (installed.parent / "run" / "evidence.json").exists()
