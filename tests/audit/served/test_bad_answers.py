"""What a server may answer in place of an answer: each gets one message and exit 2, and nothing is written; and what
is never asked, sent or shown."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cli
from audit.errors import CaseError, ModelError
from audit.models.served.addresses import check_address, place_of
from audit.models.served.client import Access, Client, addresses
from audit.models.served.kept import Kept
from audit.models.served.protocols import PROTOCOLS
from audit.models.served.worker import EndpointWorker
from tests.audit.served.served import CASE, FEATURES, Handler, Quiet, Served, case, oip, serving, table

FAST = 'output = "p", decision = "label", columns = ["0", "1"], retries = 0, timeout = 0.4'


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with serving() as served:
        yield served


@pytest.fixture
def served(server: Served) -> Iterator[Served]:
    """As new after each test."""
    before = {k: getattr(server, k) for k in ("spoil", "score", "version", "outputs", "inputs")}
    server.seen.clear()
    yield server
    for name, value in before.items():
        setattr(server, name, value)


def audit(path: Path) -> int:
    return cli.main(["audit", str(path), "--out", str(path.parent / "out"), "--draws", "200"])


def refused(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The message of a refusal: one paragraph, in four parts, and no evidence."""
    code = audit(path)
    errors = capsys.readouterr().err
    assert code == 2, errors
    assert "Traceback" not in errors
    items = [line for line in errors.splitlines() if line.startswith("assay audit: ") and "Got: " in line]
    assert len(items) == 1, errors
    assert "What to do: " in items[0]
    assert not (path.parent / "out" / "evidence.json").exists()
    return items[0]


def outputs(change: Callable[[Any], None]) -> Callable[[Handler, str, int, Any], bool]:
    """An answer about people, changed before it is sent."""

    def spoil(handler: Handler, path: str, number: int, answer: Any) -> bool:
        if not path.endswith("/infer"):
            return False
        change(answer)
        handler.send(200, "application/json", json.dumps(answer))
        return True

    return spoil


def sent(status: int, kind: str, text: str, **headers: str) -> Callable[[Handler, str, int, Any], bool]:
    """That, in place of an answer about people."""

    def spoil(handler: Handler, path: str, number: int, answer: Any) -> bool:
        if path.endswith("/infer"):
            handler.send(status, kind, text, **headers)
        return path.endswith("/infer")

    return spoil


def drip(handler: Handler, path: str, number: int, answer: Any) -> bool:
    """A byte every now and then, for ever: each comes in time, the whole never."""
    if not path.endswith("/infer"):
        return False
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(60):
        try:
            handler.wfile.write(b" ")
            handler.wfile.flush()
        except OSError:
            break
        time.sleep(0.05)
    handler.close_connection = True
    return True


def hang_up(handler: Handler, path: str, number: int, answer: Any) -> bool:
    if path.endswith("/infer"):
        handler.close_connection = True
    return path.endswith("/infer")


def cut(handler: Handler, path: str, number: int, answer: Any) -> bool:
    if not path.endswith("/infer"):
        return False
    handler.send_response(200)
    handler.send_header("Content-Length", "500")
    handler.end_headers()
    handler.wfile.write(b'{"outputs": [')
    handler.close_connection = True
    return True


def infinite(handler: Handler, path: str, number: int, answer: Any) -> bool:
    """JSON without the word, and a number that no float holds."""
    if path.endswith("/infer"):
        first(answer, "p")["data"][0] = 0.123
        handler.send(200, "application/json", json.dumps(answer).replace("0.123,", "1e999,", 1))
    return path.endswith("/infer")


def first(document: Any, name: str) -> Any:
    return next(o for o in document["outputs"] if o["name"] == name)


