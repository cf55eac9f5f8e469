"""The start of the app where several loops are watched: one table of all, who waits for a person first."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from audit.files import read_json
from audit.load import load_case
from debias.loop.run import run_watch
from screens.workspace import new_case
from tests.debias.loop.fed import people, write_case

APP = str(Path(__file__).parents[2] / "app.py")
HEAD = "Loops on this machine"


def loop_in(days: int, gap: float, name: str) -> Path:
    """A case of this workspace whose loop was really run; its run folder."""
    place = new_case()
    write_case(place.place, people(days, gap=gap), delay=0)
    file = place.place / "case.toml"
    file.write_text(file.read_text().replace('"Loans"', f'"{name}"'))
    run_watch(load_case(file), place.run)
    return place.run


def opened() -> AppTest:
    app = AppTest.from_file(APP, default_timeout=120).run()
    assert not app.exception
    return app


def test_all_loops_stand_in_one_table_and_who_waits_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    quiet = loop_in(4, 0.0, "Quiet loop")
    assert HEAD not in [h.value for h in opened().header], "one loop needs no table of loops"
    waits = loop_in(18, 0.15, "Waiting loop")
    app = opened()
    assert HEAD in [h.value for h in app.header]
    assert [w.value for w in app.warning] == ["1 loop waits for a person."]
    (table,) = [t.value for t in app.table if "waits for a person" in t.value.columns]
    one, other = read_json(waits / "watch.json"), read_json(quiet / "watch.json")
    assert (one["state"], other["state"]) == ("APPROVAL", "HEALTHY")
    message = table.reset_index().astype(str).map(lambda v: v.replace("\\", ""))
    assert message["case"].tolist() == ["Waiting loop", "Quiet loop"]
    assert message["state"].tolist() == ["APPROVAL", "HEALTHY"]
    assert message["batches"].tolist() == ["18", "4"]
    assert message["waits for a person"].tolist() == [one["pending"]["model"][:12], "–"]
    assert message["open changes"].tolist() == [str(len(d["changes"])) for d in (one, other)]
    times = [d["timeline"][-1]["time"] for d in (one, other)]
    assert message["last batch"].tolist() == [dt.datetime.fromisoformat(t).strftime("%Y-%m-%d %H:%M") for t in times]

    # One whose document is torn, or no loop's, keeps no other from the table, and is said.
    for text in ("{", "{}", "[1]"):
        torn = new_case()
        shutil.copytree(quiet.parent, torn.place, dirs_exist_ok=True)
        (torn.run / "watch.json").write_text(text)
    (table,) = [t.value for t in opened().table if "waits for a person" in t.value.columns]
    message = table.reset_index().astype(str).map(lambda v: v.replace("\\", ""))
    assert message["case"].tolist()[0] == "Waiting loop"
    assert len(message) == 5
    assert sum("watch.json" in s for s in message["state"]) == 3
