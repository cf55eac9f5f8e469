"""Alerts: what a person should know at once, in a file and to a webhook.

    OUT/alerts.jsonl        one JSON object a line; stays on the machine
    OUT/alerts.waiting      what the address did not take yet: a later run posts it
    [watch] webhook         an http or https address that each alert is posted to, as JSON (docs/schemas/alert.json)

What leaves the machine is a sentence, counts, and the number and hash of the trail's entry; no value of any row. Of one
kind there is at most one alert in ten minutes: what came meanwhile is counted and follows as one summary. An address
that does not answer never stops the loop; that it did not is a line of the file. The file is read when a run goes on,
so that what a killed run did not tell is told, and nothing twice.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import hmac
import http.client
import math
import os
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from audit.case import Case
from audit.errors import CaseError, OutputError
from audit.files import canonical, write_whole
from audit.numbers import many
from debias.loop import events
from debias.loop.trail import Entry

FILE = "alerts.jsonl"
WAITING = "alerts.waiting"
EVERY = 600.0
"""Seconds between two alerts of one kind."""

RETRY = 30.0
"""Seconds until an address that did not take an alert is tried again; `QUEUE` of the newest wait for it."""
QUEUE = 100

TIMEOUT = 5.0
"""Seconds for the address to take a connection and to answer."""

_NAMES = ("model", "method", "predecessor", "version", "policy")
_PLAIN = re.compile(r"[A-Za-z0-9_.:-]{1,80}")


class At(msgspec.Struct, frozen=True):
    """Number and hash of an entry of the trail."""

    seq: int
    hash: str


class Alert(msgspec.Struct, frozen=True):
    """What is posted. kind: of the trail's entry, "trouble" or "silent"; text: a sentence without anybody's data;
    facts: counts, and ids of models; undelivered: alerts in a row before this one that were not taken."""

    schema: Literal["assay/alert/1"]
    case: str
    kind: str
    text: str
    facts: dict[str, bool | int | float | str]
    entry: At | None
    time: str
    undelivered: int


class _Line(msgspec.Struct):
    """What is read again of a line of the file."""

    kind: str
    time: str
    entry: At | None = None


@dataclass(slots=True)
class _Kind:
    """What is remembered of one kind: when the last alert was (seconds since 1970), its entry, and what waits."""

    last: float = -math.inf
    seq: int = 0
    held: int = 0
    words: str = ""
    facts: Mapping[str, Any] | None = None
    entry: tuple[int, str] | None = None


class Alerts:
    """The alerts of one loop. No method raises for what an address or a disk does."""

    def __init__(
        self,
        case: str,
        file: Path,
        hook: Hook | None,
        *,
        every: float = EVERY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._case, self._file, self._hook = case, file, hook
        self._every, self._clock = every, clock
        self._kinds: dict[str, _Kind] = {}
        self._undelivered = 0
        self._queue: list[bytes] = []
        self._again = -math.inf
        self.trouble: str | None = None
        self._notes: list[str] = []
        self._read()
        self._kept = self._file.with_name(WAITING)
        if hook is not None and self._kept.exists():
            with contextlib.suppress(OSError):
                self._queue = [line for line in self._kept.read_bytes().splitlines(keepends=True) if line.strip()]
                self._undelivered = len(self._queue)

    @staticmethod
    def of(case: Case, out: Path, *, every: float = EVERY, clock: Callable[[], float] = time.time) -> Alerts:
        """The alerts of a case's loop in OUT. Raises CaseError for an address that cannot be used."""
        hook = None if case.watch.webhook is None else Hook(case.watch.webhook, secret=secret_of(case))
        return Alerts(case.name, out / FILE, hook, every=every, clock=clock)

    def _read(self) -> None:
        """When the last alert of each kind was, from the file."""
        for line in _lines(self._file):
            with contextlib.suppress(ValueError):  # no time
                last = dt.datetime.fromisoformat(line.time).timestamp()
                kind = self._kinds.setdefault(line.kind, _Kind())
                kind.last = last
                kind.seq = max(kind.seq, 0 if line.entry is None else line.entry.seq)

    # -- telling -----------------------------------------------------------------------------------------------

    def tell(self, entries: Iterable[Entry]) -> None:
        """Alerts of those entries of the trail that a person is told of, and that were not told before."""
        for e in entries:
            if events.row(e.kind).told and e.seq > self._kinds.get(e.kind, _Kind()).seq:
                self.send(e.kind, e.words, e.facts, entry=(e.seq, e.hash))

    def send(self, kind: str, words: str, facts: Mapping[str, Any], *, entry: tuple[int, str] | None = None) -> bool:
        """One alert, or one more that waits for the next; whether it went out now.

        entry: the number and hash of the trail's entry.
        """
        self.due()
        known = self._kinds.setdefault(kind, _Kind())
        if entry is not None:
            known.seq = max(known.seq, entry[0])
        if self._waits(known):
            known.held += 1
            known.words, known.facts, known.entry = words, facts, entry
            return False
        self._out(kind, known, words, events.row(kind).general or words, facts, entry)
        return True

    def due(self, *, all_of_them: bool = False) -> None:
        """Send the summaries whose time has come, or all that wait (at the end of a run); what was not taken again."""
        if self._hook is not None and self._queue and (all_of_them or self._clock() >= self._again):
            self._deliver()
        for kind, known in list(self._kinds.items()):
            if known.held and (all_of_them or not self._waits(known)):
                n = known.held
                more = f"{n:,} more of this kind since the last alert" if n > 1 else "One more of this kind"
                known.held = 0
                general = events.row(kind).general or known.words
                facts = {**(known.facts or {}), "held": n}
                self._out(kind, known, f"{more}. The last: {known.words}", f"{more}. {general}", facts, known.entry)

    def notes(self) -> list[str]:
        """What went wrong with telling since the last call: an address that did not take an alert, a full disk."""
        out, self._notes = self._notes, []
        return out

    @property
    def waiting(self) -> int:
        """How many wait for the webhook."""
        return len(self._queue)

    def close(self) -> None:
        """What still waits is told."""
        self.due(all_of_them=True)

    def _waits(self, known: _Kind) -> bool:
        return 0 <= self._clock() - known.last < self._every

    def _out(
        self, kind: str, known: _Kind, words: str, general: str, facts: Mapping[str, Any], entry: tuple[int, str] | None
    ) -> None:
        known.last = self._clock()
        counts = counts_of(facts)
        at = None if entry is None else {"seq": entry[0], "hash": entry[1]}
        self._append({"kind": kind, "words": words, "facts": counts, "entry": at})
        if self._hook is None:
            return
        where = None if entry is None else At(*entry)
        alert = Alert("assay/alert/1", self._case, kind, general, counts, where, self._now(), self._undelivered)
        self._queue.append(canonical(msgspec.to_builtins(alert), compact=True))
        del self._queue[:-QUEUE]
        problem = self._deliver()
        if problem is None:
            return
        self._undelivered += 1
        self._notes.append(problem)
        self._append({"kind": "webhook", "words": problem, "facts": {"undelivered": self._undelivered}, "entry": None})

    def _deliver(self) -> str | None:
        """Post what waits, the oldest first; why the first that was not taken was not."""
        assert self._hook is not None
        problem = None
        while self._queue and problem is None:
            problem = self._hook.post(self._queue[0])
            if problem is None:
                del self._queue[0]
        if problem is None:
            self._undelivered = 0
        else:
            self._again = self._clock() + RETRY
        self._keep()
        return problem

    def _keep(self) -> None:
        """What waits outlives the run."""
        try:
            if self._queue:
                write_whole(self._kept, b"".join(self._queue), mode=0o600)
            else:
                self._kept.unlink(missing_ok=True)
        except (OutputError, OSError) as error:
            self._notes.append(
                f"{WAITING} could not be written: {getattr(error, 'got', None) or type(error).__name__}."
            )

    def _append(self, line: Mapping[str, Any]) -> None:
        """A line, whole; after one that was torn on a line of its own."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a+b") as stream:
                torn = b""
                if stream.seek(0, 2):
                    stream.seek(-1, 2)
                    torn = b"" if stream.read(1) == b"\n" else b"\n"
                stream.write(torn + canonical({"time": self._now(), **line}, compact=True))
            self.trouble = None
        except OSError as error:
            self.trouble = f"{FILE} could not be written: {error.strerror or type(error).__name__}."
            self._notes.append(self.trouble)

    def _now(self) -> str:
        return dt.datetime.fromtimestamp(self._clock(), dt.UTC).isoformat(timespec="milliseconds")


def noted(out: Path) -> dict[int, str]:
    """Number and hash of every entry that an alert in OUT was about: what the trail is checked against."""
    hashes: dict[int, str] = {}
    for line in _lines(out / FILE):
        if line.entry is not None:
            hashes.setdefault(line.entry.seq, line.entry.hash)
    return hashes


def _lines(file: Path) -> list[_Line]:
    """The lines of the file; those that were torn are passed over."""
    out = []
    try:
        content = file.read_bytes()
    except OSError:
        return []
    for line in content.split(b"\n"):
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
            out.append(msgspec.json.decode(line, type=_Line))
    return out


def counts_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What of an entry's facts may leave: plain finite numbers, and names of models and methods. Nothing nested."""
    out: dict[str, Any] = {}
    for key, value in facts.items():
        number = isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value))
        if number or (key in _NAMES and isinstance(value, str) and _PLAIN.fullmatch(value)):
            out[key] = value
    return out