BAD: dict[str, tuple[Callable[[Handler, str, int, Any], bool], str]] = {
    "too short": (outputs(lambda d: first(d, "label")["data"].pop()), "has shape [30] and 29 values for 30 rows"),
    "another length": (outputs(lambda d: first(d, "label").update(shape=[29], data=[0] * 29)), "for 30 rows"),
    "text for numbers": (outputs(lambda d: first(d, "p")["data"].__setitem__(3, "high")), "'high' as score 4"),
    "null": (outputs(lambda d: first(d, "p")["data"].__setitem__(0, None)), "None as score 1"),
    "NaN": (outputs(lambda d: first(d, "p")["data"].__setitem__(0, float("nan"))), "NaN in place of a number"),
    "beyond floats": (outputs(lambda d: first(d, "p")["data"].__setitem__(0, 10**400)), "beyond what can be counted"),
    "infinity": (infinite, "score 1 is not finite"),
    "an unknown class": (outputs(lambda d: first(d, "label")["data"].__setitem__(0, 7)), "'7'"),
    "another output": (outputs(lambda d: first(d, "p").update(name="q")), "no output 'p'"),
    "no outputs": (outputs(lambda d: d.pop("outputs")), "no `outputs`"),
    "a list": (sent(200, "application/json", "[1, 2]"), "no `outputs`"),
    "deep": (sent(200, "application/json", "[" * 100_000), "no JSON"),
    "empty": (sent(200, "application/json", ""), "an empty body"),
    "HTTP 500": (sent(500, "application/json", '{"error": "division by zero"}'), "HTTP 500: division by zero"),
    "HTTP 400": (sent(400, "text/plain", "unknown column"), "HTTP 400: unknown column"),
    "a web page": (sent(200, "text/html", "<html>sign in</html>"), "a web page"),
    "a page as JSON": (sent(200, "application/json", "  <html>"), "a web page"),
    "sign in": (sent(401, "application/json", "{}"), "HTTP 401"),
    "elsewhere": (sent(302, "text/plain", "", Location="http://127.0.0.1:9/"), "sends elsewhere"),
    "packed": (sent(200, "application/json", "{}", Content_Encoding="gzip"), "packed answer"),
    "huge": (sent(200, "application/json", " " * 2_000_000), "sent more than an answer is"),
    "a drip": (drip, "no whole answer within 0.4 seconds"),
    "hung up": (hang_up, "the connection broke"),
    "cut": (cut, "the connection broke"),
    "busy": (sent(503, "text/plain", "later"), "HTTP 503"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BAD))
def test_a_bad_answer_is_one_message(
    served: Served, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served.spoil, words = BAD[name]
    output = refused(case(tmp_path, oip(served, FAST), frame=table().head(30)), capsys)
    assert words in output


def test_nothing_is_asked_before_somebody_agreed(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = oip(served, FAST).replace(f', send_to = "{served.place}"', "")
    output = refused(case(tmp_path, model, frame=table().head(30)), capsys)
    assert f'add `send_to = "{served.place}"` to `endpoint`' in output
    assert all(repr(f) in output for f in FEATURES)
    other = model.replace('protocol = "oip"', 'protocol = "oip", send_to = "127.0.0.1:9"')
    assert "agreed was to '127.0.0.1:9'" in refused(case(tmp_path, other, frame=table().head(30)), capsys)
    # Which columns go is as much of it: a table that has grown would send more than was agreed to.
    text = CASE.replace('features = ["age", "pay", "debt", "job"]\n', "")
    output = refused(case(tmp_path, oip(served, FAST), text=text, frame=table().head(30)), capsys)
    assert "`features = [" in output
    assert not served.seen, "the server has heard nothing"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("file:///etc/passwd", "begins with 'file'"),
        ("ftp://127.0.0.1/x", "begins with 'ftp'"),
        ("http://me:secret@127.0.0.1/x", "a user or a password"),
        ("http://127.0.0.1/x?key=secret", "behind ? or #"),
        ("http://10.0.0.7/x", "unencrypted"),
        ("http://models.example/x", "unencrypted"),
        ("http:///x", "no host"),
        ("http://127.0.0.1:99999/x", "no address"),
        ("http://127.0.0.1/a b", "blanks"),
        ("https://modèles.example/", "blanks"),
        ("gopher", "begins with 'gopher'"),
    ],
)
def test_an_address_that_is_never_asked(url: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(CaseError) as report:
        check_address(url, PROTOCOLS["oip"].schemes, False, "here")
    assert words in report.value.message
    assert "secret" not in report.value.message


def test_a_name_is_looked_at_when_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolves(ip: str) -> None:
        items = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 443))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: items)

    for ip in ("169.254.169.254", "0.0.0.0", "224.0.0.1"):
        resolves(ip)
        with pytest.raises(ModelError, match="not asked"):
            addresses(Access("https://models.example/x"))
    resolves("10.0.0.7")
    assert addresses(Access("https://models.example/x")) == [("10.0.0.7", 443)]
    with pytest.raises(ModelError, match="nothing is encrypted"):
        addresses(Access("http://localhost/x"))


