"""What a hostile model may try through raw system calls, one function a deed.

A deed gives True (or nothing) where it succeeded, False or an OSError where it was refused, and ABSENT where there is
no such call: in this kernel, or by the filter's word. `self.near` is a folder that the process may read
at every level, `self.folder` and `self.secret` one that it should not even see, `self.parent` another process.

Kinds: "call" (no level with the filter lets it through), "read" (contents outside), "name" (what exists outside).
"""

import ctypes
import errno
import os
import platform
import signal
import threading
import time

# In this order, which numbers the deeds.
import deeds_of_files  # isort: skip  # noqa: F401
import deeds_on_processes  # isort: skip  # noqa: F401
import deeds_in_the_kernel  # isort: skip  # noqa: F401
import deeds_of_reading  # isort: skip  # noqa: F401
from deed_tools import ARM, DEEDS, KINDS, LIBC, raw  # noqa: F401

# -- beyond a single deed ----------------------------------------------------------------------------------------------


def sweep(self):
    """Every call off the list, with arguments that make no sense: True where the filter answered each of them."""
    from audit.sandbox import seccomp, syscalls

    listed = {numbers[ARM] for numbers in syscalls.ALLOWED.values()}
    listed |= {numbers[ARM] for numbers, _ in syscalls.conditional(os.getpid(), False)}
    # The kernel lets its own uretprobe and uprobe past every filter; they end whoever calls them from elsewhere.
    listed |= {335, 336} if not ARM else set()
    for number in range(1024):
        if number not in listed:
            ctypes.set_errno(0)
            got = LIBC.syscall(ctypes.c_long(number), *[ctypes.c_long(-1)] * 6)
            if got != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
                return False
    return bool(seccomp.filter_program(platform.machine(), 1))


# -- deeds that end the process ---------------------------------------------------------------------------------------


def run_code(code):
    block = LIBC.mmap(None, ctypes.c_size_t(4096), 7, 0x22, -1, ctypes.c_long(0))
    ctypes.memmove(block, code, len(code))
    return ctypes.CFUNCTYPE(ctypes.c_long)(block)()


def old_interface(self):
    """getpid by int 0x80: numbers of another table, which a filter of numbers alone would misread."""
    return run_code(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3") >= 0


def x32_interface(self):
    return raw((0x40000000 + 39, 0x40000000 + 39))


def outlive_and_loop(self):
    raw((157, 167), 1, 0, 0, 0, 0)
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
