"""A model of an MLflow registry, and an audit published: against a small server of the same REST interface, whose
answers were recorded from MLflow 3.17. test_real_servers.py asks the real one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sklearn.linear_model import LogisticRegression

import cli
from audit.errors import ModelError
from audit.models import registry
from tests.audit.models.zoo.people import NUMBERS, people
from tests.audit.served.served import CASE, Quiet, case, oip, serving

MLMODEL = """artifact_path: loans
flavors:
  python_function:
    env:
      conda: conda.yaml
    loader_module: {loader}
    model_path: {file}
    predict_fn: predict
    python_version: 3.11.7
  sklearn:
    code: null
    pickled_model: {file}
    serialization_format: {form}
    sklearn_version: 1.9.1
mlflow_version: 3.17.0
signature:
  inputs: '[{{"type": "long", "name": "age", "required": true}}]'
"""
FOLDER = "0/models/m-1/artifacts"


class Store:
    """name -> what is under it; artifacts by path; what came by POST and PUT."""

    def __init__(self) -> None:
        self.artifacts: dict[str, bytes] = {}
        self.uri = f"mlflow-artifacts:/{FOLDER}"
        self.version = "3"
        self.posted: list[tuple[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""
        self.refuse = ""

    def model(
        self, content: bytes, form: str = "skops", file: str = "model.skops", loader: str = "mlflow.sklearn"
    ) -> None:
        self.artifacts = {
            f"{FOLDER}/MLmodel": MLMODEL.format(form=form, file=file, loader=loader).encode(),
            f"{FOLDER}/{file}": content,
        }

    def get(self, path: str, query: dict[str, str]) -> Any:
        if path.startswith("/api/2.0/mlflow-artifacts/artifacts/"):
            return self.artifacts.get(path.removeprefix("/api/2.0/mlflow-artifacts/artifacts/"))
        if path == "/api/2.0/mlflow-artifacts/artifacts":
            items = [k for k in self.artifacts if k.startswith(query["path"] + "/")]
            return {"files": [{"path": k.rpartition("/")[2], "is_dir": False, "file_size": len(self.artifacts[k])}
                              for k in items]}  # fmt: skip
        name = path.removeprefix("/api/2.0/mlflow/")
        entry = {"name": "loans", "version": self.version, "run_id": "r1", "source": "models:/m-1", "status": "READY"}
        answers: dict[str, Any] = {
            "registered-models/alias": {"model_version": entry} if query.get("alias") == "champion" else None,
            "model-versions/get": {"model_version": entry} if query.get("version") == self.version else None,
            "model-versions/get-download-uri": {"artifact_uri": self.uri},
            "runs/get": {"run": {"info": {"experiment_id": "12"}}},
        }
        return answers.get(name)

    def post(self, path: str, body: Any) -> Any:
        name = path.removeprefix("/api/2.0/mlflow/")
        self.posted.append((name, body))
        if self.refuse and name == self.refuse:
            return None
        if name == "runs/create":
            return {"run": {"info": {"run_id": "new", "artifact_uri": "mlflow-artifacts:/12/new/artifacts"}}}
        return {"experiment_id": "12"} if name == "experiments/create" else {}


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    store = Store()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            return

        def answer(self, result: Any) -> None:
            store.headers.append(dict(self.headers))
            content = result if isinstance(result, bytes) else json.dumps(result or {"message": "not found"}).encode()
            self.send_response(404 if result is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self.answer(store.get(parts.path, {k: v[0] for k, v in parse_qs(parts.query).items()}))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.answer(store.post(self.path, body))

        def do_PUT(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            store.artifacts[self.path.removeprefix("/api/2.0/mlflow-artifacts/artifacts/")] = content
            self.answer({})

    running = Quiet(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    store.url = f"http://127.0.0.1:{running.server_address[1]}"
    yield store
    running.shutdown()
    running.server_close()


@pytest.fixture
def store(server: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    fresh = Store()
    for name in ("artifacts", "uri", "version", "posted", "headers", "refuse"):
        setattr(server, name, getattr(fresh, name))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    for name in ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "ASSAY_HOME"):
        monkeypatch.delenv(name, raising=False)
    registry._fetched.clear()
    return server


@pytest.fixture(scope="module")
def skops() -> bytes:
    from audit.models.write import skops_bytes

    frame = people()
    return skops_bytes(LogisticRegression(max_iter=5000).fit(frame[NUMBERS], frame.bits))


def model(folder: Path, path: str, more: str = "") -> Path:
    text = CASE.replace('["age", "pay", "debt", "job"]', json.dumps(NUMBERS))
    return case(folder, f'path = "{path}"\n{more}', text=text)


def audit(path: Path) -> int:
    return cli.main(["audit", str(path), "--out", str(path.parent / "out"), "--draws", "200"])


def evidence(folder: Path) -> Any:
    return json.loads((folder / "out" / "evidence.json").read_bytes())


def test_a_skops_model_of_the_registry_is_audited_and_the_audit_goes_back(
    store: Store, skops: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.model(skops)
    assert audit(model(tmp_path, "mlflow:loans@champion")) == 0
    result = evidence(tmp_path)
    frame = people()
    decided = LogisticRegression(max_iter=5000).fit(frame[NUMBERS], frame.bits).predict(frame[NUMBERS])
    everyone = next(c for c in result["counts"] if not c["attribute"])
    assert everyone["tp"] + everyone["fp"] == int(decided.sum())
    assert result["model"]["registry"] == {
        "uri": store.url, "name": "loans", "version": "3", "alias": "champion", "run_id": "r1",
        "source": "models:/m-1", "file": "model.skops",
    }  # fmt: skip
    import hashlib

    assert result["model"]["sha256"] == hashlib.sha256(skops).hexdigest()
    capsys.readouterr()
    assert cli.main(["publish", str(tmp_path / "out"), "--to", "mlflow", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    posted = [name for name, _ in store.posted]
    assert posted[0] == "runs/create"
    assert posted[-1] == "runs/update"
    assert store.posted[-1][1]["status"] == "FINISHED"
    assert {b["key"]: b["value"] for n, b in store.posted if n == "model-versions/set-tag"} == document["tags"]
    out = store.artifacts["12/new/artifacts/assay/evidence.json"]
    assert document["tags"]["assay.evidence.sha256"] == hashlib.sha256(out).hexdigest()
    logged = {m["key"]: m["value"] for m in dict(store.posted)["runs/log-batch"]["metrics"]}
    gap = next(g for g in result["gaps"] if (g["metric"], g["kind"]) == ("selection_rate", "difference"))
    assert logged["assay/selection_rate/difference/sex"] == gap["value"]
    assert logged["assay/selection_rate/difference/sex.high"] == gap["high"]
    want = "broken" if any(n["breached"] for n in result["norms"]) else "undecided"
    assert document["tags"]["assay.verdict"] == want
    assert posted.count("runs/create") == 1
    # A server that refuses half-way: the run is marked as failed, and the command ends with 2.
    store.refuse = "model-versions/set-tag"
    assert cli.main(["publish", str(tmp_path / "out"), "--to", "mlflow"]) == 2
    assert store.posted[-1][1]["status"] == "FAILED"
    # Another audit's report is not stored beside it.
    (tmp_path / "r.pdf").write_bytes(b"%PDF-1.7 no report")
    assert cli.main(["publish", str(tmp_path / "out"), "--to", "mlflow", "--report", str(tmp_path / "r.pdf")]) != 0


def test_small_groups_do_not_leave_with_a_published_audit(store: Store, skops: bytes, tmp_path: Path) -> None:
    store.model(skops)
    path = model(tmp_path, "mlflow:loans/3")
    frame = people()
    frame.loc[:4, "sex"] = "X"
    frame.to_csv(tmp_path / "people.csv", index=False)
    assert audit(path) == 0
    assert any(c["group"] == ["X"] for c in evidence(tmp_path)["counts"])
    assert cli.main(["publish", str(tmp_path / "out"), "--to", "mlflow"]) == 0
    sent = json.loads(store.artifacts["12/new/artifacts/assay/evidence.json"])
    assert not any(c["group"] == ["X"] and c["rows"] for c in sent["counts"])


WRONG = {
    "a pickle": ({"form": "cloudpickle", "file": "model.pkl"}, "it is a pickle"),
    "outside the folder": ({"file": "../../other.skops"}, "outside its folder"),
    "an absolute path": ({"file": "/etc/passwd"}, "outside its folder"),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_what_is_not_opened(
    store: Store, skops: bytes, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs, words = WRONG[name]
    store.model(skops, **inputs)
    assert audit(model(tmp_path, "mlflow:loans@champion")) == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert "Traceback" not in errors
    if name == "a pickle":
        assert 'protocol = "mlflow"' in errors
        assert "serialization_format" in errors


def test_a_crafted_mlmodel_runs_nothing(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A loader_module and a folder of code are what MLflow's own load_model runs."""
    store.artifacts = {
        f"{FOLDER}/MLmodel": b"flavors:\n  python_function:\n    code: code\n    loader_module: evil\n",
        f"{FOLDER}/code/evil.py": f"open({str(tmp_path / 'mark')!r}, 'w')".encode(),
    }
    assert audit(model(tmp_path, "mlflow:loans@champion")) == 2
    assert "opened by running its code only" in capsys.readouterr().err
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("path", "more", "words"),
    [
        ("mlflow:loans", "", "names no model of a registry"),
        ("mlflow:loans@none", "", "HTTP 404"),
        ("mlflow:loans/9", "", "HTTP 404"),
        ("mlflow:loans/3", 'registry = { uri = "file:///tmp" }', "begins with 'file'"),
        ("mlflow:loans/3", 'registry = { uri = "http://u:hunter2@127.0.0.1" }', "a user or a password"),
        ("model.skops", 'registry = { uri = "http://127.0.0.1" }', "its path is a file"),
    ],
)
def test_names_and_addresses(
    store: Store, skops: bytes, path: str, more: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.model(skops)
    assert audit(model(tmp_path, path, more)) == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert "hunter2" not in errors


def test_artifacts_that_only_the_servers_disk_has(store: Store, skops: bytes, tmp_path: Path) -> None:
    store.model(skops)
    store.uri = "/srv/mlruns/0/m-1"
    with pytest.raises(ModelError, match="does not hand out"):
        registry._folder(store.uri)


def test_credentials_of_mlflow_are_sent(
    store: Store, skops: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.model(skops)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0p")
    assert cli.main(["check", str(model(tmp_path, "mlflow:loans/3"))]) == 0
    assert {h.get("Authorization") for h in store.headers} == {"Bearer t0p"}
    registry._fetched.clear()
    store.headers.clear()
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "pw")
    assert cli.main(["check", str(tmp_path / "case.toml")]) == 0
    assert {h.get("Authorization") for h in store.headers} == {"Basic bWU6cHc="}


def test_a_lineage_store_hears_start_and_complete(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as served:
        assert audit(case(tmp_path, oip(served), frame=people().head(40))) == 0
        served.spoil = lambda handler, path, number, answer: bool(handler.send(201, "application/json", "{}") or 1)
        served.seen.clear()
        served.answer = lambda path, body: {}  # type: ignore[method-assign]
        monkeypatch.setenv("OPENLINEAGE_URL", served.url)
        monkeypatch.setenv("OPENLINEAGE_API_KEY", "k3y")
        assert cli.main(["publish", str(tmp_path / "out"), "--to", "openlineage"]) == 0
        events = [json.loads(body) for _, _, body in served.seen]
        assert {path for path, _, _ in served.seen} == {"/api/v1/lineage"}
        assert {h["Authorization"] for _, h, _ in served.seen} == {"Bearer k3y"}
    assert [e["eventType"] for e in events] == ["START", "COMPLETE"]
    assert len({e["run"]["runId"] for e in events}) == 1
    assertions = events[1]["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert len(assertions) == sum(n["value"] is not None for n in evidence(tmp_path)["norms"])
    monkeypatch.delenv("OPENLINEAGE_URL")
    assert cli.main(["publish", str(tmp_path / "out"), "--to", "openlineage"]) == 2
    assert "OPENLINEAGE_URL" in capsys.readouterr().err
