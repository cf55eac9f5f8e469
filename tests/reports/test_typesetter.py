"""WeasyPrint is loaded by the names of its libraries: no ldconfig, gcc or ld is run to look for them."""

from __future__ import annotations

import subprocess
import sys

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