def test_the_token_is_sent_and_never_shown(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = oip(served, FAST + ', token_env = "LOANS_TOKEN"')
    path = case(tmp_path, model, frame=table().head(30))
    monkeypatch.delenv("LOANS_TOKEN", raising=False)
    assert "LOANS_TOKEN is empty" in refused(path, capsys)
    assert not served.seen
    monkeypatch.setenv("LOANS_TOKEN", "s3cr3t-t0ken")
    served.spoil = lambda handler, *_: bool(
        handler.send(500, "text/plain", "no: " + handler.headers["Authorization"]) or 1
    )
    output = refused(path, capsys)
    assert "(token)" in output
    assert "s3cr3t" not in output
    served.spoil = lambda *_: False
    assert audit(path) == 0
    assert {h["Authorization"] for _, h, _ in served.seen} == {"Bearer s3cr3t-t0ken"}
    for file in (tmp_path / "out").iterdir():
        assert b"s3cr3t" not in file.read_bytes(), file.name
    assert "s3cr3t" not in "".join(capsys.readouterr())


def test_a_token_in_the_case_is_refused_and_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = 'endpoint = { url = "http://127.0.0.1:1/v2/models/m", protocol = "oip", token_env = "abc.def-ghi" }'
    output = refused(case(tmp_path, model), capsys)
    assert "abc.def" not in output


def test_a_server_that_was_busy_is_asked_again(served: Served, tmp_path: Path) -> None:
    busy = iter([True, False] * 500)
    served.spoil = lambda handler, path, *_: path.endswith("/infer") and next(busy) and bool(
        handler.send(503, "text/plain", "", Retry_After="0") or 1)  # fmt: skip
    more = FAST.replace("retries = 0", "retries = 1").replace("0.4", "20")
    assert audit(case(tmp_path, oip(served, more), frame=table().head(12))) == 0
    document = json.loads((tmp_path / "out" / "evidence.json").read_bytes())["model"]["served"]
    assert document["asked_again"] == 1
    waited = [g for g in document["latency"]["by_group"] if g["estimable"]]
    assert all(g["asked_again"] == g["rows"] for g in waited)


def test_what_would_be_made_twice_is_asked_once(served: Served) -> None:
    served.spoil = lambda handler, *_: bool(handler.send(503, "text/plain", "") or 1)
    with Client(Access(served.url, retries=2), sleep=lambda seconds: None) as client:
        with pytest.raises(ModelError):
            client.ask("POST", "/runs/create", b"{}", once=True)
        assert len(served.asked) == 1
        with pytest.raises(ModelError, match="asked 3 times"):
            client.ask("POST", "/runs/search", b"{}")
        assert len(served.asked) == 4


def test_a_version_that_changes_refuses_the_audit(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def spoil(handler: Handler, path: str, number: int, answer: Any) -> bool:
        served.version = "8" if number > 5 else "7"
        return False

    served.spoil = spoil
    output = refused(case(tmp_path, oip(served, FAST.replace("0.4", "20")), frame=table().head(30)), capsys)
    assert "changed while it was asked" in output
    assert "version 7" in output
    assert "version 8" in output


def test_other_answers_alone_than_in_a_batch_are_a_finding(served: Served, tmp_path: Path) -> None:
    usual = served.score
    served.score = lambda rows: usual(rows) if len(rows) > 1 else [0.9]
    assert audit(case(tmp_path, oip(served, FAST.replace("0.4", "20")), frame=table().head(30))) == 0
    document = json.loads((tmp_path / "out" / "evidence.json").read_bytes())
    assert document["model"]["served"]["alike"]["alone"]["differ"] == 30
    assert document["model"]["served"]["alike"]["again"]["differ"] == 0
    assert "does not answer alike: asked alone and in a batch, 30 of 30 people" in document["findings"][0]


def test_kept_answers_that_are_no_longer_given_are_asked_for_anew(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = case(tmp_path, oip(served, FAST.replace("0.4", "20")), frame=table().head(30))
    assert audit(path) == 0
    before = json.loads((tmp_path / "out" / "evidence.json").read_bytes())
    served.score = lambda rows: [0.9] * len(rows)
    # What stands beside an audit must be of the same answers: explaining another model is refused.
    assert cli.main(["explain", str(path), "--out", str(tmp_path / "out")]) == 2
    assert "no longer answers as it did when it was audited" in capsys.readouterr().err
    assert audit(path) == 0
    after = json.loads((tmp_path / "out" / "evidence.json").read_bytes())
    assert after["model"]["served"]["answers"]["sha256"] != before["model"]["served"]["answers"]["sha256"]
    assert {r["value"] for r in after["rates"] if r["metric"] == "selection_rate" and r["value"] is not None} == {1.0}


OTHER = {
    "mlflow": ('protocol = "mlflow"', ""),
    "json": (
        'protocol = "json", request = { people = "$rows" }, output = "out[*].p", decision = "out[*].is", '
        'columns = ["False", "True"]',
        'classes = { False = "0", True = "1" }',
    ),
    "words": ('protocol = "oip", decision = "words"', 'classes = { denied = "0", approved = "1" }'),
    "scores and a threshold": ('protocol = "oip", output = "p", columns = ["0", "1"]', "threshold = 0.5"),
}


@pytest.mark.parametrize("name", list(OTHER))
def test_each_protocol_counts_the_same_decisions(served: Served, name: str, tmp_path: Path) -> None:
    more, lines = OTHER[name]
    path = "/v2/models/loans" if "oip" in more else ""
    model = f'endpoint = {{ url = "{served.url}{path}", send_to = "{served.place}", {more} }}\n{lines}'
    frame = table().head(40)
    assert audit(case(tmp_path, model, frame=frame)) == 0
    from tests.audit.served.served import rule

    document = json.loads((tmp_path / "out" / "evidence.json").read_bytes())
    everyone = next(c for c in document["counts"] if not c["attribute"])
    assert everyone["tp"] + everyone["fp"] == int(rule(frame).sum())


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('output = "p", columns = ["0", "1"]', "gives scores and does not decide"),
        ('output = "p", decision = "words"', "which class does each column"),
        ('decision = "words"', "which of the model's classes"),
        ("", "several outputs"),
        ('output = "q"', "'q'"),
    ],
)
def test_what_only_a_person_can_say_is_asked(
    served: Served, more: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "'q'" in words:
        served.spoil = lambda handler, path, n, a: False
        served.answer = lambda path, body: (  # type: ignore[method-assign]
            {"outputs": []} if path.endswith("/infer") else Served.answer(served, path, b"")
        )
    try:
        assert words in refused(case(tmp_path, oip(served, more), frame=table().head(30)), capsys)
    finally:
        served.__dict__.pop("answer", None)


def test_features_that_the_server_does_not_take(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served.inputs = [{"name": n, "datatype": "FP64", "shape": [-1, 1]} for n in ("age", "pay", "rent")]
    output = refused(case(tmp_path, oip(served, FAST), frame=table().head(30)), capsys)
    assert "not there yet: 'rent'" in output
    served.inputs = [{"name": n, "datatype": "FP64", "shape": [-1, 1]} for n in FEATURES]
    output = refused(case(tmp_path, oip(served, FAST), frame=table().head(30)), capsys)
    assert "'job' holds" in output
    assert not served.asked


def test_tls_is_checked(tmp_path: Path) -> None:
    """A certificate of nobody is refused before anything is sent; by `ca` it is taken."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "ca.pem"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    import ssl

    kept = Served()
    handler = type("Tls", (Handler,), {"served": kept})
    server = Quiet(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "ca.pem", tmp_path / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    url = f"https://localhost:{server.server_address[1]}/v2"
    try:
        with Client(Access(url, retries=0)) as client, pytest.raises(ModelError, match="not who it should be"):
            client.ask("GET", "/v2")
        assert not kept.seen
        with Client(Access(url, retries=0, ca=tmp_path / "ca.pem")) as client:
            assert client.ask("GET", "/v2").status == 200
        wrong = url.replace("localhost", "127.0.0.1")
        with Client(Access(wrong, retries=0, ca=tmp_path / "ca.pem")) as client, pytest.raises(ModelError):
            client.ask("GET", "/v2")
    finally:
        server.shutdown()
        server.server_close()


def test_proxies_of_the_surroundings_are_passed_over(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Client(Access(served.url, retries=0)) as client:
        assert client.ask("GET", "/v2").status == 200


def test_the_loop_says_that_it_asks_no_endpoint(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = case(tmp_path, oip(served, FAST), frame=table().head(30))
    assert cli.main(["watch", str(path), "--out", str(tmp_path / "loop")]) == 2
    assert "the loop does not ask an endpoint" in capsys.readouterr().err
    assert not served.seen


def test_grpc_without_grpcio_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    model = (
        'endpoint = { url = "grpc://127.0.0.1:9/v2/models/loans", protocol = "oip-grpc", send_to = "127.0.0.1:9", '
        "retries = 0 }"
    )
    output = refused(case(tmp_path, model, frame=table().head(30)), capsys)
    assert "pip install grpcio" in output


def test_a_worker_asks_nothing_before_it_is_bound(served: Served) -> None:
    from audit.case import EndpointSpec

    with pytest.raises(ModelError), EndpointWorker(EndpointSpec(f"{served.url}/v2/models/m", "oip")) as worker:
        worker.info  # noqa: B018
    assert not served.seen
    assert place_of("https://[::1]/x") == "[::1]:443"
    assert Kept(EndpointSpec("https://a/x", "oip"), None).server is None
