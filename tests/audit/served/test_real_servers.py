"""Real servers, each in an environment of its own that scripts/environments.sh makes: MLServer, the Triton inside
nvidia-pytriton, MLflow's tracking server and its scoring server. What is counted is what the environment's own
`predict` gave for the same rows."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.audit.models.zoo.people import people
from tests.audit.served.served import CASE, FEATURES

pytestmark = pytest.mark.environments
PLACE = Path(os.environ.get("ASSAY_ENVIRONMENTS", Path(tempfile.gettempdir()) / "assay-environments"))
ROOT = Path(__file__).resolve().parents[3]


def python(environment: str) -> str:
    result = PLACE / environment / "bin" / "python"
    assert result.exists(), "run scripts/environments.sh"
    return str(result)


def ports(count: int) -> list[int]:
    taken = [socket.socket() for _ in range(count)]
    for one in taken:
        one.bind(("127.0.0.1", 0))
    items = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return items


@contextmanager
def running(command: list[str], folder: Path, ready: str, **environment: str) -> Iterator[None]:
    """The server, up: `ready` answers 200. Its whole group of processes ends with the block."""
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True, env={**os.environ, **environment}
        )
    try:
        end = time.monotonic() + 300
        while True:
            assert server.poll() is None, (folder / "server.log").read_text()[-3000:]
            assert time.monotonic() < end, (folder / "server.log").read_text()[-3000:]
            try:
                with urllib.request.urlopen(ready, timeout=5) as answer:
                    if answer.status == 200:
                        break
            except OSError:
                time.sleep(0.5)
        yield
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def assay(folder: Path, *words: str, **environment: str) -> str:
    """A process of its own, with gRPC beside; its output."""
    path = os.pathsep.join([str(ROOT), str(PLACE / "beside")])
    done = subprocess.run(
        [sys.executable, "-m", "cli", *words], cwd=folder, capture_output=True, text=True, timeout=900,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def audited(folder: Path, name: str, model: str, **environment: str) -> dict[str, Any]:
    (folder / f"{name}.toml").write_text(CASE + model + "\n")
    assay(folder, "audit", f"{name}.toml", "--out", name, "--draws", "200", **environment)
    document: dict[str, Any] = json.loads((folder / name / "evidence.json").read_bytes())
    return document


def counted(evidence: dict[str, Any]) -> dict[str, int]:
    """The people who are decided positive, by sex."""
    return {c["group"][0]: c["tp"] + c["fp"] for c in evidence["counts"] if c["attribute"] == ["sex"]}


def wanted(folder: Path) -> dict[str, int]:
    frame = pd.read_csv(folder / "decided.csv")
    return {str(k): int(v) for k, v in frame.groupby("sex").decided.sum().items()}


TRAIN = f"""
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
f = pd.read_csv("people.csv")
c = {FEATURES}
m = make_pipeline(make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["job"]), remainder="passthrough"),
                  LogisticRegression(max_iter=5000)).fit(f[c], f.bits)
f["decided"] = m.predict(f[c])
f.to_csv("decided.csv", index=False)
"""


def test_mlserver_by_rest_and_by_grpc(tmp_path: Path) -> None:
    people().to_csv(tmp_path / "people.csv", index=False)
    code = TRAIN + 'import joblib; joblib.dump(m, "model.joblib")'
    subprocess.run([python("mlserver"), "-c", code], cwd=tmp_path, check=True, timeout=600)
    rest, grpc, metrics = ports(3)
    settings = {"http_port": rest, "grpc_port": grpc, "metrics_port": metrics, "host": "127.0.0.1",
                "parallel_workers": 0}  # fmt: skip
    model = {"name": "loans", "implementation": "mlserver_sklearn.SKLearnModel",
             "parameters": {"uri": "./model.joblib", "version": "v3"}}  # fmt: skip
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    (tmp_path / "model-settings.json").write_text(json.dumps(model))
    command = [str(PLACE / "mlserver" / "bin" / "mlserver"), "start", "."]
    ask = 'output = "predict_proba", decision = "predict", columns = ["0", "1"]'
    with running(command, tmp_path, f"http://127.0.0.1:{rest}/v2/models/loans/ready"):
        result = audited(
            tmp_path, "rest",
            f'endpoint = {{ url = "http://127.0.0.1:{rest}/v2/models/loans", protocol = "oip", '
            f'send_to = "127.0.0.1:{rest}", {ask} }}',
        )  # fmt: skip
        other = audited(
            tmp_path, "grpc",
            f'endpoint = {{ url = "grpc://127.0.0.1:{grpc}/v2/models/loans", protocol = "oip-grpc", '
            f'send_to = "127.0.0.1:{grpc}", {ask} }}',
        )  # fmt: skip
    assert counted(result) == counted(other) == wanted(tmp_path)
    assert result["model"]["served"]["server"]["name"] == other["model"]["served"]["server"]["name"] == "mlserver"
    assert result["model"]["served"]["asked_again"] == 0
    assert result["model"]["compared"]["differ"] == 0
    before = (tmp_path / "rest" / "evidence.json").read_bytes()
    assay(tmp_path, "audit", "rest.toml", "--out", "rest", "--draws", "200", "--offline")
    assert (tmp_path / "rest" / "evidence.json").read_bytes() == before, "the server is gone, the answers are kept"


TRITON = """
import sys
import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig
WORTH = {"clerk": 0.0, "nurse": 0.0, "smith": 0.5}

