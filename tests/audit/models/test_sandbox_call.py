"""A function of this project in an isolated process, with a folder to write in and fonts: what verification uses."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from audit.errors import AssayError, DataError, VerificationError
from audit.models import Limits
from audit.models import process as process_module
from audit.sandbox.call import PRINTING, Enclosed
from audit.sandbox.mounts import SCRATCH_BYTES

CODE = Path(__file__).parent / "code"
LEVELS = {"namespaces": ("namespaces", "seccomp"), "landlock": ("landlock", "seccomp"), "filter": ("seccomp",)}


@pytest.mark.parametrize("level", list(LEVELS))
def test_it_writes_in_its_own_folder_and_nowhere_else(
    level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "MECHANISMS", LEVELS[level])
    content = np.arange(1000, dtype=np.uint8)
    elsewhere = [str(tmp_path), "/tmp", "/", "/dev/shm", str(CODE)]
    with Enclosed("enclosed:write", PRINTING, code=(str(CODE),)) as enclosed:
        scratch = Path(enclosed._child._scratch or "")  # type: ignore[union-attr]
        assert scratch.is_dir()
        if level == "filter":  # with nothing around the folder there is no writing at all
            with pytest.raises(AssayError, match="No usable temporary directory"):
                enclosed.call({"elsewhere": elsewhere}, content=content)
            return
        report, arrays = enclosed.call({"elsewhere": elsewhere}, content=content)
        claims = dict(word.partition(": ")[::2] for word in enclosed.isolation)
    assert np.array_equal(arrays["back"], content)
    assert (report["outside"], report["links"]) == ([], 0)
    assert list(tmp_path.iterdir()) == []
    assert "files" in claims
    assert not scratch.exists()


def test_its_folder_is_bounded() -> None:
    with Enclosed("enclosed:fill", PRINTING, code=(str(CODE),)) as enclosed:
        report, _ = enclosed.call({})
        if any(word.startswith("names: ") for word in enclosed.isolation):
            assert 0 < report["mib"] <= SCRATCH_BYTES // 2**20


ENDS = {
    "refuse": (VerificationError, "it is another page. Got: a. Expected: b. What to do: read the fresh one."),
    "input": (DataError, "the table is no table. Got: a. Expected: b. What to do: mend it."),
    "raise": (AssayError, "the report raised an error. Got: KeyError: 'x'."),
    "hog": (AssayError, "the report needs more memory than it may use. Got: its process ran out of memory."),
    "sleep": (AssayError, "the report took too long. Got: no answer within 1 second."),
    "crash": (AssayError, "the report's process crashed. Got: signal SIGABRT"),
}


def test_every_end_is_one_message() -> None:
    for how, (kind, message) in ENDS.items():
        with (
            Enclosed("enclosed:end", code=(str(CODE),), limits=Limits(2**31), what="the report") as enclosed,
            pytest.raises(kind) as caught,
        ):
            enclosed.call({"how": how}, seconds=1.0 if how == "sleep" else 30.0)
        assert caught.value.message.startswith(message)
        assert how != "refuse" or caught.value.check == "pages"


@pytest.mark.parametrize("level", ["namespaces", "landlock"])
def test_pages_are_set_inside_as_outside(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "MECHANISMS", LEVELS[level])
    monkeypatch.syspath_prepend(str(CODE))
    page = "<h1>Überprüfung é 中</h1><p style='font-family: sans-serif'>x</p>"
    import enclosed as outside

    with Enclosed("enclosed:print_page", PRINTING, code=(str(CODE),)) as enclosed:
        report, _ = enclosed.call({"page": page})
    sys.modules.pop("enclosed", None)
    here, _ = outside.print_page({"page": page}, {})
    assert (report["text"], report["fonts"]) == (here["text"], here["fonts"])
    assert report["drawing"] != here["drawing"]
