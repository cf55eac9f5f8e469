"""A small server of a model, in this process: the same decisions by the Open Inference Protocol, by MLflow's scoring
protocol and by a JSON of its own, and whatever a test wants it to do wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.audit.models.zoo.people import people

FEATURES = ["age", "pay", "debt", "job"]


def score(rows: list[dict[str, Any]]) -> list[float]:
    """The probability of 1: the rule that the server serves."""
    drive = [0.12 * (r["pay"] - 30) - 0.2 * (r["debt"] - 5) + 0.5 * (r["job"] == "smith") - 0.3 for r in rows]
    return [1 / (1 + float(np.exp(-d))) for d in drive]


class Served:
    """What the server does. spoil: called with (path, number of the question, answer) in place of sending the answer;
    gives (status, type, bytes) or None to send it. seen: the bodies that came, and their headers."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.spoil: Callable[[Handler, str, int, Any], bool] = lambda handler, path, number, answer: False
        self.score: Callable[[list[dict[str, Any]]], list[float]] = score
        self.version = "7"
        self.outputs = ("p", "label")
        self.url = ""
        self.inputs: list[dict[str, Any]] = []

    @property
    def place(self) -> str:
        return self.url.removeprefix("http://")

    @property
    def asked(self) -> list[bytes]:
        """The questions about people."""
        return [body for _, _, body in self.seen if body]

    def rows(self, path: str, document: Any) -> list[dict[str, Any]]:
        if path.endswith("/infer"):
            columns = {i["name"]: [x for v in i["data"] for x in (v if isinstance(v, list) else [v])]
                       for i in document["inputs"]}  # fmt: skip
            return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        if "dataframe_split" in document:
            split = document["dataframe_split"]
            return [dict(zip(split["columns"], row, strict=True)) for row in split["data"]]
        return list(document.get("people", []))

    def answer(self, path: str, body: bytes) -> Any:
        if not body:
            if path == "/v2":
                return {"name": "small", "version": "1.0", "extensions": []}
            if path == "/version":
                return "3.17.0"
            return {"name": "loans", "versions": [self.version], "platform": "none", "inputs": self.inputs,
                    "outputs": []}  # fmt: skip
        document = json.loads(body)
        p = self.score(self.rows(path, document))
        label = [int(v >= 0.5) for v in p]
        if path.endswith("/infer"):
            wanted = [o["name"] for o in document.get("outputs", [])] or self.outputs
            n = len(p)
            known = {
                "p": {"name": "p", "shape": [n, 2], "datatype": "FP64", "data": [x for v in p for x in (1 - v, v)]},
                "label": {"name": "label", "shape": [n], "datatype": "INT64", "data": label},
                "words": {"name": "words", "shape": [n, 1], "datatype": "BYTES",
                          "data": ["approved" if v else "denied" for v in label]},
            }  # fmt: skip
            return {"model_name": "loans", "model_version": self.version, "outputs": [known[w] for w in wanted]}
        if "dataframe_split" in document:
            return {"predictions": label}
        return {"out": [{"id": k, "p": [1 - v, v], "is": bool(v >= 0.5)} for k, v in enumerate(p)]}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: Served

    def log_message(self, *_: Any) -> None:
        return

    def do_GET(self) -> None:
        self.reply(b"")

    def do_POST(self) -> None:
        self.reply(self.rfile.read(int(self.headers["Content-Length"])))

    def reply(self, body: bytes) -> None:
        self.served.seen.append((self.path, dict(self.headers), body))
        answer = self.served.answer(self.path, body)
        if self.served.spoil(self, self.path, len(self.served.asked), answer):
            return
        self.send(200, "application/json", answer if isinstance(answer, str) else json.dumps(answer))

    def send(self, status: int, kind: str, text: str, **headers: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)


class Quiet(ThreadingHTTPServer):
    """Says nothing where a client hangs up."""

    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        return


@contextmanager
def serving() -> Iterator[Served]:
    served = Served()
    handler = type("OwnHandler", (Handler,), {"served": served})
    server = Quiet(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


CASE = """
[case]
name = "Loans"
purpose = "Who is granted a loan"
[data]
path = "people.csv"
label = "bits"
positive = "1"
sensitive = ["sex"]
features = ["age", "pay", "debt", "job"]
[model]
"""


def table() -> pd.DataFrame:
    return people()


def rule(frame: pd.DataFrame) -> np.ndarray:
    """What the server decides, by itself: 1 or 0."""
    return (np.array(score(frame[FEATURES].to_dict("records"))) >= 0.5).astype(int)


def case(folder: Path, model: str, *, text: str = CASE, frame: pd.DataFrame | None = None) -> Path:
    (table() if frame is None else frame).to_csv(folder / "people.csv", index=False)
    (folder / "case.toml").write_text(text + model + "\n")
    return folder / "case.toml"


def oip(served: Served, more: str = 'output = "p", decision = "label", columns = ["0", "1"]') -> str:
    return (
        f'endpoint = {{ url = "{served.url}/v2/models/loans", protocol = "oip", send_to = "{served.place}"'
        + (f", {more}" if more else "")
        + " }"
    )
