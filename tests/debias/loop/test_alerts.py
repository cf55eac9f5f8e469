"""Alerts: one line each in a file, a post to an address, at most one of a kind in a while; nothing of any row."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import cli
from audit.case import Case, DataSpec, ModelSpec, WatchSpec
from audit.errors import CaseError, VerificationError
from audit.load import load_policy
from debias.loop.alerts import EVERY, FILE, RETRY, WAITING, Alerts, Hook, counts_of, noted
from debias.loop.decisions import check_trail
from debias.loop.events import kinds
from debias.loop.trail import Entry, Trail
from tests.debias.loop.fed import people, write_case

SECRET = "T0K3N-geheim"


class Address:
    """A web server on loopback that keeps what is posted, and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.answer = 200
        self.where = ""
        self.delay = 0.0
        self.drip = False
        self.open = threading.Event()
        address = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                address.bodies.append(body)
                address.got.append(json.loads(body))
                address.paths.append(self.path)
                address.headers.append(dict(self.headers))
                if address.drip:
                    # A byte at a time, so that no single step ever times out.
                    for byte in b"HTTP/1.0 200 OK\r\nX-Slow: " + b"x" * 200:
                        try:
                            self.wfile.write(bytes([byte]))
                        except OSError:
                            return
                        if address.open.wait(0.02):
                            return
                address.open.wait(address.delay)
                self.send_response(address.answer)
                if address.where:
                    self.send_header("Location", address.where)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                address.paths.append("GET " + self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def url(self, rest: str = f"/hook/{SECRET}") -> str:
        return f"http://127.0.0.1:{self.server.server_port}{rest}"

    def close(self) -> None:
        self.open.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[Address]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    built = Address()
    yield built
    built.close()


class Clock:
    """Seconds since 1970 that stand still until they are moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def case(webhook: str | None = None, secret: str | None = None) -> Case:
    data = DataSpec(path=Path("x.csv"), label="y", positive="1", favourable="1", sensitive=("sex",))
    model = ModelSpec("decision", column="d")
    return Case("Loans", "who", data, model, load_policy(None), watch=WatchSpec(webhook=webhook, secret=secret))


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / FILE).read_text().splitlines()]


def entry(seq: int, kind: str, words: str = "words", **facts: Any) -> Entry:
    body = {"seq": seq, "kind": kind, "words": words, "facts": facts}
    return Entry(seq, "0" * 64, f"{seq:064d}", "2026-11-01T00:00:00.000+00:00", "0" * 64, body)


# -- the file -------------------------------------------------------------------------------------------------


def test_an_alert_is_one_line(tmp_path: Path, clock: Clock) -> None:
    alerts = Alerts.of(case(), tmp_path / "out", clock=clock)
    assert alerts.send("confirmed", "The gap breaks 0.1.", {"rows": 200, "number": 7}, entry=(12, "ab" * 32))
    assert lines(tmp_path / "out") == [
        {
            "time": "2027-01-15T08:00:00.000+00:00",
            "kind": "confirmed",
            "words": "The gap breaks 0.1.",
            "facts": {"rows": 200, "number": 7},
            "entry": {"seq": 12, "hash": "ab" * 32},
        }
    ]


def test_at_most_one_of_a_kind_in_a_while_and_the_rest_in_one_summary(tmp_path: Path, clock: Clock) -> None:
    alerts = Alerts.of(case(), tmp_path, clock=clock)
    sent = []
    for i in range(25):
        sent.append(alerts.send("incident", f"Batch {i} is broken.", {"number": i}))
        clock.now += 20
    assert sent == [True] + [False] * 24
    assert alerts.send("frozen", "A person must look.", {})  # another kind does not wait
    assert [x["kind"] for x in lines(tmp_path)] == ["incident", "frozen"]
    clock.now += EVERY
    alerts.due()
    alerts.due()
    summary = lines(tmp_path)[2:]
    assert len(summary) == 1
    assert summary[0]["words"] == "24 more of this kind since the last alert. The last: Batch 24 is broken."
    assert summary[0]["facts"] == {"number": 24, "held": 24}
    # The summary is an alert too: the next one waits for its turn.
    assert not alerts.send("incident", "Batch 25 is broken.", {})
    clock.now += EVERY
    assert alerts.send("frozen", "Again.", {})  # sends what is due as well
    assert [x["kind"] for x in lines(tmp_path)][3:] == ["incident", "frozen"]
    assert lines(tmp_path)[3]["words"].startswith("One more of this kind. The last: Batch 25")


def test_what_waits_is_told_at_the_end_of_a_run(tmp_path: Path, clock: Clock) -> None:
    alerts = Alerts.of(case(), tmp_path, clock=clock)
    for i in range(3):
        alerts.send("incident", f"Batch {i}.", {})
    alerts.close()
    alerts.close()
    assert [x["facts"].get("held") for x in lines(tmp_path)] == [None, 2]


def test_a_run_that_goes_on_keeps_to_the_limit_and_tells_nothing_twice(tmp_path: Path, clock: Clock) -> None:
    trail = [entry(1, "started"), entry(2, "incident"), entry(3, "batch"), entry(4, "incident"), entry(5, "gate")]
    first = Alerts.of(case(), tmp_path, clock=clock)
    first.tell(trail[:4])
    assert [x["entry"]["seq"] for x in lines(tmp_path)] == [2]
    # Killed here: the second incident was counted in memory only, the gate was never told.
    second = Alerts.of(case(), tmp_path, clock=clock)
    second.tell(trail)
    assert [x["entry"]["seq"] for x in lines(tmp_path)] == [2, 5]
    clock.now += EVERY
    second.due()
    assert [x["entry"]["seq"] for x in lines(tmp_path)] == [2, 5, 4]
    third = Alerts.of(case(), tmp_path, clock=clock)
    third.tell(trail)
    third.close()
    assert len(lines(tmp_path)) == 3


def test_a_clock_that_goes_back_does_not_silence_the_alerts(tmp_path: Path, clock: Clock) -> None:
    alerts = Alerts.of(case(), tmp_path, clock=clock)
    alerts.send("incident", "one", {})
    clock.now -= 7200
    assert alerts.send("incident", "two", {})


def test_a_torn_line_costs_no_other(tmp_path: Path, clock: Clock) -> None:
    Alerts.of(case(), tmp_path, clock=clock).send("incident", "one", {}, entry=(3, "ab"))
    with (tmp_path / FILE).open("ab") as stream:
        stream.write(b'{"time":"2027-01-15T08:00:0')
    alerts = Alerts.of(case(), tmp_path, clock=clock)
    assert not alerts.send("incident", "two", {})
    assert alerts.send("frozen", "three", {})
    text = (tmp_path / FILE).read_text().splitlines()
    assert [json.loads(text[i])["kind"] for i in (0, 2)] == ["incident", "frozen"]


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path: Path, clock: Clock, address: Address) -> None:
    (tmp_path / FILE).mkdir()
    alerts = Alerts.of(case(address.url()), tmp_path, clock=clock)
    assert alerts.send("frozen", "A person must look.", {})
    assert alerts.trouble is not None
    assert "alerts.jsonl could not be written" in alerts.trouble
    assert alerts.notes() == [alerts.trouble]
    assert alerts.notes() == []
    assert len(address.got) == 1
    (tmp_path / FILE).rmdir()
    alerts.send("confirmed", "x", {})
    assert alerts.trouble is None


def test_the_trail_is_checked_against_what_alerts_noted(tmp_path: Path, clock: Clock) -> None:
    """Somebody who owns the database writes all of it anew, the kept end too: an alert that went out remembers."""
    url = f"sqlite:///{tmp_path}/watch.db"
    for words in ("as it was", "as somebody wishes it were"):
        for path in tmp_path.glob("watch.db*"):
            path.unlink()
        with Trail.open(url) as trail:
            with trail.write("2026-11-01T00:00:00.000+00:00") as page:
                page.append("started", "words", {})
                page.append("confirmed", words, {})
            if words == "as it was":
                Alerts.of(case(), tmp_path, clock=clock).tell(trail.entries())
                assert check_trail(tmp_path)["entries"] == 2
    with pytest.raises(VerificationError) as caught:
        check_trail(tmp_path)
    assert caught.value.problem == "entry 2 of the trail does not fit"
    assert noted(tmp_path).keys() == {2}


# -- what leaves the machine ----------------------------------------------------------------------------------


def test_what_is_posted(tmp_path: Path, clock: Clock, address: Address) -> None:
    alerts = Alerts.of(case(address.url()), tmp_path, clock=clock)
    alerts.send("frozen", "A person must look.", {"rollbacks": 2, "model": "ab" * 32}, entry=(9, "cd" * 32))
    assert address.got == [
        {
            "schema": "assay/alert/1",
            "case": "Loans",
            "kind": "frozen",
            "text": "A person must look.",
            "facts": {"rollbacks": 2, "model": "ab" * 32},
            "entry": {"seq": 9, "hash": "cd" * 32},
            "time": "2027-01-15T08:00:00.000+00:00",
            "undelivered": 0,
        }
    ]
    assert address.paths == [f"/hook/{SECRET}"]
    assert address.headers[0]["Content-Type"] == "application/json"


def test_a_post_is_signed_by_the_secret_that_the_case_names(
    tmp_path: Path, clock: Clock, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over time, id and body, a line each: recomputed here by the standard library alone."""
    signed = case(address.url(), secret="HOOK_SECRET")
    with pytest.raises(CaseError, match="no environment variable HOOK_SECRET"):
        Alerts.of(signed, tmp_path, clock=clock)
    monkeypatch.setenv("HOOK_SECRET", "a secret of some length")
    Alerts.of(signed, tmp_path, clock=clock).send("frozen", "A person must look.", {})
    (headers,), (body,) = address.headers, address.bodies
    text = f"{headers['X-Assay-Time']}\n{headers['X-Assay-Id']}\n".encode() + body
    wanted = hmac.new(b"a secret of some length", text, hashlib.sha256).hexdigest()
    assert headers["X-Assay-Signature"] == f"sha256={wanted}"


def test_no_value_of_a_row_no_name_of_a_file_and_nobodys_reason_leaves(
    tmp_path: Path, clock: Clock, address: Address
) -> None:
    alerts = Alerts.of(case(address.url()), tmp_path, clock=clock)
    facts = {
        "batch": "mueller.csv",
        "number": 3,
        "rows": 8,
        "reason": "Mueller called",
        "by": "Mueller",
        "groups": {"town": {"Mueller": 1}},
        "norms": [{"value": 0.2, "who": "Mueller"}],
        "gap": float("nan"),
        "share": 0.25,
        "model": "Mueller & Co",
        "ok": True,
    }
    quoting = kinds(lambda e: e.told and e.general)
    for kind in quoting:
        alerts.send(kind, "Row 7 says 'Mueller'.", facts)
    assert len(address.got) == len(quoting) >= 6
    sent = json.dumps(address.got)
    assert "Mueller" not in sent
    assert "mueller" not in sent
    assert address.got[0]["facts"] == {"number": 3, "rows": 8, "share": 0.25, "ok": True}
    # Nor in a summary of what waited.
    alerts.send("incident", "Row 8 says 'Mueller'.", facts)
    alerts.close()
    assert address.got[-1]["facts"]["held"] == 1
    assert "Mueller" not in json.dumps(address.got)
    # The file stays on the machine and has the words.
    assert "Mueller" in (tmp_path / FILE).read_text()


def test_counts_are_plain_numbers() -> None:
    assert counts_of({"a": 1, "b": 1e400, "c": [1], "d": {"e": 1}, "f": "x", "method": "group_thresholds"}) == {
        "a": 1,
        "method": "group_thresholds",
    }


# -- an address that does not take it -------------------------------------------------------------------------


def failed(out: Path) -> list[str]:
    return [x["words"] for x in lines(out) if x["kind"] == "webhook"]


def test_what_a_hook_did_not_take_is_noted_and_posted_again_in_order(
    tmp_path: Path, clock: Clock, address: Address
) -> None:
    alerts = Alerts.of(case(address.url()), tmp_path, clock=clock)
    address.answer = 500
    assert alerts.send("incident", "one", {})
    assert alerts.send("frozen", "two", {})
    address.answer = 204
    assert alerts.send("gate", "three", {})
    assert alerts.send("confirmed", "four", {})
    assert [x["kind"] for x in address.got] == ["incident", "incident", "incident", "frozen", "gate", "confirmed"]
    assert [x["undelivered"] for x in address.got] == [0, 0, 0, 1, 2, 0]
    ids = [h["X-Assay-Id"] for h in address.headers]
    assert ids[0] == ids[1] == ids[2] != ids[3], "who takes them can tell one that comes twice"
    host = address.url("")
    assert failed(tmp_path) == [f"The webhook at {host} did not take an alert: HTTP 500."] * 2
    assert [x["kind"] for x in lines(tmp_path)] == ["incident", "webhook", "frozen", "webhook", "gate", "confirmed"]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(tmp_path: Path, clock: Clock, address: Address, code: int) -> None:
    address.answer, address.where = code, address.url("/elsewhere")
    Alerts.of(case(address.url()), tmp_path, clock=clock).send("frozen", "x", {})
    assert address.paths == [f"/hook/{SECRET}"]
    assert f"HTTP {code}" in failed(tmp_path)[0]
    assert "not followed" in failed(tmp_path)[0]


def test_nobody_listens(tmp_path: Path, clock: Clock, address: Address) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound and not listening
        url = f"http://127.0.0.1:{free.getsockname()[1]}/{SECRET}"
        Alerts.of(case(url), tmp_path, clock=clock).send("frozen", "x", {})
    assert failed(tmp_path)[0].endswith("did not take an alert: Connection refused.")


@pytest.mark.parametrize("drip", [False, True])
def test_an_address_that_is_slow_holds_nobody_up(address: Address, drip: bool) -> None:
    address.delay, address.drip = 20.0, drip
    hook = Hook(address.url(), timeout=0.2)
    problem = hook.post(b"{}")
    assert problem is not None  # who waits for the end of it gets its 200
    assert SECRET not in problem
    assert address.got == [{}]


def test_no_secret_is_ever_written(tmp_path: Path, clock: Clock, address: Address) -> None:
    url = address.url(f"/{SECRET}?token={SECRET}").replace("http://", f"http://me:{SECRET}@")
    alerts = Alerts.of(case(url), tmp_path, clock=clock)
    for answer in (200, 404, 302):
        address.answer = answer
        alerts.send(f"kind {answer}", "x", {})
    assert address.paths == [f"/{SECRET}?token={SECRET}"] * 3
    assert address.headers[0]["Authorization"].startswith("Basic ")
    assert "@" not in address.headers[0]["Host"]
    assert SECRET not in (tmp_path / FILE).read_text()
    assert len(failed(tmp_path)) == 2


@pytest.mark.parametrize(
    "url",
    [
        f"file:///etc/{SECRET}",
        f"ftp://x/{SECRET}",
        f"gopher://{SECRET}",
        f"//{SECRET}/x",
        SECRET,
        "",
        "http://",
        f"https:///{SECRET}",
        f"http://x:99999/{SECRET}",
        f"http://x/{SECRET} y",
        f"http://x/{SECRET}\r\nHost: y",
        f"http://x/ü{SECRET}",
        f"http://[::1/{SECRET}",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_showing_it(tmp_path: Path, url: str) -> None:
    with pytest.raises(CaseError, match=r"webhook under .watch. cannot be used") as caught:
        Alerts.of(case(url), tmp_path)
    assert SECRET not in caught.value.message
    assert not os.path.exists(tmp_path / FILE)


def test_an_address_by_number_keeps_its_brackets() -> None:
    assert Hook("https://[::1]:8443/x").place == "https://[::1]:8443"


def test_what_waits_is_tried_again_after_a_while_without_a_new_alert(
    tmp_path: Path, clock: Clock, address: Address
) -> None:
    alerts = Alerts.of(case(address.url()), tmp_path, clock=clock)
    address.answer = 503
    alerts.send("frozen", "one", {})
    address.answer = 200
    clock.now += RETRY - 1
    alerts.due()
    assert (len(address.got), alerts.waiting) == (1, 1)
    clock.now += 1
    alerts.due()
    assert (len(address.got), alerts.waiting) == (2, 0)
    assert address.bodies[0] == address.bodies[1]


# -- through the command line ---------------------------------------------------------------------------------


def test_a_run_posts_what_an_earlier_one_could_not_signed_with_its_time_and_the_same_id(
    tmp_path: Path, address: Address, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "a secret of some length"
    monkeypatch.setenv("HOOK_SECRET", secret)
    write_case(tmp_path, people(10), delay=0, more=f'webhook = "{address.url()}"\nsecret = "HOOK_SECRET"')
    run = ["watch", str(tmp_path / "case.toml"), "--out", str(tmp_path / "out")]
    address.answer = 500
    assert cli.main(run) == 0
    problem = f"The webhook at {address.url('')} did not take an alert: HTTP 500."
    assert f"assay watch: {problem}" in capsys.readouterr().err
    assert problem in [n["words"] for n in json.loads((tmp_path / "out" / "watch.json").read_bytes())["notices"]]
    assert problem in failed(tmp_path / "out")
    waited = list(dict.fromkeys(address.bodies))
    kinds = [json.loads(b)["kind"] for b in waited]
    assert "confirmed" in kinds
    assert (tmp_path / "out" / WAITING).stat().st_mode & 0o077 == 0
    del address.got[:], address.bodies[:], address.headers[:]
    address.answer = 204
    assert cli.main(run) == 0, "no batch is new"
    assert address.bodies == waited, "in the order in which they came, each once"
    assert not (tmp_path / "out" / WAITING).exists()
    for headers, body in zip(address.headers, address.bodies, strict=True):
        assert abs(time.time() - int(headers["X-Assay-Time"])) < 60, "who takes them can refuse what is old"
        assert headers["X-Assay-Id"] == hashlib.sha256(body).hexdigest()[:32]
        text = f"{headers['X-Assay-Time']}\n{headers['X-Assay-Id']}\n".encode() + body
        assert headers["X-Assay-Signature"] == f"sha256={hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()}"
    assert cli.main(run) == 0
    assert len(address.got) == len(waited), "nothing twice"


def test_every_key_that_is_posted_is_documented(tmp_path: Path, clock: Clock, address: Address) -> None:
    """docs/schemas/alert.json and the table in docs/watch.md."""
    Alerts.of(case(address.url()), tmp_path, clock=clock).send("frozen", "x", {"rollbacks": 2}, entry=(9, "cd" * 32))
    docs = Path(__file__).parents[3] / "docs"
    schema = json.loads((docs / "schemas" / "alert.json").read_text())
    wanted = next(d for d in schema["$defs"].values() if "undelivered" in d["properties"])
    assert sorted(address.got[0]) == sorted(wanted["properties"]) == sorted(wanted["required"])
    text = (docs / "watch.md").read_text().partition("**The webhook** posts")[2].partition("Headers:")[0]
    assert re.findall(r"^\| `(\w+)` \|", text, re.M) == list(address.got[0])
