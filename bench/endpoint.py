"""How fast a served model is asked: p50 and p99 of one row, and 10,000 rows in batches, through Assay's own client.

    python bench/endpoint.py                     # a small server in a process of its own, by each protocol
    python bench/endpoint.py --case CASE.toml    # the endpoint of a case: a real server

Prints milliseconds of one row, beside a bare client of the standard library that sends the same bytes in turn with
ours (what the server and the machine take is in both), rows a second, and the client's own processor time. Goal: one
row under 100 ms at p99. Questions are never answered from what is kept.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import sys
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from audit.case import EndpointSpec  # noqa: E402
from audit.models.served.line import Rest  # noqa: E402
from audit.models.served.protocols import line_to  # noqa: E402

GOAL_MS = 100.0


class Small(BaseHTTPRequestHandler):
    """Answers with the first column, as the protocol asked for wants it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        return

    def do_GET(self) -> None:
        self._send({"name": "small", "versions": ["1"], "inputs": [], "outputs": []})

    def do_POST(self) -> None:
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "inputs" in document:
            first = document["inputs"][0]["data"]
            answer: Any = {"outputs": [{"name": "p", "shape": [len(first)], "datatype": "FP64",
                                        "data": [float(v) for v in first]}]}  # fmt: skip
        elif "dataframe_split" in document:
            answer = {"predictions": [float(r[0]) for r in document["dataframe_split"]["data"]]}
        else:
            answer = {"out": [{"p": float(r["c0"])} for r in document["people"]]}
        self._send(answer)

    def _send(self, answer: Any) -> None:
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def serve(connection: Any) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Small)
    server.daemon_threads = True
    connection.send(server.server_address[1])
    server.serve_forever()


def rows(count: int) -> pd.DataFrame:
    """Five numbers and eight texts, as Adult has."""
    rng = np.random.default_rng(0)
    numbers = {f"c{k}": rng.integers(0, 99, count) for k in range(5)}
    return pd.DataFrame(numbers | {f"t{k}": rng.choice(["first", "second", "third"], count) for k in range(8)})


class Bare:
    """The least that a client can do: the same bytes on one kept connection, the answer read and thrown away."""

    def __init__(self, spec: EndpointSpec, path: str) -> None:
        parts = urlsplit(spec.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.path, self.line = path, kind(str(parts.hostname), parts.port, timeout=spec.timeout)

    def ask(self, question: bytes) -> None:
        self.line.request("POST", self.path, question, {"Content-Type": "application/json"})
        self.line.getresponse().read()


def at(waits: list[float], share: float) -> float:
    """The smallest wait that this share does not exceed."""
    return float(np.sort(waits)[int(np.ceil(share * len(waits))) - 1])


def measure(spec: EndpointSpec, frame: pd.DataFrame, single: int) -> dict[str, float]:
    with line_to(spec) as line:
        server = line.facts()
        bare = Bare(spec, line.path) if isinstance(line, Rest) and spec.token_env is None else None
        ours: list[float] = []
        theirs: list[float] = []

        def own_way(part: pd.DataFrame) -> None:
            started = time.perf_counter()
            reply = line.send(line.question(part, server), 1)
            line.read(reply.body, 1)
            ours.append(1000 * (time.perf_counter() - started))

        def bare_way(question: bytes) -> None:
            started = time.perf_counter()
            assert bare is not None
            bare.ask(question)
            theirs.append(1000 * (time.perf_counter() - started))

        for place in range(single + 5):
            part = frame.iloc[[place % len(frame)]]
            ways = [lambda part=part: own_way(part)]
            if bare is not None:
                question = line.question(part, server)
                ways.append(lambda question=question: bare_way(question))
            for way in ways if place % 2 else ways[::-1]:  # neither is always the first to be asked
                way()
        ours, theirs = ours[5:], theirs[5:]
        started, busy = time.perf_counter(), time.process_time()
        for start in range(0, len(frame), spec.batch):
            part = frame.iloc[start : start + spec.batch]
            reply = line.send(line.question(part, server), len(part))
            line.read(reply.body, len(part))
        whole, own = time.perf_counter() - started, time.process_time() - busy
    nothing = float("nan")
    return {
        "p50": at(ours, 0.5),
        "p99": at(ours, 0.99),
        "bare50": at(theirs, 0.5) if theirs else nothing,
        "bare99": at(theirs, 0.99) if theirs else nothing,
        "whole": whole,
        "own": own,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", type=Path, help="ask the endpoint of this case about its own rows")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--single", type=int, default=300)
    args = parser.parse_args()
    specs: list[tuple[str, EndpointSpec]]
    server = None
    if args.case:
        from audit.load import load_case, load_rows

        case = load_case(args.case)
        if case.model.endpoint is None:
            parser.error("the case names no endpoint")
        loaded = load_rows(case)
        frame = loaded.frame[list(loaded.features)]
        frame = pd.concat([frame] * -(-args.rows // len(frame)), ignore_index=True).iloc[: args.rows]
        specs = [(case.model.endpoint.protocol, case.model.endpoint)]
    else:
        ours, theirs = multiprocessing.Pipe()
        server = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
        server.start()
        url = f"http://127.0.0.1:{ours.recv()}"
        frame = rows(args.rows)
        specs = [
            ("oip", EndpointSpec(f"{url}/v2/models/m", "oip")),
            ("mlflow", EndpointSpec(url, "mlflow")),
            ("json", EndpointSpec(url, "json", output="out[*].p", request='{"people": "$rows"}')),
        ]
    print(f"{'protocol':10} {'p50 ms':>8} {'p99 ms':>8} {'bare p50':>9} {'bare p99':>9} ", end="")
    print(f"{args.rows:>9,} rows s   rows/s   client CPU s", end="")
    print(f"   goal p99 < {GOAL_MS:g} ms")
    missed = 0
    for name, spec in specs:
        m = measure(replace(spec, retries=0), frame, args.single)
        good = m["p99"] < GOAL_MS
        missed += not good
        times = [f"{m[k]:8.1f}" for k in ("p50", "p99")] + [f"{m[k]:9.1f}" for k in ("bare50", "bare99")]
        rest = f"{m['whole']:16.2f} {len(frame) / m['whole']:8,.0f} {m['own']:14.2f}"
        print(f"{name:10}", *times, rest, "  met" if good else "  MISSED")
    if server is not None:
        server.terminate()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
