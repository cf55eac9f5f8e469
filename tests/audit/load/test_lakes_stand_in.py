"""Which files of a Delta or Iceberg table are opened, with stand-ins for the packages that read them: the packages
themselves are asked in tests/audit/load/test_lakes.py, where they are installed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

import cli
from tests.audit.load.test_lakes import case_of, people


class DeltaTable:
    """What the log of the table says: the files, as addresses."""

    def __init__(self, path: str) -> None:
        self._log = json.loads((Path(path) / "_delta_log" / f"{0:020}.json").read_text())

    def version(self) -> int:
        return 0

    def file_uris(self) -> list[str]:
        return list(self._log)

    def schema(self) -> Any:
        return SimpleNamespace(to_arrow=lambda: pq.read_schema(self._log[0].removeprefix("file://")))

    def to_pyarrow_table(self, columns: list[str]) -> Any:
        return pq.read_table(self._log[0].removeprefix("file://"), columns=columns)


class StaticTable:
    """A table of which the metadata are the name of one file."""

    def __init__(self, _: Any, metadata: str, *__: Any) -> None:
        self._file = metadata

    def current_snapshot(self) -> None:
        return None

    def schema(self) -> Any:
        return pq.read_schema(self._file)

    def scan(self, selected_fields: tuple[str, ...] = ()) -> Any:
        task = SimpleNamespace(delete_files=(), file=SimpleNamespace(file_path=self._file))
        read = lambda: pq.read_table(self._file, columns=list(selected_fields))
        return SimpleNamespace(plan_files=lambda: [task], to_arrow=read)


@pytest.fixture(autouse=True)
def packages(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {
        "deltalake": {"DeltaTable": DeltaTable},
        "pyiceberg": {},
        "pyiceberg.catalog": {},
        "pyiceberg.catalog.noop": {"NoopCatalog": lambda _: None},
        "pyiceberg.io": {},
        "pyiceberg.io.pyarrow": {
            "PyArrowFileIO": lambda: SimpleNamespace(new_input=str),
            "schema_to_pyarrow": lambda schema, include_field_ids: schema,
        },
        "pyiceberg.serializers": {"FromInputFile": SimpleNamespace(table_metadata=lambda at: Path(at).read_text())},
        "pyiceberg.table": {"StaticTable": StaticTable},
    }
    for name, held in names.items():
        module = ModuleType(name)
        module.__path__ = []
        vars(module).update(held)
        monkeypatch.setitem(sys.modules, name, module)


def audited(folder: Path) -> int:
    return cli.main(["audit", str(case_of(folder, "table")), "--out", str(folder / "out"), "--draws", "50"])


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("table/part.parquet", 0),
        ("elsewhere.parquet", 2),
        ("table/../elsewhere.parquet", 2),
        ("table/linked.parquet", 2),
        ("table-beside/part.parquet", 2),
    ],
)
@pytest.mark.parametrize("kind", ["delta", "iceberg"])
def test_a_file_outside_the_tables_folder_is_not_opened(
    tmp_path: Path, kind: str, where: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("table-beside", "table/_delta_log" if kind == "delta" else "table/metadata"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "elsewhere.parquet").touch()
    (tmp_path / "table" / "linked.parquet").symlink_to(tmp_path / "elsewhere.parquet")
    people().to_parquet(tmp_path / where)
    if kind == "delta":
        (tmp_path / "table" / "_delta_log" / f"{0:020}.json").write_text(json.dumps([f"file://{tmp_path / where}"]))
    else:
        (tmp_path / "table" / "metadata" / "v1.metadata.json").write_text(str(tmp_path / where))
    assert audited(tmp_path) == code
    assert ("names files that are not in its own folder" in capsys.readouterr().err) == bool(code)


@pytest.mark.parametrize(
    ("known", "hint", "rows"),
    [
        (("v2.metadata.json", "v10.metadata.json"), None, 310),
        (("00002-b.metadata.json", "00010-a.metadata.json"), None, 310),
        (("v2.metadata.json", "v10.metadata.json"), "2", 302),
        (("00010-a.metadata.json", "v10.metadata.json"), None, None),
    ],
)
def test_the_newest_state_is_read_or_the_one_that_is_named(
    tmp_path: Path, known: tuple[str, ...], hint: str | None, rows: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "table" / "metadata").mkdir(parents=True)
    for name in known:
        number = 310 if "10" in name else 302
        file = tmp_path / "table" / f"{number}.parquet"
        people(number).to_parquet(file)
        (tmp_path / "table" / "metadata" / name).write_text(str(file))
    if hint is not None:
        (tmp_path / "table" / "metadata" / "version-hint.text").write_text(hint)
    assert audited(tmp_path) == (2 if rows is None else 0)
    if rows is None:
        assert "it cannot be told which state of the table 'table' is current" in capsys.readouterr().err
    else:
        evidence = json.loads((tmp_path / "out" / "evidence.json").read_bytes())
        assert evidence["data"]["rows"] == rows
