"""Deeds that may end the process, as a worker of its own without a model. Stands alone: behind the walls a file that is
served finds no neighbour.
"""

import ctypes
import os
import platform
import signal
import threading
import time

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
LIBC.mmap.restype = ctypes.c_void_p


def run_code(code):
    block = LIBC.mmap(None, ctypes.c_size_t(4096), 7, 0x22, -1, ctypes.c_long(0))
    ctypes.memmove(block, code, len(code))
    return ctypes.CFUNCTYPE(ctypes.c_long)(block)()


def old_interface(self):
    """getpid by int 0x80: numbers of another table, which a filter of numbers alone would misread."""
    return run_code(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3") >= 0


def x32_interface(self):
    return LIBC.syscall(ctypes.c_long(0x40000000 + 39)) >= 0


def outlive_and_loop(self):
    prctl = 167 if platform.machine() == "aarch64" else 157
    LIBC.syscall(ctypes.c_long(prctl), *[ctypes.c_long(n) for n in (1, 0, 0, 0, 0)])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(0.01)


def many_threads(self):
    """How many threads with small stacks could be started, of 2,000."""
    threading.stack_size(65536)
    end = threading.Event()
    try:
        for started in range(2000):  # noqa: B007
            threading.Thread(target=end.wait, daemon=True).start()
    except RuntimeError:
        pass
    end.set()
    return started


def serve(incoming, outgoing, settings):
    """As a worker of its own, without a model: do settings["do"], which may not come back."""
    os.write(outgoing, b"here")
    os.write(outgoing, b"%6d" % int(globals()[settings["do"]](None)))
    return 9
