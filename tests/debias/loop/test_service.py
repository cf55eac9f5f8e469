"""The example that ships, run by the very commands of its compose file and unit: FastAPI and the loop, as processes.
And feeds from stores through fsspec. In an environment that scripts/environments.sh makes ("service")."""

from __future__ import annotations

import configparser
import http.client
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.debias.loop.fed import bodies, people, write_case
from tests.debias.loop.test_circle import Circle, free_port, until

pytestmark = pytest.mark.environments
ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "docs" / "examples" / "service"
PLACE = Path(os.environ.get("ASSAY_ENVIRONMENTS", Path(tempfile.gettempdir()) / "assay-environments")) / "service"
SERVED = 'source = "loop/in/*.csv"\nsettle = 0\nheartbeat = 3600\n'
SERVED += 'served = { decision = "decision", score = "score", model = "model" }'


def environment(**more: str) -> dict[str, str]:
    assert PLACE.exists(), "run scripts/environments.sh"
    paths = os.pathsep.join([str(ROOT), str(EXAMPLE), str(PLACE)])
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths} | more


def compose() -> dict[str, Any]:
    text: dict[str, Any] = yaml.safe_load((EXAMPLE / "compose.yaml").read_text())
    return text


def here(words: list[str], places: dict[str, str]) -> list[str]:
    """A command of a container with its places put here."""
    out = []
    for word in words:
        for there, mine in places.items():
            word = mine + word[len(there) :] if word == there or word.startswith(f"{there}/") else word
        out.append(word)
    return out


class Shipped(Circle):
    """Both services of compose.yaml, by their own commands; folders for volumes, this machine's ports."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out, loop = folder, folder / "loop" / "out", folder / "loop"
        self.health, self.port = free_port(), free_port()
        places = {"/case": str(folder), "/loop": str(loop), "/log": str(folder / "log")}
        watch, service = compose()["services"]["loop"], compose()["services"]["service"]
        words = here(shlex.split(watch["command"]), places)
        words[words.index("0.0.0.0:9100")] = f"127.0.0.1:{self.health}"
        (loop / "in").mkdir(parents=True)
        self.env = environment()
        self.log = (folder / "said").open("wb")
        self.watch = subprocess.Popen([sys.executable, str(ROOT / "cli.py"), *words], env=self.env, stderr=self.log)
        until((self.out / "running.json").exists)
        assert service["build"]["dockerfile"] == "docs/examples/service/Containerfile"
        entry = re.search(r"^ENTRYPOINT (\[.*\])$", (EXAMPLE / "Containerfile").read_text(), re.M)
        assert entry is not None
        python, *words = json.loads(entry[1])
        assert python == "/assay/.venv/bin/python"
        words[words.index("0.0.0.0")] = "127.0.0.1"
        words[words.index("8000")] = str(self.port)
        mapping = dict(zip(service["environment"], here(list(service["environment"].values()), places), strict=True))
        self.service = subprocess.Popen(
            [sys.executable, *words], env=environment(**mapping | {"SIZE": "300"}), cwd=EXAMPLE, stderr=self.log
        )
        until(lambda: self.ask("GET", "/healthz"))
        frame = people(40, size=300)
        self.days = [d.drop(columns="granted").to_dict("records") for _, d in frame.groupby("day")]
        self.sent = 0

    def ask(self, method: str, path: str, people: list[dict[str, Any]] | None = None) -> list[Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        answers = []
        for body in people or [None]:
            connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status == 200, content
            answers.append(json.loads(content))
        connection.close()
        return answers

    def serve(self) -> dict[str, Any]:
        answers = self.ask("POST", "/decide", self.days[self.sent])
        self.sent += 1
        until(lambda: self.document()["batches"] >= self.sent)
        return {"answers": answers}


@pytest.fixture
def shipped(tmp_path: Path) -> Iterator[Shipped]:
    write_case(tmp_path, people(2), more=SERVED, delay=0)
    built = Shipped(tmp_path)
    try:
        yield built
    finally:
        built.close()
        built.log.close()


def test_the_circle_of_the_example_that_ships(shipped: Shipped) -> None:
    """Service, feed, alarm, challenger, a person's yes, and the service decides by it without a restart."""
    first = shipped.serve()["answers"][0]["model"]
    while shipped.document()["state"] != "APPROVAL":
        assert shipped.sent < 30, shipped.document()["state"]
        assert {a["model"] for a in shipped.serve()["answers"]} == {first}
    waiting = shipped.document()["pending"]["model"]
    message = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), "watch", str(shipped.folder / "case.toml"), "--out", str(shipped.out),
         "--approve", waiting, "--reason", "Looked at.", "--by", "Ada"],
        env=shipped.env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert message.returncode == 0, message.stderr
    until(lambda: json.loads((shipped.out / "running.json").read_bytes())["model"] == waiting)
    assert {a["model"] for a in shipped.serve()["answers"]} == {waiting}
    kinds = [b["kind"] for b in bodies(shipped.out)]
    assert kinds.index("confirmed") < kinds.index("shadow") < kinds.index("gate") < kinds.index("promoted")
    assert "served" not in kinds
    # An edited pointer is not believed: the model before goes on, and says why.
    pointer = shipped.out / "running.json"
    pointer.write_text(pointer.read_text().replace('"threshold":', '"threshold":0.01,"x":'))
    (answer,) = shipped.ask("POST", "/decide", shipped.days[0][:1])
    assert answer["model"] == waiting
    assert "threshold" in str(shipped.ask("GET", "/healthz")[0]["problem"]) or shipped.document()["notices"]
    assert (shipped.folder / "log" / "checkpoint").exists(), "the trail's end is noted in the log"


