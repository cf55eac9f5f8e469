"""Spark Connect: a real server, and a client that has no Java, with a model file that the server's tasks ask."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import cli
from tests.audit.scale.test_spark import PLACE, ROOT, model_case, skops_of, trained

pytestmark = pytest.mark.environments
SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"
NOTEBOOK = """
import sys
from pathlib import Path
import assay
from pyspark.sql import SparkSession

remote, folder = sys.argv[1], Path(sys.argv[2])
frame = SparkSession.builder.remote(remote).getOrCreate().read.parquet(str(folder / "people.parquet"))
assert "connect" in type(frame).__module__
roles = {"sensitive": ["group of"], "label": "y", "positive": "yes", "favourable": "yes", "draws": 50}
roles |= {"features": ["town", "group of", "age", "x"], "model": str(folder / "m.skops")}
there, here = assay.audit(frame, **roles), assay.audit(frame.toPandas(), **roles)
assert there.evidence["data"]["engine"] == "spark"
assert there.rates().equals(here.rates())
assert there.gaps().equals(here.gaps())
"""


def client(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python that has pyspark and what Connect needs, and no Java."""
    for name in ("spark/pyspark", "connect/grpc_status"):
        assert (PLACE / name).is_dir(), "run scripts/environments.sh"
    path = os.pathsep.join([str(ROOT), str(PLACE / "spark"), str(PLACE / "connect")])
    environment = {**os.environ, "PYTHONPATH": path, "PATH": "", "JAVA_HOME": ""}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, cwd=ROOT, timeout=900
    )


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    home = PLACE / "spark" / "pyspark"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(PLACE / "spark")])}
    environment |= {"SPARK_HOME": str(home), "PYSPARK_PYTHON": sys.executable}
    settings = (f"spark.connect.grpc.binding.port={port}", "spark.ui.enabled=false", "spark.sql.shuffle.partitions=2")
    start = ["bash", str(home / "bin" / "spark-submit"), "--class", SERVER, "--master", "local[2]"]
    start += [word for setting in settings for word in ("--conf", setting)]
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*start, "spark-internal"], env=environment, stdout=out, stderr=out, cwd=log.parent, start_new_session=True
        )
    try:
        late = time.monotonic() + 300
        while server.poll() is None and time.monotonic() < late:
            with socket.socket() as line:
                if line.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        else:
            raise AssertionError(log.read_text()[-2000:])
        yield f"sc://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def test_a_case_over_connect_gives_the_cube_of_memory(remote: str, tmp_path: Path) -> None:
    model = skops_of(tmp_path)
    case = model_case(tmp_path, model, f'engine = "spark"\nspark = {{ remote = "{remote}" }}\n')
    done = client("-m", "cli", "audit", str(case), "--json", "--out", str(tmp_path / "spark"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    evidence = json.loads(done.stdout)
    assert evidence["data"]["engine"] == "spark"
    assert "Spark's tasks asked the model" in " ".join(evidence["notes"])
    model_case(tmp_path, model, "")
    assert cli.main(["audit", str(case), "--out", str(tmp_path / "memory")]) == 0
    assert (tmp_path / "spark" / "cube.json").read_bytes() == (tmp_path / "memory" / "cube.json").read_bytes()


def test_a_frame_of_a_notebook_over_connect_gives_the_figures_of_its_rows(remote: str, tmp_path: Path) -> None:
    trained().to_parquet(tmp_path / "people.parquet")
    skops_of(tmp_path)
    done = client("-c", NOTEBOOK, remote, str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_server_that_does_not_answer_is_told_in_one_sentence(tmp_path: Path) -> None:
    case = model_case(tmp_path, skops_of(tmp_path), 'engine = "spark"\nspark = { remote = "sc://127.0.0.1:9" }\n')
    done = client("-m", "cli", "audit", str(case), "--out", str(tmp_path / "run"))
    assert done.returncode == 2, done.stderr[-3000:]
    assert "no session of Spark could be begun. Got: " in done.stderr
    assert "refused" in done.stderr  # and not minutes of attempts
    assert "Traceback" not in done.stderr
