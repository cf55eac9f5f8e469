"""Answers are kept: a second audit, explanation, what-if, search for the worst or question of the same model and rows
starts no process of the model; and what was tampered with, or must not rest on it, asks."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import cli
from audit.answers import Store, keeping, place_of
from audit.answers.store import FILE, KEY
from audit.decide import decide
from audit.load import load_case, load_rows
from audit.models import worker as workers
from debias import same_work

CASE = """[case]
name = "Loans"
purpose = "who gets a loan"
[data]
path = "people.csv"
label = "repaid"
positive = "yes"
favourable = "yes"
sensitive = ["sex"]
[model]
path = "model.skops"
"""
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loans")
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"pay": rng.normal(size=160).round(3), "town": rng.choice(["a", "b"], 160)})
    frame["sex"] = rng.choice(["f", "m"], 160)
    frame["repaid"] = np.where(frame.pay + (frame.sex == "m") * 0.7 + rng.normal(size=160) > 0, "yes", "no")
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["town"]), remainder="passthrough"), LogisticRegression()
    ).fit(frame[["pay", "town"]], frame.repaid)
    skops.io.dump(model, folder / "model.skops")
    skops.io.dump(model.set_params(logisticregression__C=0.01).fit(frame[["pay", "town"]], frame.repaid),
                  folder / "other.skops")  # fmt: skip
    frame.to_csv(folder / "people.csv", index=False)
    (folder / "case.toml").write_text(CASE)
    return folder


@pytest.fixture
def case(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ASSAY_RECIPIENT", raising=False)
    return Path(shutil.copytree(made, tmp_path / "loans")) / "case.toml"


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One item for each process of a model that is started."""
    begun: list[int] = []
    real = workers.Child.__init__
    monkeypatch.setattr(workers.Child, "__init__", lambda self, *a, **k: begun.append(1) or real(self, *a, **k))
    return begun


def decided(case: Path, out: Path) -> np.ndarray:
    """The scores that an audit into this folder rests on."""
    loaded = load_case(case)
    rows = load_rows(loaded)
    with keeping(out):
        score = decide(loaded, rows.frame[rows.audit], rows.features)[0].score
    assert score is not None
    return score


def evidence(out: Path) -> dict:
    return json.loads((out / "evidence.json").read_bytes())


def without_walls(out: Path) -> dict:
    result = evidence(out)
    result["model"].pop("isolation")
    return result


def base(out: Path) -> Path:
    return place_of(out) / FILE


def test_the_second_time_nothing_is_asked(case: Path, tmp_path: Path, starts: list[int], capsys) -> None:
    commands = (
        ["audit"], ["explain", "--row", "3"], ["whatif", "--kind", "weights"], ["stress", "--no-train"],
    )  # fmt: skip
    documents = ("evidence.json", "explain.json", "whatif.json", "stress.json")
    for name in ("one", "two"):
        starts.clear()
        for command in commands:
            assert cli.main([command[0], str(case), *command[1:], "--out", str(tmp_path / name)]) == 0
        assert bool(starts) == (name == "one"), f"{name}: {len(starts)} processes"
    assert "and not asked for again" in capsys.readouterr().err
    assert without_walls(tmp_path / "one") == without_walls(tmp_path / "two")
    message = evidence(tmp_path / "two")["model"]["isolation"]
    assert message[:-1] == evidence(tmp_path / "one")["model"]["isolation"]
    assert message[-1].startswith("answers kept since 20")
    for name in documents[1:]:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_page_that_asks_again_asks_once(case: Path, tmp_path: Path, starts: list[int]) -> None:
    from audit.turn import ask_again

    loaded = load_case(case)
    rows = load_rows(loaded, everything=True)
    items = []
    for _ in range(2):
        with keeping(tmp_path / "run"):
            items.append(ask_again(loaded, rows, 4, {"pay": 9.0}))
    assert len(starts) == 1
    assert items[0] == items[1]


def test_other_rows_or_another_model_are_asked(case: Path, tmp_path: Path, starts: list[int]) -> None:
    def asked(name: str) -> int:
        starts.clear()
        decided(case, tmp_path / name)
        return len(starts)

    assert asked("one") == 1
    table = case.parent / "people.csv"
    table.write_text(table.read_text().replace("yes", "no", 1))
    assert asked("label") == 0, "the model does not see the label"
    frame = pd.read_csv(table)
    frame.loc[0, "pay"] += 0.001
    frame.to_csv(table, index=False)
    assert asked("row") == 1
    model = case.parent / "model.skops"
    before = model.read_bytes()
    shutil.copy(case.parent / "other.skops", model)
    assert asked("model") == 1
    model.write_bytes(before)
    assert asked("again") == 0


