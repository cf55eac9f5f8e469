"""What every test runs under: no network, no display, the same random examples every time."""

from __future__ import annotations

import gc
import ipaddress
import os
import socket
from pathlib import Path
from typing import Any

import hypothesis
import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("STREAMLIT_BROWSER_GATHER_USAGE_STATS", "false")
os.environ.setdefault("STREAMLIT_RUNNER_POST_SCRIPT_GC", "false")

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


@pytest.fixture(scope="module", autouse=True)
def what_stays_is_not_searched_again() -> None:
    """Libraries that collect garbage themselves (statsmodels' multipletests, Streamlit after each run) would walk over
    every library and every collected test each time, which takes up to a second: a file begins with these left out."""
    gc.collect()
    gc.freeze()
