"""WeasyPrint, imported without the processes that looking for its libraries starts."""

from __future__ import annotations

import ctypes.util
import sys
import threading

ends = False
"""Whether this process ends soon after what it prints. What a layout leaves is then not taken apart before that end:
half a million objects, a tenth of the work of setting a report. `cli.start` says so, and the process of a verification.
"""


def load() -> None:
    """Import WeasyPrint once, by the names of its libraries that the loader knows (`libpango-1.0.so.0`).

    It tries names of several systems for each of seven libraries, and for each name that is no file cffi asks
    `ctypes.util.find_library`, which runs ldconfig, gcc and ld: 54 processes, a third of the import's time.
    """
    if "weasyprint" in sys.modules or sys.platform != "linux":
        return
    asked, own = threading.get_ident(), ctypes.util.find_library
    ctypes.util.find_library = lambda name: None if threading.get_ident() == asked else own(name)
    try:
        import weasyprint  # noqa: F401
    finally:
        ctypes.util.find_library = own
