"""What a hostile model tries, at every level of isolation that this machine gives: judged by the model itself, and from
outside by what became of the files. Without walls the same deeds succeed; a refusal would show nothing otherwise.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from audit.errors import ModelError
from audit.models import Limits, Worker
from audit.models import process as process_module
from audit.models.process import Child
from audit.sandbox import isolate

CODE = Path(__file__).parent / "code"
ALLOW = ("hostile_estimator.Hostile",)
GIB = 2**30
LEVELS = {
    "all": isolate.MECHANISMS,
    "without landlock": ("namespaces", "seccomp"),
    "without namespaces": ("landlock", "seccomp"),
    "the filter alone": ("seccomp",),
    "no walls": (),
}


def snapshot(*folders: Path) -> dict[str, Any]:
    """Everything that a deed could change of the files: times, modes, owners, links, attributes, contents."""
    seen: dict[str, Any] = {}
    for path in sorted(p for folder in folders for p in (folder, *folder.rglob("*"))):
        stat = path.lstat()
        facts = [stat.st_mode, stat.st_uid, stat.st_gid, stat.st_nlink, stat.st_mtime_ns, stat.st_ctime_ns]
        content = path.read_bytes() if path.is_file() else b""
        seen[str(path)] = (*facts, content)
    return seen


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """`near` may be read by the worker, `far` may not; a hostile model beside them, and its module here."""
    top = tmp_path_factory.mktemp("deeds")
    near, far = top / "near", top / "far"
    far.mkdir()
    (far / "secret").write_text("secret")
    (far / "link").symlink_to("secret")

    def renew() -> None:
        shutil.rmtree(near, ignore_errors=True)
        shutil.copytree(CODE, near, ignore=shutil.ignore_patterns("__pycache__"))
        (near / "victim.txt").write_text("victim")
        (near / "other.txt").write_text("other")
        (near / "folder").mkdir(exist_ok=True)
        (near / "link-out").symlink_to(far / "secret")
        os.setxattr(near / "victim.txt", "user.given", b"x")

    renew()
    sys.path.insert(0, str(near))
    try:
        hostile = importlib.import_module("hostile_estimator")
        model = hostile.Hostile(str(far), str(far / "secret"), os.getpid(), str(near))
        model.fit(np.zeros((2, 1)), np.array(["no", "yes"]))
        skops.io.dump(model, top / "hostile.skops")
        yield SimpleNamespace(near=near, far=far, path=top / "hostile.skops", renew=renew, module=hostile)
    finally:
        sys.path.remove(str(near))
        for name in ("hostile_estimator", "deeds"):
            sys.modules.pop(name, None)


def opened(place: SimpleNamespace, level: str, limits: Limits | None = None) -> Worker:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process_module, "MECHANISMS", LEVELS[level])
        return Worker(place.path, allow=ALLOW, code=[place.near], limits=limits or Limits(2 * GIB)).__enter__()


@pytest.fixture(scope="module", params=list(LEVELS))
def level(request: pytest.FixtureRequest, place: SimpleNamespace) -> Iterator[tuple[str, Worker]]:
    worker = opened(place, request.param)
    try:
        yield request.param, worker
    finally:
        worker.close()


def tried(worker: Worker, *numbers: int) -> list[float]:
    return worker.scores(pd.DataFrame({"deed": list(numbers)}), "yes").tolist()


def test_what_is_said_to_hold_is_what_was_asked_and_offered(level: tuple[str, Worker]) -> None:
    name, worker = level
    words = dict(word.partition(": ")[::2] for word in worker.info.isolation)
    assert {"process", "rlimits", "ends-with-parent"} <= set(words)
    assert ("calls" in words) == ("seccomp" in LEVELS[name])
    assert ("landlock" in words.get("files", "")) == ("landlock" in LEVELS[name])
    assert ("names" in words) == ("namespaces" in LEVELS[name])
    assert ("namespace" in words.get("no-network", "")) == ("namespaces" in LEVELS[name])


@pytest.mark.parametrize("name", ["all", "without landlock", "without namespaces"])
def test_models_that_look_for_their_libraries_run(name: str, tmp_path: Path) -> None:
    """threadpoolctl, which neighbours models call, reads /proc/self/maps; a one-hot encoder in front, as people do."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"kind": rng.choice(["x", "y"], 60), "age": rng.normal(size=60)})
    encode = make_column_transformer((OneHotEncoder(), ["kind"]), remainder="passthrough")
    model = make_pipeline(encode, KNeighborsClassifier(algorithm="brute")).fit(rows, np.arange(60) % 2)
    skops.io.dump(model, tmp_path / "m.skops")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process_module, "MECHANISMS", LEVELS[name])
        with Worker(tmp_path / "m.skops") as worker:
            assert np.array_equal(worker.scores(rows, "1"), model.predict_proba(rows)[:, 1])


