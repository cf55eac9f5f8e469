"""The kernel's filter of system calls, made from the lists of syscalls.py: default deny.

Follows Documentation/userspace-api/seccomp_filter.rst. Whatever is not allowed answers EPERM, or ENOSYS where
libraries know an older way. Nothing is gained by ending the process instead: a refused call has no effect, and a
model that stumbles over one gives a message. Another architecture's calls (int 0x80, the x32 interface) end it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from typing import TYPE_CHECKING

from .syscalls import ABSENT, ALLOWED, FIRST_NEW, SCRATCH, conditional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .syscalls import Condition

_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_LOAD, _EQUAL, _AT_LEAST, _AND, _GIVE = 0x20, 0x15, 0x35, 0x54, 0x06
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_PR_SET_SECCOMP, _FILTER = 22, 2


def _instruction(code: int, jump_true: int, jump_false: int, value: int) -> bytes:
    return struct.pack("<HBBI", code, jump_true, jump_false, value & 0xFFFFFFFF)


def _alternative(conditions: Sequence[Condition]) -> list[bytes]:
    """Allow where all hold; fall through where one does not."""
    block: list[bytes] = []
    for index, mask, value in conditions:
        at = _ARGUMENTS + 8 * abs(index) + (4 if index < 0 else 0)
        block += [_instruction(_LOAD, 0, 0, at), _instruction(_AND, 0, 0, mask), _instruction(_EQUAL, 0, 0, value)]
    block.append(_instruction(_GIVE, 0, 0, _ALLOW))
    for at in range(2, len(block) - 1, 3):  # the comparisons, whose failure leaves the block
        value = struct.unpack("<HBBI", block[at])[3]
        block[at] = _instruction(_EQUAL, 0, len(block) - at - 1, value)
    return block


def filter_program(machine: str, pid: int, scratch: bool = False) -> bytes | None:
    """The filter for `machine` and the process `pid` as the kernel's struct sock_filter; None for other machines."""
    if machine not in _MACHINES:
        return None
    column, architecture = _MACHINES[machine]
    deny, absent = _ERROR | errno.EPERM, _ERROR | errno.ENOSYS
    program = [
        _instruction(_LOAD, 0, 0, _ARCHITECTURE),
        _instruction(_EQUAL, 1, 0, architecture),
        _instruction(_GIVE, 0, 0, _KILL),
        _instruction(_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        program += [_instruction(_AT_LEAST, 0, 1, 0x40000000), _instruction(_GIVE, 0, 0, _KILL)]
    for allowed in list(ALLOWED.values()) + (list(SCRATCH.values()) if scratch else []):
        if allowed[column] is not None:
            program += [_instruction(_EQUAL, 0, 1, allowed[column] or 0), _instruction(_GIVE, 0, 0, _ALLOW)]
    missing = {numbers[column] for numbers in ABSENT.values()}
    for numbers, alternatives in conditional(pid, scratch):
        number = numbers[column]
        if number is None:
            continue
        block = [part for conditions in alternatives for part in _alternative(conditions)]
        block.append(_instruction(_GIVE, 0, 0, absent if number in missing else deny))
        program += [_instruction(_EQUAL, 0, len(block), number), *block]
    for number in sorted(n for n in missing if n is not None):
        program += [_instruction(_EQUAL, 0, 1, number), _instruction(_GIVE, 0, 0, absent)]
    program += [
        _instruction(_AT_LEAST, 0, 1, FIRST_NEW),
        _instruction(_GIVE, 0, 0, absent),
        _instruction(_GIVE, 0, 0, deny),
    ]
    return b"".join(program)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def restrict(libc: ctypes.CDLL, scratch: bool) -> bool:
    """Put the filter over this thread and all that it starts. False where the kernel or the machine has none."""
    program = filter_program(platform.machine(), os.getpid(), scratch)
    if program is None:
        return False
    held = ctypes.create_string_buffer(program, len(program))
    prog = _Program(len(program) // 8, ctypes.cast(held, ctypes.c_void_p))
    return int(libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(prog), 0, 0)) == 0