TYPES = ("body = 'text'", "mac = 99999999999", "kind = x'ff'")
"""A column of SQLite holds a value of any type."""


def test_other_code_of_a_type_that_was_allowed_is_asked(
    case: Path, tmp_path: Path, starts: list[int], monkeypatch
) -> None:
    """A package that a person allowed has no version that Assay asks for; its files say what it is."""
    monkeypatch.syspath_prepend(tmp_path / "site")
    package = tmp_path / "site" / "houses_own"
    package.mkdir(parents=True)
    loaded = load_case(case)
    rows = load_rows(loaded, everything=True)

    def asked() -> int:
        starts.clear()
        with keeping(tmp_path / "out"):
            decide(loaded, rows.frame, rows.features, allow=("houses_own.steps.Step",))
        return len(starts)

    (package / "__init__.py").write_text("")
    (package / "steps.py").write_text("FACTOR = 1")
    assert [asked(), asked()] == [1, 0]
    same = same_work.key_of(["audit", str(case), "--out", "run", "--allow", "houses_own.steps.Step"])
    (package / "steps.py").write_text("FACTOR = 2")
    assert asked() == 1
    assert same_work.key_of(["audit", str(case), "--out", "run", "--allow", "houses_own.steps.Step"]) != same


def spoiled(path: Path, what: str) -> None:
    """The store as somebody could leave it who does not have the key."""
    if what == "garbage":
        path.write_bytes(os.urandom(20_000))
        return
    with sqlite3.connect(path) as edited:
        if what == "scores":
            for number, body in edited.execute("SELECT id, body FROM entry WHERE kind = 'answer'").fetchall():
                plain = bytearray(zlib.decompress(body))
                plain[-16:] = bytes(16)
                edited.execute("UPDATE entry SET body = ? WHERE id = ?", (zlib.compress(bytes(plain), 1), number))
        elif what == "older":
            edited.execute("UPDATE entry SET made = made - 864000")
        elif what == "swapped":
            (a, b), (c, d) = edited.execute("SELECT id, body FROM entry ORDER BY id LIMIT 2").fetchall()
            edited.execute("UPDATE entry SET body = ? WHERE id = ?", (d, a))
            edited.execute("UPDATE entry SET body = ? WHERE id = ?", (b, c))
        elif what in TYPES:
            edited.execute(f"UPDATE entry SET {what}")
        else:
            edited.execute("CREATE TRIGGER t AFTER UPDATE ON entry BEGIN DELETE FROM entry; END")
    edited.close()


@pytest.mark.parametrize("what", ["scores", "older", "swapped", "trigger", "garbage", "key", *TYPES])
def test_what_is_not_as_it_was_written_is_asked_again(
    case: Path, tmp_path: Path, starts: list[int], capsys, what: str
) -> None:
    out = tmp_path / "out"
    before = decided(case, out)
    if what == "key":  # a store from another person's machine
        (tmp_path / "home" / KEY).unlink()
    else:
        spoiled(base(out), what)
    starts.clear()
    np.testing.assert_array_equal(decided(case, out), before)
    assert len(starts) == 1
    if what not in ("trigger", "garbage"):
        assert "not as they were written" in capsys.readouterr().err
    np.testing.assert_array_equal(decided(case, out), before)
    assert len(starts) == 1, "the mended store serves again"


def test_a_date_of_use_that_is_none_ends_nothing(case: Path, tmp_path: Path, starts: list[int]) -> None:
    before = decided(case, tmp_path / "out")
    with sqlite3.connect(base(tmp_path / "out")) as edited:
        edited.execute("UPDATE entry SET used = 'yesterday'")
    edited.close()
    np.testing.assert_array_equal(decided(case, tmp_path / "out"), before)


