"""What every deed is written with: the table of deeds, raw calls, the file that may be read."""

import ctypes
import errno
import os
import platform

ARM = platform.machine() == "aarch64"
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
LIBC.mmap.restype = ctypes.c_void_p
DEEDS = {}
KINDS = {}
AT = -100
ABSENT = 0.5


def deed(kind, traces=False, sure=True):
    """traces: it shows in the files. sure: without walls it works; the rest, the kernel may refuse by itself."""

    def add(function):
        DEEDS[function.__name__] = function
        KINDS[function.__name__] = (kind, traces, sure)
        return function

    return add


def raw(numbers, *arguments, accept=()):
    """True where the kernel did it, or would have but for the arguments (`accept`: errors that say so)."""
    number = numbers[ARM] if isinstance(numbers, tuple) else numbers
    if number is None:
        return ABSENT
    ctypes.set_errno(0)
    items = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    got = LIBC.syscall(ctypes.c_long(number), *items)
    if got >= 0 or ctypes.get_errno() in accept:
        return True
    return ABSENT if ctypes.get_errno() in (errno.ENOSYS, errno.EOPNOTSUPP) else False


def near(self, name="victim.txt"):
    return os.path.join(self.near, name).encode()


def reading(self):
    return os.open(near(self), os.O_RDONLY)


def opened(self, flags, name="victim.txt"):
    os.close(os.open(near(self, name), flags, 0o600))