def test_deeds_are_refused_and_leave_no_trace(level: tuple[str, Worker], place: SimpleNamespace) -> None:
    name, worker = level
    claims = {word.split(":")[0] for word in worker.info.isolation}
    needs = {"call": "calls", "read": "files", "name": "names"}
    wrong = []
    done = 0
    for deed, (kind, traces, sure) in sys.modules["deeds"].KINDS.items():
        before = snapshot(place.near, place.far)
        (got,) = tried(worker, place.module.NAMES[deed])
        changed = snapshot(place.near, place.far) != before
        if needs[kind] in claims:
            if got == 1.0 or changed:
                wrong.append(f"{deed}: got {got}, changed {changed}, though it is claimed to be refused")
        elif sure and ("calls" not in claims or kind != "call"):
            # What nothing claims to refuse works, and shows: then a refusal elsewhere says something.
            done += got == 1.0
            if got == 0.0 or (got == 1.0 and traces and not changed):
                wrong.append(f"{deed}: got {got}, changed {changed}, though nothing claims to refuse it")
        if changed:
            place.renew()
    assert not wrong, "\n".join(wrong)
    assert name != "no walls" or done > 80


def test_every_call_off_the_list_is_refused_by_this_kernel(level: tuple[str, Worker], place: SimpleNamespace) -> None:
    if "calls" in {word.split(":")[0] for word in level[1].info.isolation}:
        assert tried(level[1], 900) == [1.0]


@pytest.mark.parametrize(("door", "ends"), [("old_interface", ("SIGSYS", "SIGSEGV")), ("x32_interface", ("SIGSYS",))])
def test_the_doors_to_other_tables_of_calls_end_the_process(door: str, ends: tuple[str, ...]) -> None:
    if os.uname().machine != "x86_64":
        return  # another machine has no such doors
    child = Child(Limits(), serve=f"{CODE / 'served_deeds.py'}:serve", packages=(), settings={"do": door})
    try:
        assert child._take(4, time.monotonic() + 20) == b"here"
        with pytest.raises(ModelError, match="crashed") as caught:
            child.ask([], 20.0)
        assert any(end in caught.value.got for end in ends)
    finally:
        child.stop()
        child.close()


def test_threads_are_bounded_where_the_kernel_counts_them() -> None:
    """In a namespace of its own, for anyone but the superuser, whom the kernel lets go on."""
    child = Child(Limits(), serve=f"{CODE / 'served_deeds.py'}:serve", packages=(), settings={"do": "many_threads"})
    try:
        assert child._take(4, time.monotonic() + 20) == b"here"
        started = int(child._take(6, time.monotonic() + 60))
        assert started > 50
        assert started < 512 or os.getuid() == 0
    finally:
        child.stop()
        child.close()


PARENT = """
import os, select, sys, time
from audit.models.process import Child, Limits, MECHANISMS
import audit.models.process as process
children = []
for level in {levels!r}:
    process.MECHANISMS = level
    children.append(Child(Limits(), serve={serve!r}, packages=(), settings={{"do": "outlive_and_loop"}}))
for child in children:
    select.select([child._from], [], [], 30)
time.sleep(0.3)
print(*(child.pid for child in children), flush=True)
time.sleep(60)
"""


def test_a_killed_parent_takes_its_workers_along() -> None:
    """kill -9 of whoever started them, while each has tried to outlive that and loops."""
    script = PARENT.format(levels=list(LEVELS.values()), serve=f"{CODE / 'served_deeds.py'}:serve")
    root = Path(__file__).parents[3]
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=root) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == len(LEVELS)
        assert alive(pids) == pids
        parent.kill()
    until = time.monotonic() + 1.0
    while alive(pids) and time.monotonic() < until:
        time.sleep(0.02)
    assert alive(pids) == []


def alive(pids: list[int]) -> list[int]:
    """Those that are more than a zombie that nobody has waited for."""
    items = []
    for pid in pids:
        with contextlib.suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            items += [pid] if state not in "ZX" else []
    return items
