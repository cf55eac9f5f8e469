"""The set-up and the serving scripts, with stand-ins for Python, dpkg and apt so that nothing is installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A Python that makes an environment out of copies of itself and writes down what pip was asked for.
FAKE_PYTHON = """#!/bin/bash
case "$1 $2" in
  "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  "-m pip")
    echo "$*" >>"$CALLS"
    case "$*" in *"-r requirements"*) [ ! -e "$CALLS.broken" ] || exit 1 ;; esac ;;
  "--version ") echo "Python 3.11.0" ;;
esac
exit 0
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of what the set-up reads, in a folder with a space in its name, and the stand-ins in `bin`."""
    folder = tmp_path / "a folder"
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    shutil.copy(ROOT / "requirements.txt", folder)
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    shutil.copy(ROOT / "Makefile", folder)
    stand_in(tmp_path, "python3", FAKE_PYTHON)
    stand_in(tmp_path, "dpkg-query", "#!/bin/sh\necho installed\n")
    stand_in(tmp_path, "apt-get", '#!/bin/sh\necho "apt-get $*" >>"$CALLS"\nexit 1\n')
    return folder


def stand_in(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def calls(clone: Path) -> list[str]:
    path = clone.parent / "calls"
    return path.read_text().splitlines() if path.exists() else []


def run(clone: Path, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{clone.parent / 'bin'}:/usr/bin:/bin", "CALLS": str(clone.parent / "calls"), **more}
    return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, timeout=60)


def test_set_up_then_nothing_more_to_do(clone: Path) -> None:
    first = run(clone, "bash", "scripts/setup.sh", "run")
    assert first.returncode == 0, first.stderr
    installs = [call for call in calls(clone) if "install" in call]
    assert len(installs) == 2
    assert all("--require-hashes" in call for call in installs)
    assert (clone / ".venv" / "bin" / "assay").exists()

    before = calls(clone)
    second = run(clone, "bash", "scripts/setup.sh", "run")
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert calls(clone) == before


def test_changed_requirements_are_installed(clone: Path) -> None:
    run(clone, "bash", "scripts/setup.sh", "run")
    before = len(calls(clone))
    with (clone / "requirements.txt").open("a") as stream:
        stream.write("# changed\n")
    assert run(clone, "bash", "scripts/setup.sh", "run").returncode == 0
    assert len(calls(clone)) > before


def test_test_set_up_covers_the_run_one(clone: Path) -> None:
    assert run(clone, "bash", "scripts/setup.sh", "test").returncode == 0
    before = calls(clone)
    assert any("requirements/test.txt" in call for call in before)
    assert run(clone, "bash", "scripts/setup.sh", "run").returncode == 0
    assert calls(clone) == before


def test_interrupted_set_up_begins_again(clone: Path) -> None:
    (clone.parent / "calls.broken").touch()
    failed = run(clone, "bash", "scripts/setup.sh", "run")
    assert failed.returncode == 2
    assert "run the same make command again" in failed.stderr
    (clone / ".venv" / "left-over").touch()

    (clone.parent / "calls.broken").unlink()
    again = run(clone, "bash", "scripts/setup.sh", "run")
    assert again.returncode == 0, again.stderr
    assert "making it anew" in again.stderr
    assert not (clone / ".venv" / "left-over").exists()


def test_missing_system_packages_without_apt_get_one_exact_line(clone: Path) -> None:
    missing = '#!/bin/sh\ncase "$*" in *pango*) exit 1 ;; esac\necho installed\n'
    stand_in(clone.parent, "dpkg-query", missing)
    done = run(clone, "bash", "scripts/setup.sh", "run", ASSAY_NO_APT="1")
    assert done.returncode == 2
    line = "sudo apt-get update && sudo apt-get install -y --no-install-recommends libpango-1.0-0 libpangoft2-1.0-0"
    assert [text.strip() for text in done.stderr.splitlines()][-1].endswith(line)
    assert not (clone / ".venv").exists()
    assert not any("apt-get" in call for call in calls(clone))


def test_python_that_is_too_old_is_named(clone: Path) -> None:
    stand_in(clone.parent, "old", "#!/bin/sh\nexit 1\n")
    done = run(clone, "bash", "scripts/setup.sh", "run", PYTHON=str(clone.parent / "bin" / "old"))
    assert done.returncode == 2
    assert "not a Python 3.11 or newer" in done.stderr


def test_busy_port_is_named_with_a_free_one(clone: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = run(clone, "make", "-s", "run", f"PORT={port}")
    assert done.returncode == 2
    assert f"port {port} on 127.0.0.1 is already in use" in done.stderr
    assert "make run PORT=" in done.stderr
    assert not (clone / ".venv").exists()


@pytest.mark.parametrize("port", ["80", "http", "70000", "-1", "8501; true"])
def test_port_that_is_none_is_refused(clone: Path, port: str) -> None:
    done = run(clone, "bash", "scripts/run.sh", port)
    assert done.returncode == 2
    assert "make run PORT=8502" in done.stderr


def test_launcher_works_from_anywhere_through_a_link(clone: Path, tmp_path: Path) -> None:
    assert run(clone, "bash", "scripts/setup.sh", "run").returncode == 0
    (clone / "cli.py").write_text("import sys\n\n\ndef start():\n    print(sys.argv)\n    sys.exit(3)\n")
    python = clone / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to(sys.executable)
    link = tmp_path / "elsewhere"
    link.symlink_to(clone / ".venv" / "bin" / "assay")
    done = subprocess.run([link, "audit", "a b"], cwd=tmp_path, capture_output=True, text=True, env=dict(os.environ))
    assert (done.returncode, done.stdout.strip()) == (3, "['assay', 'audit', 'a b']"), done.stderr