@batch
def infer(age, pay, debt, job):
    worth = np.vectorize(lambda b: WORTH[b.decode()])(job)
    p = 1 / (1 + np.exp(-(0.12 * (pay - 30) - 0.2 * (debt - 5) + worth - 0.3)))
    return {"p": np.hstack([1 - p, p]).astype(np.float64), "label": (p >= 0.5).astype(np.int64)}

rest, grpc, metrics = map(int, sys.argv[1:])
one = lambda name, dtype: Tensor(name=name, dtype=dtype, shape=(1,))
config = TritonConfig(http_port=rest, grpc_port=grpc, metrics_port=metrics, http_address="127.0.0.1",
                      grpc_address="127.0.0.1")
with Triton(config=config) as triton:
    triton.bind("loans", infer,
                inputs=[one("age", np.int64), one("pay", np.float64), one("debt", np.float64), one("job", bytes)],
                outputs=[Tensor(name="p", dtype=np.float64, shape=(2,)), one("label", np.int64)],
                config=ModelConfig(max_batch_size=128))
    triton.serve()
"""


def test_triton_by_rest_and_by_grpc(tmp_path: Path) -> None:
    from tests.audit.served.served import rule

    frame = people()
    frame.to_csv(tmp_path / "people.csv", index=False)
    frame.assign(decided=rule(frame)).to_csv(tmp_path / "decided.csv", index=False)
    (tmp_path / "serve.py").write_text(TRITON)
    code = "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))"
    library = subprocess.run([python("triton"), "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    rest, grpc, metrics = ports(3)
    command = [python("triton"), "serve.py", *map(str, (rest, grpc, metrics))]
    ready = f"http://127.0.0.1:{rest}/v2/models/loans/ready"
    ask = 'output = "p", decision = "label", columns = ["0", "1"], batch = 100'
    with running(command, tmp_path, ready, LD_LIBRARY_PATH=library):
        result = audited(
            tmp_path, "rest",
            f'endpoint = {{ url = "http://127.0.0.1:{rest}/v2/models/loans", protocol = "oip", '
            f'send_to = "127.0.0.1:{rest}", {ask} }}',
        )  # fmt: skip
        other = audited(
            tmp_path, "grpc",
            f'endpoint = {{ url = "grpc://127.0.0.1:{grpc}/v2/models/loans/versions/1", protocol = "oip-grpc", '
            f'send_to = "127.0.0.1:{grpc}", {ask} }}',
        )  # fmt: skip
        too_many = (
            f'endpoint = {{ url = "http://127.0.0.1:{rest}/v2/models/loans", protocol = "oip", '
            f'send_to = "127.0.0.1:{rest}", output = "p", decision = "label", columns = ["0", "1"] }}'
        )
        (tmp_path / "many.toml").write_text(CASE + too_many + "\n")
        done = subprocess.run(
            [sys.executable, "-m", "cli", "audit", "many.toml", "--out", "many"], cwd=tmp_path, capture_output=True,
            text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    assert counted(result) == counted(other) == wanted(tmp_path)
    assert result["rates"] == other["rates"]
    assert result["model"]["served"]["server"]["name"] == "triton"
    assert result["model"]["served"]["server"]["model_version"] == "1"
    assert done.returncode == 2
    assert "HTTP 400" in done.stderr
    assert "`batch`" in done.stderr


LOG = (
    TRAIN
    + """
import sys, mlflow
from mlflow import MlflowClient
mlflow.set_tracking_uri(sys.argv[1])
with mlflow.start_run():
    for form, name in (("skops", "loans"), ("cloudpickle", "pickled")):
        more = {"skops_trusted_types": ["numpy.dtype"]} if form == "skops" else {}
        made = mlflow.sklearn.log_model(m, name=name, registered_model_name=name, serialization_format=form,
                                        pip_requirements=[], **more)
        MlflowClient().set_registered_model_alias(name, "champion", made.registered_model_version)
