"""WeasyPrint is loaded by the names of its libraries: no ldconfig, gcc or ld is run to look for them. And what else a
process that sets pages does not do: load pandas, or take apart what it has set where it ends then."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from reports import pdf, typesetter

CODE = """
import ctypes.util, sys
started = []
sys.addaudithook(lambda event, args: started.append(args[0]) if event == "subprocess.Popen" else None)
own = ctypes.util.find_library
from reports import typesetter
typesetter.load()
assert "weasyprint" in sys.modules
assert ctypes.util.find_library is own
from weasyprint import HTML
print(started, HTML(string="<p>a").write_pdf()[:5])
"""


def test_no_process_is_started_to_look_for_libraries() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[] b'%PDF-'\n"


def test_pages_are_made_again_without_pandas() -> None:
    code = "import sys; import reports.verify.inside, reports.verify.printed, reports.verify.faces; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "reports.sections.further" in done.stdout.split()
    assert not {"pandas", "pyarrow", "sklearn"} & set(done.stdout.split())


def test_where_reports_are_checked_scipy_has_all_its_functions() -> None:
    """What stands in for a part of it leaves none out: scipy.stats asks for more of them than Assay does."""
    code = "import reports.verify.inside; from scipy.special import *; from scipy.stats import kstwo; print(kstwo.name)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("kstwo\n", "")


def test_only_a_process_that_ends_keeps_what_a_layout_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    collecting: list[bool] = []
    monkeypatch.setattr(pdf.gc, "freeze", lambda: collecting.append(gc.isenabled()))
    for ends in (False, True):
        monkeypatch.setattr(typesetter, "ends", ends)
        with pdf.collector_paused(), pdf.collector_paused():
            assert not gc.isenabled()
        assert gc.isenabled()
    assert collecting == [False]  # once, and before anything can be looked through