def secret_of(case: Case) -> bytes | None:
    """What alerts are signed with: the value of the environment variable that the case names. Raises CaseError."""
    name = case.watch.secret
    if name is None:
        return None
    value = os.environ.get(name, "")
    if len(value) < 16:
        raise CaseError(
            "alerts cannot be signed",
            got=f"no environment variable {name}"
            if not value
            else f"a value of {many(len(value), 'character')} in {name}",
            expected="a secret of 16 characters or more, known to whoever takes the alerts",
            todo=f"set {name}, or take `secret` out of [watch]",
        )
    return value.encode()


def signature(secret: bytes, time: str, name: str, body: bytes) -> str:
    """HMAC-SHA256 over time, id and body, a line each: what X-Assay-Signature holds after "sha256="."""
    return hmac.new(secret, f"{time}\n{name}\n".encode() + body, hashlib.sha256).hexdigest()


class Hook:
    """An address that alerts are posted to. Only its host is ever shown: the rest may be a secret.

    Each post has an id of its own that stays when it is tried again, its time, and with a secret a signature over both
    and the body: X-Assay-Id, X-Assay-Time (seconds since 1970), X-Assay-Signature.
    """

    def __init__(self, url: str, *, timeout: float = TIMEOUT, secret: bytes | None = None) -> None:
        self._secret = secret
        try:
            parts = urllib.parse.urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise _no_address("no address") from None
        if parts.scheme not in ("http", "https"):
            raise _no_address(f"an address that begins with {parts.scheme[:20]!r}" if parts.scheme else "no address")
        if not host or any(c.isspace() or not c.isprintable() for c in url) or not url.isascii():
            raise _no_address("an address without a host, or with blanks or letters that need an escape in it")
        shown = f"[{host}]" if ":" in host else host
        self.place = f"{parts.scheme}://{shown}" + (f":{port}" if port else "")
        self._url = parts._replace(netloc=shown + (f":{port}" if port else ""), fragment="").geturl()
        self._headers = {"Content-Type": "application/json", "User-Agent": "assay"}
        if parts.username is not None:
            who = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
            self._headers |= {"Authorization": "Basic " + base64.b64encode(who.encode()).decode()}
        self._timeout = timeout
        self._opener = urllib.request.build_opener(_Stay())

    def post(self, body: bytes) -> str | None:
        """Post it; None, or one sentence on why it was not taken."""
        answer: list[str | None] = []
        # A thread, since an address that answers a byte at a time would hold a timeout of single steps for ever.
        caller = threading.Thread(target=lambda: answer.append(self._post(body)), daemon=True)
        caller.start()
        caller.join(2 * self._timeout)
        problem = answer[0] if answer else f"no answer within {many(2 * self._timeout, 'second')}"
        return None if problem is None else f"The webhook at {self.place} did not take an alert: {problem}."

    def _post(self, body: bytes) -> str | None:
        name, now = hashlib.sha256(body).hexdigest()[:32], str(int(time.time()))
        headers = self._headers | {"X-Assay-Id": name, "X-Assay-Time": now}
        if self._secret is not None:
            headers |= {"X-Assay-Signature": f"sha256={signature(self._secret, now, name, body)}"}
        request = urllib.request.Request(self._url, data=body, headers=headers, method="POST")
        try:
            with self._opener.open(request, timeout=self._timeout):
                return None
        except urllib.error.HTTPError as error:
            with error:
                if 300 <= error.code < 400:
                    return f"it sends elsewhere (HTTP {error.code}), which is not followed"
                return f"HTTP {error.code}"
        except urllib.error.URLError as error:
            reason = error.reason
            return (reason.strerror if isinstance(reason, OSError) else None) or type(reason).__name__
        except (OSError, http.client.HTTPException, ValueError) as error:
            return getattr(error, "strerror", None) or type(error).__name__


class _Stay(urllib.request.HTTPRedirectHandler):
    """Redirects are not followed: they would carry the alert, and a secret in its address, to somebody else."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _no_address(got: str) -> CaseError:
    return CaseError(
        "the webhook under [watch] cannot be used",
        got=got,
        expected="an address that begins with https:// or http:// and names a host",
        todo='correct webhook = "https://..." in the case file',
    )
