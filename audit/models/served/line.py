"""What every protocol gives: facts about the server, a question of some rows, and what its answer says."""

from __future__ import annotations

import abc
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from audit.case import EndpointSpec
from audit.errors import DataError, ModelError
from audit.load.values import name_of
from audit.models.loaded import one_line
from audit.models.served.client import MOST_BYTES, MOST_BYTES_A_ROW, Access, Client, Reply
from audit.numbers import many


@dataclass(frozen=True, slots=True)
class Tensor:
    """As a server's metadata name one. shape: -1 where it is free."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Server:
    """What a server says of itself and its model; "" where it says nothing. Nobody here can check any of it."""

    name: str = ""
    version: str = ""
    model: str = ""
    model_version: str = ""
    platform: str = ""
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()

    def words(self) -> str:
        """In a few words."""
        model = f"model {self.model}" if self.model else "a model without a name"
        model += f", version {self.model_version}" if self.model_version else ", no version told"
        by = " ".join(w for w in (self.name, self.version) if w)
        return f"{model}; server {by}" if by else f"{model}; the server does not say what it is"

    def to_json(self) -> dict[str, str]:
        return {k: getattr(self, k) for k in ("name", "version", "model", "model_version", "platform")}


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """What n rows were answered: scores (n,) or (n, K) float64, decided (n,) names of classes; one may be None.
    version: of the model, where the answer says it."""

    scores: np.ndarray | None
    decided: tuple[str, ...] | None
    version: str = ""


def access_of(spec: EndpointSpec) -> Access:
    return Access(
        spec.url, timeout=spec.timeout, retries=spec.retries, ca=spec.ca, token_env=spec.token_env,
        token_header=spec.token_header, plain_text=spec.plain_text,
    )  # fmt: skip


class Line(abc.ABC):
    """A context manager: one server by one protocol."""

    words: str
    """The protocol, in words."""

    def __init__(self, spec: EndpointSpec) -> None:
        self.spec = spec

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abc.abstractmethod
    def close(self) -> None: ...

    @abc.abstractmethod
    def facts(self) -> Server:
        """What the server says of itself now. Raises ModelError."""

    @abc.abstractmethod
    def question(self, frame: pd.DataFrame, server: Server) -> bytes:
        """These rows as they are sent; the same rows are the same bytes. Raises DataError for what cannot be sent."""

    @abc.abstractmethod
    def send(self, question: bytes, rows: int) -> Reply:
        """Raises ModelError."""

    @abc.abstractmethod
    def read(self, body: bytes, rows: int) -> Raw:
        """Raises ModelError for an answer that is none."""


class Rest(Line):
    """A line over HTTP. `path`: where questions are posted."""

    path: str

    def __init__(self, spec: EndpointSpec) -> None:
        super().__init__(spec)
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        """Made when it is first needed: kept answers are read without a token, and without a server."""
        if self._client is None:
            self._client = Client(access_of(self.spec))
        return self._client

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def get(self, path: str, *, needed: bool = True) -> Any:
        """The document at `path`; None where it is not needed and not there."""
        reply = self.client.ask("GET", path)
        if not needed and reply.status in (404, 405, 501):
            return None
        return parsed(self.good(reply))

    def send(self, question: bytes, rows: int) -> Reply:
        most = MOST_BYTES + MOST_BYTES_A_ROW * rows
        reply = self.client.ask("POST", self.path, question, most=most)
        self.good(reply)
        return reply

    def good(self, reply: Reply) -> bytes:
        """The body of an answer with 200. Raises ModelError for every other."""
        if reply.status == 200:
            if reply.type == "text/html" or reply.body.lstrip()[:1] == b"<":
                raise no_answer("a web page", "is this the address of the model, or of a sign-in page before it?")
            return reply.body
        place = self.spec.url
        status = f"HTTP {reply.status}" + (f": {self.client.shown(_reply_text(reply))}" if reply.body else "")
        if 300 <= reply.status < 400:
            raise ModelError(
                "the endpoint sends elsewhere, which is not followed",
                got=f"HTTP {reply.status} from {place}",
                expected="an answer: people's data go to the host that was agreed to, and to no other",
                todo="write the final address as `url`, and agree to it as `send_to`",
            )
        todo = "look at the server's log"
        if reply.status in (401, 403):
            known = self.spec.token_env
            todo = f"see whether {known} holds a valid token" if known else 'name its variable: token_env = "NAME"'
        elif reply.status in (404, 405):
            todo = "see whether `url` and `protocol` name what this server serves"
        elif 400 <= reply.status < 500:
            todo = "compare `features` and their types with what the model takes, and `batch` with what it allows"
        raise ModelError(
            "the endpoint refused the question" if reply.status < 500 else "the endpoint failed",
            got=status, expected="an answer with HTTP 200", todo=todo,
        )  # fmt: skip


def _reply_text(reply: Reply) -> str:
    if reply.type == "text/html":
        return "a web page"
    text = reply.body[:4000].decode("utf-8", "replace")
    try:
        document = json.loads(text)
    except ValueError:
        return text
    for key in ("error", "message", "detail"):
        if isinstance(document, dict) and isinstance(document.get(key), str):
            return str(document[key])
    return text


def no_answer(got: str, todo: str = "") -> ModelError:
    """The refusal of an answer that is none."""
    return ModelError(
        "the endpoint gives an answer that cannot be used",
        got=got,
        expected="JSON as the protocol says, with one finite number or one class for each row",
        todo=todo or "ask the server about the same rows by hand, and see what it answers",
    )


def parsed(body: bytes) -> Any:
    """Strict JSON: no NaN, no infinity. Raises ModelError."""

    def constant(name: str) -> Any:
        raise no_answer(f"{name} in place of a number", "look at the rows: often a value the model never saw")

    try:
        return json.loads(body, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        shown = one_line(body[:80].decode("utf-8", "replace"))
        raise no_answer(f"no JSON: {shown!r}" if shown else "an empty body") from error


def check_numbers(values: list[Any], what: str) -> np.ndarray:
    """float64 of a flat list of JSON numbers. Raises ModelError that names the first that is none."""
    for at, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise no_answer(f"{one_line(repr(value), 60)} as {what} {at + 1}, which is no number")
    try:
        out = np.array(values, dtype=np.float64)
    except OverflowError as error:
        raise no_answer("a number beyond what can be counted with") from error
    if not np.isfinite(out).all():
        raise no_answer(f"{what} {int(np.flatnonzero(~np.isfinite(out))[0]) + 1} is not finite")
    return out


def shaped(values: list[Any], rows: int, what: str = "scores") -> tuple[list[Any], int]:
    """Flat values and how many a row, from a list of n values or n lists of K. Raises ModelError for another length."""
    if len(values) != rows:
        raise no_answer(f"{len(values):,} {what} for {many(rows, 'row')}")
    if not values or not isinstance(values[0], list):
        return values, 1
    width = len(values[0])
    if not width or any(not isinstance(v, list) or len(v) != width for v in values):
        raise no_answer(f"rows of different lengths among the {what}")
    return [x for v in values for x in v], width


def table_of(values: list[Any], rows: int) -> np.ndarray:
    """Scores (n,) or (n, K) of a JSON list."""
    flat, width = shaped(values, rows)
    scores = check_numbers(flat, "score")
    return scores if width == 1 else scores.reshape(rows, width)


def names_of(values: list[Any], rows: int) -> tuple[str, ...]:
    """Decisions as names of classes. Raises ModelError for what is no class."""
    flat, width = shaped(values, rows, "decisions")
    if width != 1:
        raise no_answer(f"{many(width, 'decision')} for each row")
    for value in flat:
        if not isinstance(value, (str, int, float, bool)) or (isinstance(value, float) and not np.isfinite(value)):
            raise no_answer(f"{one_line(repr(value), 60)} as a decision")
    return tuple(name_of(v) for v in flat)


def meant(values: list[Any], rows: int, spec: EndpointSpec) -> Raw:
    """One list of which the case does not say whether it holds scores or decisions: broken numbers and lists are
    scores; text, whole numbers and truth values are classes."""
    flat, width = shaped(values, rows, "answers")
    if spec.decision is not None:
        return Raw(None, names_of(values, rows))
    if spec.output is not None or width > 1 or any(isinstance(v, float) for v in flat):
        return Raw(table_of(values, rows), None)
    return Raw(None, names_of(values, rows))


def cells(values: pd.Series, name: str) -> list[Any]:
    """A column as JSON values, a missing one as None. Raises DataError for dates and objects."""
    gone = values.isna().to_numpy(dtype=bool)
    out: list[Any] = []
    for value, missing in zip(values.tolist(), gone, strict=True):
        plain = value.item() if isinstance(value, np.generic) else value
        if missing:
            out.append(None)
        elif isinstance(plain, (str, bool, int)) or (isinstance(plain, float) and np.isfinite(plain)):
            out.append(plain)
        else:
            raise DataError(
                "a column of the data cannot be sent to the endpoint",
                got=f"{name!r} holds {one_line(repr(plain), 60)}",
                expected="numbers, text and truth values",
                todo="write the values of the column as text or numbers, as the model takes them",
            )
    return out


def dump(document: Any) -> bytes:
    """A question: the same rows give the same bytes."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
