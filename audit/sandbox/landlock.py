"""The kernel's own list of files that may be read (Linux 5.13+): Documentation/userspace-api/landlock.rst."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REMOVE = 1 << 4 | 1 << 5  # folders, files
_MAKE = 1 << 7 | 1 << 8  # folders, ordinary files; no devices, sockets, pipes, links
_REFER, _TRUNCATE = 1 << 13, 1 << 14


def restrict(libc: ctypes.CDLL, readable: Iterable[str], scratch: str | None) -> bool:
    """Allow reading beneath `readable` and writing beneath `scratch`, and nothing else of any file system.

    False where the kernel does not offer it. What it cannot refuse: to ask whether a name exists.
    """
    call = libc.syscall
    call.restype = ctypes.c_long
    abi = int(call(_CREATE, None, ctypes.c_size_t(0), 1))
    if abi < 1:
        return False
    # Bits of access that each version of the interface knows; a newer kernel's are left alone.
    bits = {1: 13, 2: 14, 3: 15, 4: 15}.get(abi, 16)
    rights = (1 << bits) - 1
    network = 3 if abi >= 4 else 0
    scoped = 3 if abi >= 6 else 0  # abstract sockets and signals outside
    attributes = struct.pack("<QQQ", rights, network, scoped)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = int(call(_CREATE, attributes, ctypes.c_size_t(size), 0))
    if ruleset < 0:
        return False
    writing = (_WRITE_FILE | _READ_FILE | _READ_DIR | _REMOVE | _MAKE | _REFER | _TRUNCATE) & rights
    try:
        for path in readable:
            _allow(call, ruleset, path, _READ_FILE | (_READ_DIR if os.path.isdir(path) else 0))
        if scratch is not None:
            _allow(call, ruleset, scratch, writing)
        return int(call(_RESTRICT, ruleset, 0)) == 0
    finally:
        os.close(ruleset)


def _allow(call: ctypes._FuncPointer, ruleset: int, path: str, access: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    call(_ADD, ruleset, 1, struct.pack("<Qi", access, handle), 0)
    # /proc makes a file anew when nobody holds it, and the rule would be about the old one.
    if not path.startswith("/proc/"):
        os.close(handle)
