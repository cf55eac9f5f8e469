"""A stand-in for the command line in a folder of its own: the real wrapper of a job runs it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from debias import jobs


def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: str) -> Path:
    """A home for jobs, whose commands are `cli` (the text of a cli.py)."""
    place = tmp_path / "room"
    place.mkdir()
    (place / "cli.py").write_text(textwrap.dedent(cli))
    monkeypatch.setattr(jobs, "ROOT", place)
    monkeypatch.setenv("PYTHONPATH", str(Path(jobs.__file__).parent.parent))
    return tmp_path / "home"
