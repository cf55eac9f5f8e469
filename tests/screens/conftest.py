"""A case with a small audit in a workspace of its own, for screens that begin where one was made."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner

from screens.workspace import CaseFolder, new_case
from tests.shared import forty_rows

manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)
"""Each AppTest would read what every installed distribution says of itself: 0.17 s of processor time."""


@pytest.fixture(scope="session")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of forty rows, audited for real."""
    return forty_rows(tmp_path_factory)


@pytest.fixture
def audited_case(audited: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CaseFolder:
    """The same as a case of a fresh workspace."""
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    built = new_case()
    shutil.copytree(audited, built.place, dirs_exist_ok=True)
    return built
