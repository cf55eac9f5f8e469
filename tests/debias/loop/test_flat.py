"""What would grow with a run: late outcomes by id, the history in watch.json, files that lie in a folder."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from audit.load import load_case
from debias.loop import folder as folder_room
from debias.loop.folder import Folder
from debias.loop.late import Late, hashes_of
from debias.loop.snapshot import Board, json_ready
from debias.loop.trail import Trail
from debias.loop.watcher import Watcher
from tests.debias.loop.fed import people, write_case


@pytest.mark.parametrize("seed", range(20))
def test_the_last_outcome_of_an_id_counts_however_they_came(seed: int) -> None:
    """Against a dict, in files of random sizes with ids that come again."""
    rng = np.random.default_rng(seed)
    late, wanted = Late(), {}
    for _ in range(int(rng.integers(1, 30))):
        ids = [f"p{i}" for i in rng.integers(0, 300, int(rng.integers(0, 80)))]
        outcomes = [str(o) for o in rng.choice(["yes", "no", "perhaps"], len(ids))]
        names = list(dict.fromkeys(outcomes))
        before = dict(wanted)
        run, twice = late.run(hashes_of(ids), names, np.array([names.index(o) for o in outcomes], dtype=np.int64))
        differ = late.add(run)
        wanted |= dict(zip(ids, outcomes, strict=True))
        each = {i: {o for j, o in zip(ids, outcomes, strict=True) if j == i} for i in ids}
        assert twice == sum(len(v) > 1 for v in each.values())
        assert differ == sum(i in before and before[i] != wanted[i] for i in each)
    every = [f"p{i}" for i in range(320)]
    result = late.of(hashes_of(every))
    assert [None if v is None or v != v else v for v in result] == [wanted.get(i) for i in every]
    assert late.known(hashes_of(every)).tolist() == [i in wanted for i in every]


def test_what_is_written_is_what_the_document_says(tmp_path: Path) -> None:
    case = write_case(tmp_path, people(6), delay=1)
    with Trail.open(f"sqlite:///{tmp_path}/watch.db") as trail, Watcher(case, tmp_path / "out", trail) as watcher:
        while watcher.advance():
            watcher.show()
            assert json.loads((tmp_path / "out" / "watch.json").read_bytes()) == json_ready(watcher.document())


def test_of_the_history_each_entry_is_written_out_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from debias.loop import snapshot

    items = []
    real = snapshot.canonical
    monkeypatch.setattr(snapshot, "canonical", lambda d, **how: items.append(d) or real(d, **how))
    case = write_case(tmp_path, people(2))
    board = Board()
    state = None
    with Trail.open(f"sqlite:///{tmp_path}/watch.db") as trail, Watcher(case, tmp_path / "out", trail) as watcher:
        state = watcher.state
        entries = list(trail.entries())
    for _ in range(50):
        for entry in entries:
            board.add(entry)
    items.clear()
    for _ in range(3):
        board.text(case, case.policy, state, case.data.sensitive, {})
    assert len(items) == 50 * len(entries) + 3


def test_a_folder_is_listed_only_where_nothing_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_case(tmp_path, people(2), more='source = "in/*.parquet"')
    (tmp_path / "in").mkdir()
    old = time.time() - 100
    for number, (_, day) in enumerate(people(5).groupby("day")):
        day.to_parquet(tmp_path / "in" / f"{number}.parquet")
        os.utime(tmp_path / "in" / f"{number}.parquet", (old, old))
    (tmp_path / "in" / "README.txt").write_text("about")
    looks = []
    real = os.listdir
    monkeypatch.setattr(folder_room.os, "listdir", lambda p: looks.append(p) or real(p))
    source = Folder(load_case(tmp_path / "case.toml"), ())
    for number in range(5):
        assert source.total() == 5
        source.read(number)
    assert len(looks) == 1
    assert source.total() == 5
    assert len(looks) == 2