def test_what_compose_and_its_container_files_name_is_there() -> None:
    result = compose()
    volumes = {v.split(":")[0] for s in result["services"].values() for v in s["volumes"]}
    assert {v for v in volumes if not v.startswith("$")} <= set(result["volumes"])
    build = result["services"]["service"]["build"]
    container = (EXAMPLE / build["context"]).resolve() / build["dockerfile"]
    assert f"\nFROM {result['services']['loop']['image']}\n" in container.read_text(), "the loop's image is built first"
    assert "podman build -t assay -f docs/Containerfile ." in (EXAMPLE / "compose.yaml").read_text()
    check = result["services"]["loop"]["healthcheck"]["test"]
    assert check[:2] == ["CMD", "python3"]
    compile(check[-1], "healthcheck", "exec")


def test_the_unit_is_verified_by_systemd_and_its_command_runs(tmp_path: Path) -> None:
    unit = (EXAMPLE / "assay-watch.service").read_text()
    own = tmp_path / "assay"
    own.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT / "cli.py"} "$@"\n')
    own.chmod(0o755)
    if shutil.which("systemd-analyze"):
        (tmp_path / "assay-watch.service").write_text(unit.replace("/opt/assay/.venv/bin/assay", str(own)))
        done = subprocess.run(
            ["systemd-analyze", "verify", str(tmp_path / "assay-watch.service")],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "assay-watch" not in done.stderr
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read_string(unit)
    places = {"/opt/assay/.venv/bin/assay": str(own), "/etc/assay": str(tmp_path), "/var/lib/assay": str(tmp_path)}
    words = here(shlex.split(parsed["Service"]["ExecStart"]), places | {"/var/log/assay": str(tmp_path / "log")})
    port = free_port()
    words[words.index("9100")] = str(port)
    write_case(tmp_path, people(3), more='source = "in/*"')
    (tmp_path / "in").mkdir()
    people(1).to_csv(tmp_path / "in" / "a.csv", index=False)
    with (tmp_path / "said").open("wb") as message:
        running = subprocess.Popen(words, env=environment(), stderr=message)
        try:
            until(lambda: json.loads((tmp_path / "out" / "watch.json").read_bytes())["batches"] == 1)
        finally:
            running.send_signal(2)
            assert running.wait(60) == 0, (tmp_path / "said").read_text()


MEMORY = """
import sys
import fsspec
import cli
from pathlib import Path
out, files = sys.argv[1], sys.argv[2:]
store = fsspec.filesystem("memory")
ends = []
for file in files:
    store.pipe(f"/bucket/in/{Path(file).name}", Path(file).read_bytes())
    ends.append(cli.main(["watch", out + "/case.toml", "--out", out + "/out"]))
sys.exit(max(ends))
"""


def served_days(folder: Path) -> list[Path]:
    (folder / "made").mkdir()
    out = []
    for k, (_, day) in enumerate(people(4, size=100).groupby("day")):
        out.append(folder / "made" / f"day{k}.csv")
        day.to_csv(out[-1], index=False)
    return out


def test_objects_in_memory(tmp_path: Path) -> None:
    """A run for each new object; the same loop as from a folder of the same files."""
    days = served_days(tmp_path)
    write_case(tmp_path, people(2), more='source = "memory://bucket/in/*.csv"', delay=0)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path), *map(str, days)],
        env=environment(), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "out" / "watch.json").read_bytes())
    assert (document["batches"], document["rows"]) == (4, 400)
    assert [p["id"] for p in document["timeline"]] == [d.name for d in days]


def test_a_web_server_and_one_that_is_away(tmp_path: Path) -> None:
    days = served_days(tmp_path)
    port = free_port()
    write_case(tmp_path, people(2), more=f'source = "http://127.0.0.1:{port}/*.csv"', delay=0)
    command = [
        sys.executable,
        str(ROOT / "cli.py"),
        "watch",
        str(tmp_path / "case.toml"),
        "--out",
        str(tmp_path / "out"),
    ]
    away = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    assert away.returncode == 2
    assert "cannot be read now" in away.stderr
    with (tmp_path / "said").open("wb") as message:
        following = subprocess.Popen([*command, "--follow"], env=environment(), stderr=message)
        time.sleep(3)
        server = subprocess.Popen(
            [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "-d", str(days[0].parent)],
            stdout=message, stderr=message,
        )  # fmt: skip
        try:
            until(lambda: json.loads((tmp_path / "out" / "watch.json").read_bytes())["batches"] == 4)
        finally:
            following.send_signal(2)
            server.terminate()
            following.wait(30)
            server.wait(30)
