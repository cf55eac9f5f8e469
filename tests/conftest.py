"""What every test runs under: no network, no display, the same random examples every time."""

from __future__ import annotations

import functools
import gc
import ipaddress
import os
import platform
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from tests import forkserver
from tests.scheduling import (  # noqa: F401 - hooks
    pytest_collection_modifyitems,
    pytest_make_collect_report,
    pytest_xdist_make_scheduler,
)

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"))
"""A thread that waits for another one spins: on cores that two workers share, a gradient boosting of .3 s took 20 s of
processor time. The libraries read it when they are loaded, which is why nothing of Assay is imported above; processes
that tests start inherit it."""
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("STREAMLIT_BROWSER_GATHER_USAGE_STATS", "false")
os.environ.setdefault("STREAMLIT_RUNNER_POST_SCRIPT_GC", "false")

gc.set_threshold(10_000, 10, 20)
"""A worker holds every library and every test: looking for garbage as often as usual is a tenth of the run."""

os.fsync = lambda handle: os.fstat(handle) and None  # type: ignore[assignment]
"""What a test writes need not outlive a loss of power, and a disk takes 7 ms for each of many thousands of files.
Processes that tests start do wait for it."""

pkcs12.load_key_and_certificates = functools.lru_cache(maxsize=64)(pkcs12.load_key_and_certificates)
"""The same bytes under the same password hold the same key: opening them takes a tenth of a second each time."""

hypothesis.settings.register_profile(
    "assay", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("assay")

ROOT = Path(__file__).resolve().parents[1]


def _is_loopback(host: object) -> bool:
    if not isinstance(host, str) or host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_connect, _connect_ex = socket.socket.connect, socket.socket.connect_ex


def _refuse(address: Any) -> None:
    if isinstance(address, tuple) and not _is_loopback(address[0]):
        raise AssertionError(f"a test tried to reach {address[0]!r}; Assay fetches nothing at run time")


def _guarded_connect(self: socket.socket, address: Any) -> None:
    _refuse(address)
    return _connect(self, address)


def _guarded_connect_ex(self: socket.socket, address: Any) -> int:
    _refuse(address)
    return _connect_ex(self, address)


socket.socket.connect = _guarded_connect  # type: ignore[method-assign]
socket.socket.connect_ex = _guarded_connect_ex  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return ROOT


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The folder of the samples that ship: data, case files and models."""
    return ROOT / "sample_data"


REAL = (
    "tests/audit/models/test_model_bounds", "tests/audit/models/test_model_types", "tests/audit/models/test_model_w",
    "tests/audit/models/test_models_environments", "tests/audit/models/test_own", "tests/audit/models/test_sandbox",
    "tests/audit/models/test_skops_write", "tests/reports/test_doors", "tests/reports/test_hostile",
)  # fmt: skip
"""Tests whose isolated processes start for real; elsewhere they are forked (forkserver.py)."""
SET_ANEW = (
    "tests/reports/test_other_scripts", "tests/reports/test_standards", "tests/reports/test_offline",
    "tests/reports/test_document",
)  # fmt: skip
"""Tests in which each process sets its pages itself; elsewhere one that is forked begins with those that are set."""


@pytest.fixture(scope="module", autouse=True)
def forked(request: pytest.FixtureRequest) -> Iterator[None]:
    """Isolated processes begin with the imports done, where neither the start nor the walls are what is tested."""
    if request.node.nodeid.startswith(REAL) or platform.machine() not in forkserver.CLONE:
        yield
        return
    from audit.models import process

    with pytest.MonkeyPatch.context() as patch:
        names = {name: getattr(subprocess, name) for name in subprocess.__all__}
        patch.setattr(process, "subprocess", SimpleNamespace(**names | {"Popen": forkserver.Forked}))
        patch.setattr(forkserver, "share_pages", not request.node.nodeid.startswith(SET_ANEW))
        yield


@pytest.fixture(scope="module")
def coarse_calibration() -> Iterator[None]:
    """Limits of the calibration error from 40 draws and not 400, which are two fifths of an audit with scores. For
    files that are not about them, and in which no other process makes them again."""
    from audit.stats import kept

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("audit.stats.calibrated.DRAWS", 40)
        kept.forget()
        yield
    kept.forget()


@pytest.fixture(scope="module", autouse=True)
def what_stays_is_not_searched_again() -> None:
    """Libraries that collect garbage themselves (statsmodels' multipletests, Streamlit after each run) would walk over
    every library and every collected test each time, which takes up to a second: a file begins with these left out."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def nothing_is_drawn_already() -> None:
    """A file finds nothing kept that another drew, perhaps with something changed."""
    from audit.stats import kept

    kept.forget()
