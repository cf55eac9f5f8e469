"""What several files of tests begin with, made once a run of pytest: workers of xdist find it on disk.

A maker writes into a folder; who asks for it again, in whatever process, gets the same folder once it is whole. Nobody
writes into it: copy what is to be changed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

ALONE = ("/bin/sh", "-c", '"$@"; exit $?', "sh")
"""Before a command whose peak of memory is looked at: Linux hands a parent's peak on to what it starts, and a shell's
is small."""
ROOT = Path(__file__).resolve().parents[1]


def once(tmp: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder that `make` filled, in this process or another one. name: says what is made and from what."""
    base = tmp.getbasetemp()
    place = (base.parent if base.name.startswith("popen-") else base) / "shared"
    place.mkdir(exist_ok=True)
    with FileLock(place / f"{name}.lock"):
        if not (place / name).exists():
            begun = place / f"{name}.begun"
            shutil.rmtree(begun, ignore_errors=True)  # of a worker that was ended
            begun.mkdir()
            make(begun)
            begun.rename(place / name)
    return place / name


def german(tmp: pytest.TempPathFactory) -> Path:
    """A run on German credit: audit, explanations (one of person 3), reweighing. The favourable value is not the
    positive one."""

    def make(out: Path) -> None:
        from audit.explain import run_explain
        from audit.gaps import Settings
        from audit.load import load_case
        from audit.run import run_audit
        from debias.mitigate import run_mitigate

        case = load_case(ROOT / "sample_data" / "german_credit.toml")
        run_audit(case, out, Settings(draws=200, seed=3))
        run_explain(case, out, people=[3], rows=120)
        run_mitigate(case, "reweighing", out, draws=200)

    return once(tmp, "german", make)


def forty_rows(tmp: pytest.TempPathFactory) -> Path:
    """The folder of tests.reports.kit.audited: a case with its rows, audited."""
    from tests.reports import kit

    return once(tmp, "forty_rows", kit.audited)


def stages_told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Filled with each stage that is told from here on, and its place in the command's plan (0: none)."""
    from audit.progress import Progress

    seen: list[tuple[str, int]] = []
    begin = Progress.stage

    def told(self: Progress, name: str, before: int = 0) -> None:
        begin(self, name, before)
        seen.append((name, self.left()[0]))

    monkeypatch.setattr(Progress, "stage", told)
    return seen


def in_order(seen: list[tuple[str, int]]) -> None:
    """Every stage that was told is planned, in that order."""
    places = [place for _, place in seen]
    assert places, seen
    assert 0 not in places, seen
    assert places == sorted(places), seen


def printed(pdf: Path) -> str:
    """The words on its pages, one space between them."""
    import pypdfium2

    with pypdfium2.PdfDocument(pdf) as document:
        return " ".join(" ".join(page.get_textpage().get_text_range() for page in document).split())
