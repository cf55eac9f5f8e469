"""What a machine that looks after machines asks of a running loop: is it alive, and where does it stand.

    GET /healthz     200 {"ok": true, ...}, or 503 and why not: no batch for too long, or a record that cannot be kept
    GET /metrics     the text format of Prometheus (version 0.0.4), counts and states only

On the loopback address unless another is given: the counts are of groups, and small ones tell of people.
"""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec

from audit.documents.watch import Watch
from audit.errors import InputError, OutputError
from audit.numbers import brief, many

HOST = "127.0.0.1"
STATUS = ("inside", "outside", "undecided", "not_estimable")
GROUP = ("watched", "undecided", "harmed")


class Answers(Protocol):
    """What the two pages are asked of."""

    def healthz(self) -> tuple[int, dict[str, Any]]: ...

    def metrics(self) -> str: ...


class Health:
    """The newest document of a loop (watch.json) and when its last batch came. Safe to read from any thread."""

    def __init__(self, heartbeat: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._heartbeat, self._clock = heartbeat, clock
        self._lock = threading.Lock()
        self._document: Watch | None = None
        self._since = clock()
        self._trouble: str | None = None
        self._waiting = 0

    def batch(self) -> None:
        """A batch was taken."""
        with self._lock:
            self._since, self._trouble = self._clock(), None

    def trouble(self, words: str | None) -> None:
        """The record cannot be kept; None: it can again."""
        with self._lock:
            self._trouble = words

    def show(self, document: Mapping[str, Any], waiting: int) -> None:
        """document: of watch.json; waiting: alerts that an address did not take yet."""
        watch = msgspec.convert({"timeline": (), "events": (), **document}, Watch)
        with self._lock:
            self._document, self._waiting = watch, waiting

    @property
    def quiet(self) -> float | None:
        """Seconds since the last batch where these are more than the heartbeat allows, else None."""
        with self._lock:
            gone = self._clock() - self._since
        return gone if self._heartbeat is not None and gone > self._heartbeat else None

    def healthz(self) -> tuple[int, dict[str, Any]]:
        """The HTTP status and the answer."""
        quiet = self.quiet
        with self._lock:
            problem = self._trouble
            state = None if self._document is None else self._document.state
        if problem is None and quiet is not None:
            problem = f"no batch came for {many(round(quiet), 'second')}"
        body = {"ok": problem is None, "state": state, "problem": problem}
        return (200 if problem is None else 503), body

    def metrics(self) -> str:
        """The page of /metrics."""
        with self._lock:
            d, waiting, gone = self._document, self._waiting, self._clock() - self._since
            up = self._trouble is None
        out = _Page()
        out.add("up", "gauge", "Whether the record can be kept.", [({}, int(up))])
        out.add("seconds_since_batch", "gauge", "Since the last batch was taken.", [({}, gone)])
        out.add("alerts_waiting", "gauge", "Alerts that the webhook has not taken.", [({}, waiting)])
        if d is None:
            return out.text
        modes = [({"state": m}, int(m == d.state)) for m in _modes()]
        out.add("state", "gauge", "Where the loop stands: 1 for its state.", modes)
        out.add("batches_total", "counter", "Batches taken.", [({}, d.batches)])
        out.add("matured_total", "counter", "Batches whose outcomes are due.", [({}, d.matured)])
        out.add("people_total", "counter", "People counted.", [({}, d.rows)])
        out.add("label_delay_batches", "gauge", "After how many batches outcomes are due.", [({}, d.label_delay)])
        out.add("approvals_open", "gauge", "Challengers that wait for a person.", [({}, int(d.pending is not None))])
        out.add("changes_open", "gauge", "Open changes of who comes and what is decided.", [({}, len(d.changes or ()))])
        out.add("batches_held_total", "counter", "Batches put aside.", [({}, d.quarantine.held)])
        reasons = [({"reason": k}, n) for k, n in d.quarantine.reasons.items()]
        out.add("rows_aside_total", "counter", "Rows put aside, and outcomes taken as not known.", reasons)
        for key in ("value", "low", "high", "limit"):
            norms = [({"norm": n.key}, v) for n in d.norms if (v := getattr(n, key)) is not None]
            out.add(f"norm_{key}", "gauge", f"Of each norm of the running model: {key}.", norms)
        stands = [({"norm": n.key, "status": s}, int(n.status == s)) for n in d.norms for s in STATUS]
        out.add("norm_status", "gauge", "Where each norm stands: 1 for its status.", stands)
        for key in ("people", "outcomes", "wrong"):
            groups = [({"attribute": g.attribute, "group": g.group}, getattr(g, key)) for g in d.groups]
            out.add(f"group_{key}", "gauge", f"Of each group: {key}.", groups)
        judged = [
            ({"attribute": g.attribute, "group": g.group, "status": s}, int(g.status == s))
            for g in d.groups
            for s in GROUP
        ]
        out.add("group_status", "gauge", "Whether each group is judged for harm: 1 for its status.", judged)
        return out.text


def _modes() -> list[str]:
    from debias.loop.modes import Mode

    return [str(m) for m in Mode]


class _Page:
    def __init__(self) -> None:
        self.text = ""

    def add(self, name: str, kind: str, about: str, values: Sequence[tuple[Mapping[str, Any], float]]) -> None:
        if not values:
            return
        self.text += f"# HELP assay_{name} {about}\n# TYPE assay_{name} {kind}\n"
        for labels, value in values:
            inside = ",".join(f'{k}="{_escaped(str(v))}"' for k, v in labels.items())
            self.text += (
                (f"assay_{name}{{{inside}}} {brief(value)}\n") if inside else f"assay_{name} {brief(value, 12)}\n"
            )


def merged(pages: Mapping[str, str]) -> str:
    """Pages of several loops as one: each metric told once, with the loop's name."""
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for loop, page in pages.items():
        name = ""
        for line in page.splitlines():
            if line.startswith("#"):
                name = line.split(" ", 3)[2]
                if line not in heads.setdefault(name, []):
                    heads[name].append(line)
                continue
            inside, _, value = line[len(name) :].rpartition(" ")
            label = f'loop="{_escaped(loop)}"' + ("," + inside[1:-1] if inside else "")
            samples.setdefault(name, []).append(f"{name}{{{label}}} {value}")
    return "".join("\n".join([*heads[n], *samples.get(n, [])]) + "\n" for n in heads)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def address_of(text: str) -> tuple[str, int]:
    """ "9100" or "0.0.0.0:9100". Raises InputError."""
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise InputError(
            "--serve cannot be used", got=repr(text), expected="PORT or HOST:PORT", todo="give --serve 9100"
        )
    return (host.strip("[]") or HOST), int(port)


@contextmanager
def serving(health: Answers, address: tuple[str, int] | None) -> Iterator[int | None]:
    """Answer at an address until the end; the port, or None where there is no address. Raises OutputError."""
    if address is None:
        yield None
        return

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            if self.path == "/healthz":
                status, body = health.healthz()
                self._answer(status, "application/json", json.dumps(body) + "\n")
            elif self.path == "/metrics":
                self._answer(200, "text/plain; version=0.0.4; charset=utf-8", health.metrics())
            else:
                self._answer(404, "text/plain; charset=utf-8", "/healthz and /metrics\n")

        def _answer(self, status: int, kind: str, text: str) -> None:
            content = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Who asks is not written down."""

    try:
        server = http.server.ThreadingHTTPServer(address, Handler)
    except OSError as error:
        raise OutputError(
            "--serve cannot be used", got=f"{address[0]}:{address[1]}: {error.strerror}", expected="a free port",
            todo="give another port",
        ) from error  # fmt: skip
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
