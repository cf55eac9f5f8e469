"""What tests of sources share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audit.case import Case
from audit.load import load_case
from debias.loop import database, file_ready
from tests.debias.loop.feeding import Make, people


@pytest.fixture(scope="module", autouse=True)
def trails_need_not_outlive_a_loss_of_power() -> Iterator[None]:
    """A commit of SQLite waits for the disk as `os.fsync` does (tests/conftest.py): of a test's own process it need
    not. Processes that tests start and kill do wait for it."""
    settings = database._sqlite_settings

    def soon(connection: Any, record: Any) -> None:
        settings(connection, record)
        connection.execute("PRAGMA synchronous=OFF").close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_sqlite_settings", soon)
        yield


@pytest.fixture(scope="module", autouse=True)
def files_settle_soon() -> Iterator[None]:
    """Every feed of files written just now is waited for; how long is what test_sources.py is about."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_ready, "SECONDS", 0.1)
        yield


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A case on a small table of people, its [watch] as given."""

    def case(data: str = "", *, label: bool = True, rows: int = 12, **watch: Any) -> Case:
        people(rows).to_csv(tmp_path / "table.csv", index=False)
        lines = ["[case]", 'name = "x"', 'purpose = "y"', "[data]", 'path = "table.csv"', 'positive = "yes"']
        lines += ['sensitive = ["sex"]', 'time = "day"', 'id = "who"', *(['label = "paid"'] if label else []), data]
        lines += ["[model]", 'decision = "said"', "[watch]"]
        lines += [f"{k} = {json.dumps(v)}" for k, v in watch.items()]
        path = tmp_path / "case.toml"
        path.write_text("\n".join(lines) + "\n")
        return load_case(path)

    return case
