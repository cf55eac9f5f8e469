"""Many loops in one process: as each alone, one that fails keeps no other, and one page about all."""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import cli
from debias.loop import fleet
from tests.debias.loop.fed import bodies, hashes, people, write_case
from tests.debias.loop.test_circle import free_port, until

FLEET = "".join(f'[loops.{n}]\ncase = "{n}/case.toml"\nout = "{n}/out"\n' for n in ("cards", "loans", "rent"))


@pytest.fixture(scope="module")
def fleet_of(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fleet")
    write_case(folder / "cards", people(4, gap=0.0), delay=0)
    write_case(folder / "loans", people(18), delay=0)
    write_case(folder / "rent", people(3), model='score = "nothing"\nthreshold = 0.5')
    (folder / "fleet.toml").write_text(FLEET)
    return folder


def run(folder: Path, capsys: pytest.CaptureFixture[str], *more: str, ends: int = 0) -> dict[str, Any]:
    assert cli.main(["watch", str(folder / "fleet.toml"), "--fleet", "--json", *more]) == ends
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_each_is_as_it_would_be_alone_and_one_page_is_about_all(
    fleet_of: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = run(fleet_of, capsys, "--state")
    assert {r["problem"] for r in begun["loops"]} == {"it has not begun"}
    page = run(fleet_of, capsys, ends=2)  # one of them could not be looked at
    rows = {r["loop"]: r for r in page["loops"]}
    assert page["loops"][0]["loop"] == "loans", "who waits for a person comes first"
    assert rows["loans"]["state"] == "APPROVAL"
    document = json.loads((fleet_of / "loans" / "out" / "watch.json").read_bytes())
    assert rows["loans"]["approval"] == document["pending"]["model"]
    assert rows["loans"]["last_batch"] == document["timeline"][-1]["time"]
    assert (rows["cards"]["state"], rows["cards"]["batches"], rows["cards"]["approval"]) == ("HEALTHY", 4, None)
    assert rows["rent"]["state"] is None
    assert "'nothing'" in rows["rent"]["problem"]
    alone = fleet_of / "alone"
    for name in ("cards", "loans"):
        case = fleet_of / name / "case.toml"
        assert cli.main(["watch", str(case), "--out", str(alone / name)]) == 0
        assert hashes(alone / name) == hashes(fleet_of / name / "out")
    assert bodies(fleet_of / "loans" / "out")[0]["kind"] == "started"
    capsys.readouterr()
    assert cli.main(["watch", str(fleet_of / "fleet.toml"), "--fleet", "--state"]) == 0
    output = capsys.readouterr().out.splitlines()
    assert output[0].startswith(f"loans: APPROVAL, {document['batches']} batches, the last 2")
    assert "WAITS for a person" in output[0]
    # One document that is torn, or no loop's, is a problem of its own line.
    torn = fleet_of / "cards" / "out" / "watch.json"
    kept = torn.read_bytes()
    for text, words in (("{", "watch.json cannot be read"), ("{}", "watch.json is not what a loop writes")):
        torn.write_text(text)
        lines = {r["loop"]: r for r in run(fleet_of, capsys, "--state")["loops"]}
        assert words in lines["cards"]["problem"]
        assert lines["loans"]["state"] == "APPROVAL"
    torn.write_bytes(kept)


def test_health_and_metrics_are_of_all(
    fleet_of: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port, pages = free_port(), {}
    monkeypatch.setattr(fleet, "POLL_SECONDS", 0.05)

    def ask() -> None:
        def page(path: str) -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return str(answer.read().decode())

        try:
            until(lambda: all(f'batches_total{{loop="{n}"' in page("/metrics") for n in ("cards", "loans")))
            pages["metrics"] = page("/metrics")
            try:
                page("/healthz")
            except urllib.error.HTTPError as error:
                pages["health"] = error.read().decode()
        finally:
            pages["done"] = "yes"

    def sleep(_: float) -> None:
        if "done" in pages:
            raise KeyboardInterrupt

    thread = threading.Thread(target=ask)
    monkeypatch.setattr(fleet.time, "sleep", lambda s, real=fleet.time.sleep: (real(s), sleep(s)))
    thread.start()
    run(fleet_of, capsys, "--follow", "--serve", str(port), ends=2)
    thread.join()
    names = re.findall(r"^# TYPE (\w+) ", pages["metrics"], re.M)
    assert len(names) == len(set(names)) > 12
    assert 'assay_batches_total{loop="cards"} 4\n' in pages["metrics"]
    assert 'assay_state{loop="loans",state="APPROVAL"} 1\n' in pages["metrics"]
    health = json.loads(pages["health"])
    assert (health["ok"], health["loops"]["cards"]["ok"], health["loops"]["rent"]["ok"]) == (False, True, False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "loops"),
        ("[loops]\n", "has no loops"),
        ('[loops.a]\ncase = "x.toml"\n', "out"),
        ('[loops.a]\ncase = "x.toml"\nout = "o"\nodd = 1\n', "odd"),
        (FLEET.replace("rent/out", "cards/out"), "two loops write into one folder"),
        ('[loops.a]\ncase = "gone.toml"\nout = "o"\n', "gone.toml"),
        ('[loops.a]\ncase = "in/case.toml"\nout = "o"\n', "reads standard input"),
    ],
)
def test_a_fleet_that_cannot_be_used_is_said(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_case(tmp_path / "in", people(1), more='source = "-"')
    (tmp_path / "fleet.toml").write_text(text)
    assert cli.main(["watch", str(tmp_path / "fleet.toml"), "--fleet"]) == 2
    assert words in capsys.readouterr().err


def test_one_whose_case_cannot_be_loaded_or_that_raises_keeps_none_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("cards", "loans", "rent"):
        write_case(tmp_path / name, people(4, gap=0.0), delay=0)
    (tmp_path / "fleet.toml").write_text(FLEET)
    policy = tmp_path / "loans" / "policy.toml"
    text = policy.read_text()
    policy.write_text("torn = [")

    def raising(self: fleet.Watcher, real: Any = fleet.Watcher.advance) -> bool:
        if "rent" in str(self._out) and self.state.batch == 2:
            raise ZeroDivisionError("no such number")
        return bool(real(self))

    with monkeypatch.context() as patch:
        patch.setattr(fleet.Watcher, "advance", raising)
        rows = {r["loop"]: r for r in run(tmp_path, capsys, ends=2)["loops"]}
    assert (rows["cards"]["problem"], rows["cards"]["batches"]) == (None, 4)
    assert "policy.toml" in rows["loans"]["problem"]
    assert "no such number" in rows["rent"]["problem"]
    policy.write_text(text)
    rows = {r["loop"]: r for r in run(tmp_path, capsys)["loops"]}
    assert [(rows[n]["problem"], rows[n]["batches"]) for n in rows] == [(None, 4)] * 3


def test_what_is_for_one_loop_is_refused(fleet_of: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watch = ["watch", str(fleet_of / "fleet.toml")]
    assert cli.main([*watch, "--fleet", "--approve", "12345678"]) == 2
    assert "--approve is for one loop" in capsys.readouterr().err
    assert cli.main(watch) == 2
    assert "--out is missing" in capsys.readouterr().err
