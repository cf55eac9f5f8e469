"""What set-up sees of a table is the same read at once, a few columns at a time, and in a process of its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit.elsewhere import elsewhere
from audit.errors import DataError
from audit.load import delimited, propose_roles, read_noted
from audit.load import glance as looking
from audit.load.glance import Glance, glance


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng, n = np.random.default_rng(1), 3000
    frame = pd.DataFrame({f"x{i}": rng.normal(size=n) for i in range(9)})
    frame["person"] = rng.integers(0, 900, n)
    frame["late"] = [*range(n - 1), 7]  # twice only at the very end
    frame["only"], frame["empty"] = "same", None
    frame["sex"], frame["repaid"] = rng.choice(["f", "m"], n), rng.choice(["yes", "no", None], n)
    path = tmp_path_factory.mktemp("glance") / "people.csv"
    frame.to_csv(path, index=False)
    return path


def told(seen: Glance) -> tuple[object, ...]:
    return seen.rows, seen.columns, seen.head.to_csv(), dataclasses.asdict(seen.roles), set(seen.notes)


def test_it_is_one_look_however_it_is_taken(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = glance(table)
    frame = read_noted(table).frame
    assert whole.rows == 3000
    assert list(whole.columns) == list(frame.columns)
    assert dataclasses.asdict(whole.roles) == dataclasses.asdict(propose_roles(frame))
    for name, column in whole.columns.items():
        known = frame[name].dropna()
        assert column.idle == (known.nunique() <= 1), name
        assert column.repeats == known.duplicated().any(), name
        assert column.numbers == (name[0] == "x" or name in ("person", "late")), name
    assert whole.values("sex") == ["f", "m"]
    assert whole.values("nowhere") == []
    assert told(elsewhere(glance, table)) == told(whole)
    read: list[int] = []
    real = looking.read_noted

    def counted(path: Path, columns: object = None, **more: object) -> object:
        result = real(path, columns, **more)  # type: ignore[arg-type]
        read.append(len(result.frame.columns))
        return result

    monkeypatch.setattr(looking, "SMALL_BYTES", 0)
    monkeypatch.setattr(looking, "read_noted", counted)
    opened: list[Path] = []
    text = delimited.open_text
    monkeypatch.setattr(delimited, "open_text", lambda file, **how: opened.append(file) or text(file, **how))
    assert told(glance(table)) == told(whole)
    assert read == [6, 6, 3], "no more than six columns at a time"
    assert opened == [table], "and the text of the file once"


def test_what_is_wrong_is_said_from_there_too(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_bytes(b"\x00\x01\x02")
    with pytest.raises(DataError) as here:
        glance(tmp_path / "bad.csv")
    with pytest.raises(DataError) as there:
        elsewhere(glance, tmp_path / "bad.csv")
    assert there.value.message == here.value.message