def test_who_has_no_home_is_answered_and_nothing_is_kept(case: Path, tmp_path: Path, monkeypatch) -> None:
    for name in ("ASSAY_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)

    def nobody(_: object = None) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    assert len(decided(case, tmp_path / "out"))
    assert not base(tmp_path / "out").exists()


def test_verification_asks_whatever_is_kept(case: Path, tmp_path: Path, starts: list[int], monkeypatch) -> None:
    from reports.rerun import run_again

    out = tmp_path / "out"
    assert cli.main(["audit", str(case), "--out", str(out)]) == 0
    files = {name: (out / name).read_bytes() for name in ("evidence.json", "cube.json")}
    starts.clear()
    # Even an entry that its key vouches for is not looked at.
    monkeypatch.setattr(Store, "get", lambda *_: pytest.fail("looked"))
    built = run_again(load_case(case), files)
    assert len(starts) == 1
    assert built["cube.json"] == files["cube.json"]


def test_the_store_is_private_and_a_sealed_case_keeps_its_own(case: Path, tmp_path: Path, monkeypatch) -> None:
    out = tmp_path / "out"
    assert cli.main(["audit", str(case), "--out", str(out)]) == 0
    home = tmp_path / "home"
    assert base(out) == home / "answers" / FILE
    assert (home / "answers").stat().st_mode & 0o777 == 0o700
    assert all(p.stat().st_mode & 0o777 == 0o600 for p in [home / KEY, *(home / "answers").iterdir()])
    shutil.rmtree(home / "answers")
    monkeypatch.setenv("ASSAY_RECIPIENT", "age1")
    decided(case, tmp_path / "sealed")
    assert not (home / "answers").exists()
    assert base(tmp_path / "sealed") == tmp_path / "sealed" / ".store" / FILE
    assert base(tmp_path / "sealed").exists()
    monkeypatch.setenv("ASSAY_ANSWERS_BYTES", "0")
    decided(case, tmp_path / "none")
    assert not (tmp_path / "none" / ".store").exists()


def test_a_store_that_is_a_link_is_not_opened(case: Path, tmp_path: Path, starts: list[int], monkeypatch) -> None:
    monkeypatch.delenv("ASSAY_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".store").symlink_to(tmp_path / "elsewhere")
    decided(case, tmp_path / "out")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_forgetting_a_case_forgets_its_answers_and_no_other(case: Path, tmp_path: Path, starts: list[int]) -> None:
    outs = [tmp_path / name for name in ("one", "two")]
    for out in outs:
        assert cli.main(["audit", str(case), "--out", str(out)]) == 0

    def entries() -> int:
        with sqlite3.connect(base(outs[0])) as result:
            return int(result.execute("SELECT count(*) FROM entry").fetchone()[0])

    assert (before := entries()) >= 2
    assert cli.main(["forget", str(outs[0])]) == 0
    assert entries() == before, "the other case uses them"
    with sqlite3.connect(base(outs[1])) as result:
        body = result.execute("SELECT body FROM entry WHERE kind = 'answer'").fetchone()[0]
    assert body[8:40] in base(outs[1]).read_bytes()
    assert cli.main(["forget", str(outs[1]), "--dry-run"]) == 0
    assert entries() == before
    assert cli.main(["forget", str(outs[1])]) == 0
    assert entries() == 0
    assert not any(body[8:40] in p.read_bytes() for p in base(outs[1]).parent.iterdir()), "the disk's pages too"


def test_a_store_that_is_in_use_is_not_said_to_be_forgotten(case: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    out = tmp_path / "out"
    assert cli.main(["audit", str(case), "--out", str(out)]) == 0
    opened = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: opened(*a, **(k | {"timeout": 0.1})))
    with contextlib.closing(opened(base(out))) as other:
        other.execute("BEGIN IMMEDIATE")
        assert cli.main(["forget", str(out)]) != 0
        assert "could not be removed" in capsys.readouterr().err
        other.execute("ROLLBACK")
    assert cli.main(["forget", str(out)]) == 0


def test_purge_removes_what_nobody_used_for_so_long(case: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    decided(case, out)
    assert cli.main(["purge", "--answers", "1"]) == 0
    with sqlite3.connect(base(out)) as result:
        count = result.execute("SELECT count(*) FROM entry").fetchone()[0]
        assert count
        result.execute("UPDATE entry SET used = used - 100000 WHERE kind = 'answer'")
    capsys.readouterr()
    assert cli.main(["purge", "--answers", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["entries"][0]["rule"] == "answers_days = 1"
    with sqlite3.connect(base(out)) as result:
        assert result.execute("SELECT kind FROM entry").fetchall() == [("model",)]


def test_what_is_made_ahead_is_read_and_is_what_would_be_made(
    case: Path, tmp_path: Path, starts: list[int], capsys
) -> None:
    out = tmp_path / "out"
    assert cli.main(["precompute", str(case), "--out", str(out), "--rows", "60"]) == 0
    assert len(starts) == 1
    capsys.readouterr()
    assert cli.main(["precompute", str(case), "--out", str(out), "--rows", "60", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["made"], again["asked"], again["kept"], again["audited"]) == (0, 0, 60, 160)
    assert cli.main(["audit", str(case), "--out", str(out)]) == 0
    capsys.readouterr()
    assert cli.main(["explain", str(case), "--out", str(out), "--row", "7", "--row", "3", "--kept", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert not (out / "explain.json").exists()
    assert len(starts) == 1, "nothing more was asked"
    assert cli.main(["explain", str(case), "--out", str(out), "--row", "70", "--kept"]) == 2
    assert cli.main(["explain", str(case), "--out", str(out), "--row", "7", "--kept", "--seed", "1"]) == 2
    assert "run `assay precompute" in capsys.readouterr().err
    assert cli.main(["explain", str(case), "--out", str(out), "--row", "7", "--row", "3"]) == 0
    whole = json.loads((out / "explain.json").read_bytes())
    for kept, built in zip(document["people"], whole["people"], strict=True):
        assert {k: kept[k] for k in ("row", "decision", "favourable", "values")} == {
            k: built[k] for k in ("row", "decision", "favourable", "values")
        }
        assert kept["score"] == pytest.approx(built["score"], abs=1e-12)
        assert kept["base"] == pytest.approx(built["base"], abs=1e-12)
        by = {e["feature"]: e for e in built["shap"]}
        # The orders of the walks are drawn for all rows together: equal within the error that both state.
        for e in kept["shap"]:
            assert e["value"] == pytest.approx(by[e["feature"]]["value"], abs=0.02)
        assert kept["base"] + sum(e["value"] for e in kept["shap"]) == pytest.approx(kept["score"], abs=1e-9)
    with sqlite3.connect(base(out)) as edited:
        edited.execute("UPDATE person SET body = zeroblob(length(body))")
    assert cli.main(["explain", str(case), "--out", str(out), "--row", "7", "--kept"]) == 2, "it is not believed"


def test_what_becomes_smaller_is_packed_and_scores_are_kept_as_they_are(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    store = Store(tmp_path / "answers", tmp_path / "run")
    bodies = np.random.default_rng(0).random(50_000).tobytes(), b"the same words " * 20_000
    for number, body in enumerate(bodies):
        store.put(bytes([number] * 32), "answer", body)
        assert store.get(bytes([number] * 32)).body == body
    with contextlib.closing(sqlite3.connect(tmp_path / "answers" / FILE)) as base:
        sizes = [size for (size,) in base.execute("SELECT size FROM entry ORDER BY id")]
    assert len(bodies[0]) < sizes[0] < len(bodies[0]) * 1.001
    assert sizes[1] < len(bodies[1]) / 100


def test_the_least_recently_used_makes_room(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path))
    monkeypatch.setenv("ASSAY_ANSWERS_BYTES", str(100_000))
    store = Store(tmp_path / "answers", tmp_path / "run")
    keys = [bytes([n]) * 32 for n in range(30)]
    for n, key in enumerate(keys):
        store.put(key, "answer", os.urandom(5000))
        with sqlite3.connect(tmp_path / "answers" / FILE) as result:  # as if a minute passed each time
            result.execute("UPDATE entry SET used = ? WHERE key = ?", (1000.0 + n * 100, key))
        store.get(keys[0])
    kept = [n for n, key in enumerate(keys) if store.get(key) is not None]
    assert kept[0] == 0, "what is asked for again and again stays"
    assert kept[1:] == list(range(kept[1], 30))
    assert 12 <= len(kept) <= 20
    store.put(b"x" * 32, "answer", os.urandom(60_000))
    assert store.get(b"x" * 32) is None, "one answer never drives out most of the others"
    store.close()


WRITER = """
import os, sys
from pathlib import Path
from audit.answers import Store
store = Store(Path(sys.argv[1]), Path(sys.argv[2]))
n = 0
while True:
    store.put(n.to_bytes(32, "big"), "answer", n.to_bytes(4, "big") * 3000)
    print(n, flush=True)
    n += 1
"""


def test_a_killed_writer_loses_nothing_and_readers_go_on(tmp_path: Path, monkeypatch) -> None:
    """Killed with SIGKILL while it writes, with a reader beside it: what was said to be kept is there, and whole."""
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path))
    run, place = tmp_path / "run", tmp_path / "answers"
    reader = Store(place, run)
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(place), str(run)], cwd=ROOT, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "ASSAY_HOME": str(tmp_path)},
        )  # fmt: skip
        output = writer.stdout
        assert output is not None
        last = -1
        until = time.monotonic() + 0.4
        for line in output:
            last = int(line)
            result = reader.get(last.to_bytes(32, "big"))
            assert result is not None
            assert result.body == last.to_bytes(4, "big") * 3000
            if time.monotonic() > until:
                break
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        output.close()
        for n in range(last + 1):
            kept = reader.get(n.to_bytes(32, "big"))
            assert kept is not None
            assert kept.body == n.to_bytes(4, "big") * 3000
    assert reader.distrusted == 0
    with sqlite3.connect(place / FILE) as base:
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    reader.close()