"""
)


def test_the_registry_and_the_scoring_server_of_mlflow(tmp_path: Path) -> None:
    people().to_csv(tmp_path / "people.csv", index=False)
    tracking, scoring = ports(2)
    uri = f"http://127.0.0.1:{tracking}"
    store = tmp_path / "store"
    command = [python("mlflow"), "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{store}/db.sqlite",
               "--artifacts-destination", str(store), "--host", "127.0.0.1", "--port", str(tracking), "--workers",
               "1"]  # fmt: skip
    store.mkdir()
    home = {"MLFLOW_TRACKING_URI": uri, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with running(command, tmp_path, f"{uri}/health", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"):
        subprocess.run([python("mlflow"), "-c", LOG, uri], cwd=tmp_path, check=True, timeout=900)
        result = audited(tmp_path, "champion", 'path = "mlflow:loans@champion"', **home)
        assert counted(result) == wanted(tmp_path)
        assert result["model"]["registry"]["version"] == "1"
        assert result["model"]["registry"]["file"] == "model.skops"
        document = json.loads(assay(tmp_path, "publish", "champion", "--to", "mlflow", "--json", **home))
        run = read(f"{uri}/api/2.0/mlflow/runs/get?run_id={document['run_id']}")["run"]
        tags = {t["key"]: t["value"] for t in run["data"]["tags"]}
        assert run["info"]["status"] == "FINISHED"
        assert tags["assay.evidence.sha256"] == document["tags"]["assay.evidence.sha256"]
        gap = next(g for g in result["gaps"] if (g["metric"], g["kind"]) == ("selection_rate", "difference"))
        values = {m["key"]: m["value"] for m in run["data"]["metrics"]}
        assert values["assay/selection_rate/difference/sex"] == pytest.approx(gap["value"])
        version = read(f"{uri}/api/2.0/mlflow/model-versions/get?name=loans&version=1")["model_version"]
        assert {t["key"]: t["value"] for t in version["tags"]}["assay.verdict"] == document["tags"]["assay.verdict"]
        (tmp_path / "pickled.toml").write_text(CASE + 'path = "mlflow:pickled/1"\n')
        done = subprocess.run(
            [sys.executable, "-m", "cli", "audit", "pickled.toml", "--out", "pickled"], cwd=tmp_path,
            capture_output=True, text=True, env={**os.environ, **home, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.returncode == 2
        assert "it is a pickle" in done.stderr
        serve = [python("mlflow"), "-m", "mlflow", "models", "serve", "-m", "models:/pickled/1", "--env-manager",
                 "local", "--host", "127.0.0.1", "--port", str(scoring), "--workers", "1"]  # fmt: skip
        path = os.pathsep.join([str(PLACE / "mlflow" / "bin"), os.environ["PATH"]])
        (tmp_path / "scoring").mkdir()
        with running(serve, tmp_path / "scoring", f"http://127.0.0.1:{scoring}/ping", PATH=path, **home):
            served = audited(
                tmp_path, "scored",
                f'endpoint = {{ url = "http://127.0.0.1:{scoring}", protocol = "mlflow", '
                f'send_to = "127.0.0.1:{scoring}" }}',
            )  # fmt: skip
    assert counted(served) == wanted(tmp_path), "what the refusal advised: serve it, and name that"
    assert served["model"]["served"]["server"]["version"].startswith("3.")
    assert served["model"]["rule"] == "predict"


def read(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.loads(answer.read())


EVENT = """
import sys, json, attr
from openlineage.client.event_v2 import RunEvent, Run, Job, InputDataset, OutputDataset, RunState
from openlineage.client.facet_v2 import data_quality_assertions_dataset as dq
d = json.load(open("event.json"))
facet = d["inputs"][0]["inputFacets"]["dataQualityAssertions"]
made = RunEvent(
    eventTime=d["eventTime"], producer=d["producer"], eventType=RunState[d["eventType"]],
    run=Run(runId=d["run"]["runId"]), job=Job(namespace=d["job"]["namespace"], name=d["job"]["name"]),
    inputs=[InputDataset(namespace=d["inputs"][0]["namespace"], name=d["inputs"][0]["name"], inputFacets={
        "dataQualityAssertions": dq.DataQualityAssertionsDatasetFacet(
            assertions=[dq.Assertion(**a) for a in facet["assertions"]])})],
    outputs=[OutputDataset(**{k: d["outputs"][0][k] for k in ("namespace", "name")})],
)
from openlineage.client.serde import Serde
print(Serde.to_json(made))
"""


def test_openlineage_reads_our_event(tmp_path: Path) -> None:
    """Its own classes take every value of the event, and write the same facets from them."""
    from tests.audit.served.served import case, oip, serving

    with serving() as served:
        case(tmp_path, oip(served))
        assay(tmp_path, "audit", "case.toml", "--out", "out", "--draws", "200", "--openlineage", "event.json")
    done = subprocess.run(
        [python("openlineage"), "-c", EVENT], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    theirs, ours = json.loads(done.stdout), json.loads((tmp_path / "event.json").read_bytes())
    read_back = theirs["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    for assertion in read_back:
        assert assertion.pop("params", {}) == {}, "what its class adds, empty"
    assert read_back == ours["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert theirs["run"]["runId"] == ours["run"]["runId"]
    assert theirs["schemaURL"].split("#")[1] == ours["schemaURL"].split("#")[1]
