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
