"""What an isolated process may not do. Applied by it to itself while it has one thread, so that every thread that any
library starts later inherits it; each claim is tried out, and only what held is reported.

- rlimits: address space, processor time, size of files, open files, locked memory, no core dump.
- no_new_privs, all capabilities dropped, death with the parent (which the filter then keeps it from taking back).
- namespaces: no network interface, and an empty root with what is needed mounted in it (mounts.py).
- Landlock: reading inside the interpreter and its libraries, nothing else (landlock.py).
- seccomp: the calls on the list and no others (seccomp.py).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import resource
import signal
import socket
import struct
from collections.abc import Sequence

from . import landlock, mounts, seccomp

MECHANISMS = ("namespaces", "landlock", "seccomp")
_THREADS = 512
_PR_SET_PDEATHSIG, _PR_GET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 2, 4, 24, 38


def apply(
    *,
    memory_bytes: int,
    cpu_seconds: int,
    file_size_bytes: int,
    readable: Sequence[str],
    scratch: str | None = None,
    mechanisms: Sequence[str] = MECHANISMS,
) -> tuple[str, ...]:
    """Isolate this process for good; returns the short words of what held when tried.

    readable: absolute names of folders and files that may be read. scratch: a folder that may be written in; with
    namespaces it is a small file system in memory that ends with the process, and with the filter alone it cannot be
    written in after all. mechanisms: which layers are tried;
    all, but where a test looks at one alone. What a kernel does not offer is missing from the answer.

    Raises RuntimeError where the process has threads already: they would stay outside.
    """
    if len(os.listdir("/proc/self/task")) != 1:
        raise RuntimeError("a thread was started before the isolation and would escape it")
    libc = ctypes.CDLL(None, use_errno=True)
    held = ["process"]
    if _limit(memory_bytes, cpu_seconds, file_size_bytes):
        held.append("rlimits")
    network = root = False
    if "namespaces" in mechanisms:
        network, root = mounts.separate(libc)
        root = root and mounts.empty_root(libc, platform.machine(), readable, scratch)
        root = root and _nothing_else_is_here([*readable, *([scratch] if scratch else [])])
        if network:
            _limit_threads()
        network = network and _interfaces() <= {"lo"}
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    _drop_capabilities(libc)
    # Last of these: a change of credentials can take it back.
    ends = libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0 and _ends_with_parent(libc)
    calm = libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    listed = calm and "landlock" in mechanisms and landlock.restrict(libc, readable, scratch) and _root_is_closed()
    # Without walls around that folder, leave to write would be leave to write anywhere.
    writing = scratch is not None and (root or listed)
    filtered = calm and "seccomp" in mechanisms and seccomp.restrict(libc, writing)
    filtered = filtered and _calls_are_refused(libc)
    held += _words("no-network", namespace=network, seccomp=filtered and _socket_refused())
    held += _words("no-processes", seccomp=filtered and _fork_refused())
    held += _words("files", namespace=root, landlock=listed)
    held += _words("names", namespace=root)
    held += _words("calls", allowlist=filtered)
    held += _words("ends-with-parent", kernel=ends)
    return tuple(held)


def _words(claim: str, **by: bool) -> list[str]:
    names = [name for name, holds in by.items() if holds]
    return [f"{claim}: {'+'.join(names)}"] if names else []


def _limit(memory_bytes: int, cpu_seconds: int, file_size_bytes: int) -> bool:
    wanted = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_FSIZE: file_size_bytes,
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_CORE: 0,
    }
    try:
        for kind, value in wanted.items():
            hard = resource.getrlimit(kind)[1]
            # Over the soft limit of processor time the kernel sends SIGXCPU, whose name can be told from other ends;
            # whoever ignores it meets the hard limit.
            above = value + 5 if kind == resource.RLIMIT_CPU else value
            if hard != resource.RLIM_INFINITY:
                value, above = min(value, hard), min(above, hard)
            resource.setrlimit(kind, (value, above))
    except (OSError, ValueError):
        return False
    return all(resource.getrlimit(kind)[0] <= value for kind, value in wanted.items())


def _limit_threads() -> None:
    """In a user namespace of its own the kernel counts this process's threads alone (Linux 5.14+; before that, all of
    the person's). It lets the superuser go on all the same."""
    release = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2] if part.isdigit())
    if release >= (5, 14):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NPROC, (_THREADS, _THREADS))


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    for capability in range(64):
        if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break
    header = struct.pack("<Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
    libc.capset(header, struct.pack("<6I", *[0] * 6))


# -- the claims, each tried right after what it rests on -------------------------------------------------------------


def _nothing_else_is_here(paths: Sequence[str]) -> bool:
    """In the new root, only the first parts of the names that were asked for (and of where their links lead)."""
    links, binds = mounts.plan(paths)
    return set(os.listdir("/")) <= {name.split("/")[1] for name in [*paths, *links, *binds]}


def _interfaces() -> set:  # type: ignore[type-arg]
    try:
        return {name for _, name in socket.if_nameindex()}
    except OSError:
        return {"unknown"}


def _ends_with_parent(libc: ctypes.CDLL) -> bool:
    signal_number = ctypes.c_int(0)
    libc.prctl(_PR_GET_PDEATHSIG, ctypes.byref(signal_number), 0, 0, 0)
    return signal_number.value == signal.SIGKILL


def _root_is_closed() -> bool:
    """Landlock refuses to list the root, which nobody asked to read and everybody may."""
    try:
        os.listdir("/")
    except PermissionError:
        return True
    return False


def _calls_are_refused(libc: ctypes.CDLL) -> bool:
    """Calls with arguments that make no sense: the filter answers before the kernel looks at them, with its own
    errors, where the calls themselves would say EBADF, EFAULT or EINVAL."""
    tries = {
        "utimensat": {"x86_64": 280, "aarch64": 88},
        "setxattr": {"x86_64": 188, "aarch64": 5},
        "memfd_create": {"x86_64": 319, "aarch64": 279},
        "mount": {"x86_64": 165, "aarch64": 40},
        "sched_setaffinity": {"x86_64": 203, "aarch64": 122},
    }
    for numbers in tries.values():
        number = numbers.get(platform.machine(), -1)
        ctypes.set_errno(0)
        if libc.syscall(number, -1, 0, -1, 0, -1) != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
            return False
    ctypes.set_errno(0)
    return int(libc.prctl(_PR_SET_PDEATHSIG, -1, 0, 0, 0)) == -1 and ctypes.get_errno() == errno.EPERM


def _socket_refused() -> bool:
    try:
        socket.socket().close()
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _fork_refused() -> bool:
    try:
        child = os.fork()
    except PermissionError:
        return True
    except OSError:
        return False
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return False
