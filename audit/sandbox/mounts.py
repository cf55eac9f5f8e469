"""Namespaces of a process's own, and in them an empty root that holds what may be read and nothing else.

What is not mounted cannot be named: no stat, no watch, no list of people's files. Follows namespaces(7),
user_namespaces(7), pivot_root(2), mount_setattr(2). Everything here happens in this process's own view.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Mapping, Sequence

_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWNET = 0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x40000000
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _BIND, _REC, _PRIVATE, _DETACH = 1, 2, 4, 8, 0x1000, 0x4000, 1 << 18, 2
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE = 442, -100, 0x8000
_PLACES = ("/tmp", "/mnt", "/var/tmp", "/run", "/home", "/usr")
SCRATCH_BYTES = 256 * 2**20


def separate(libc: ctypes.CDLL) -> tuple[bool, bool]:
    """Move this process into namespaces of its own: (a network without any interface, mounts of its own)."""
    user, group = os.getuid(), os.getgid()
    # A fresh user namespace is what lets an ordinary user make the others.
    for more in (_NEWNS | _NEWIPC | _NEWUTS, _NEWNS, 0):
        if libc.unshare(_NEWUSER | _NEWNET | more) == 0:
            break
    else:
        return False, False
    try:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as stream:
                stream.write(text)
    except OSError:
        return True, False
    return True, bool(more)


def plan(paths: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The symbolic links on the way to `paths` (with their targets), and the real places to mount."""
    links: dict[str, str] = {}
    real: list[str] = []
    for path in paths:
        at, parts, hops = "/", path.split("/"), 0
        while parts and hops < 40:
            part = parts.pop(0)
            here = os.path.join(at, part)
            if part in ("", "."):
                continue
            if part == "..":
                at = os.path.dirname(at)
            elif os.path.islink(here):
                hops += 1
                links[here] = os.readlink(here)
                at = "/" if links[here].startswith("/") else at
                parts = links[here].split("/") + parts
            else:
                at = here
        if at != "/" and os.path.exists(at):
            real.append(at)
    binds = [p for p in dict.fromkeys(sorted(real)) if not _beneath(os.path.dirname(p), real)]
    return {link: to for link, to in links.items() if not _beneath(os.path.dirname(link), binds)}, binds


def _beneath(path: str, places: Sequence[str]) -> bool:
    return any(path == p or path.startswith(p + "/") for p in places)


def empty_root(libc: ctypes.CDLL, machine: str, readable: Sequence[str], scratch: str | None) -> bool:
    """Put an empty root in the place of the old one, with `readable` mounted in it, read only, and an own, bounded
    file system in memory at `scratch`. False where that failed; then the old view is as it was.
    """
    links, binds = plan(readable)
    base = next((p for p in _PLACES if os.path.isdir(p)), None)
    if base is None or machine not in _PIVOT_ROOT:
        return False
    handles: dict[str, int] = {}
    mounted = False
    try:
        # Held before the mount below, which may hide some of them.
        for path in binds:
            handles[path] = os.open(path, os.O_PATH | os.O_CLOEXEC)
        _mount(libc, "none", "/", None, _REC | _PRIVATE)
        _mount(libc, "tmpfs", base, "tmpfs", _NOSUID | _NODEV, "size=4m,mode=0755")
        mounted = True
        _fill(libc, base, handles, links)
        if scratch is not None:
            os.makedirs(base + scratch, exist_ok=True)
        _read_only(libc, base, [base, *(base + p for p in binds)])
        if scratch is not None:
            flags = _NOSUID | _NODEV | _NOEXEC
            _mount(libc, "tmpfs", base + scratch, "tmpfs", flags, f"size={SCRATCH_BYTES},mode=0700")
        _change_root(libc, machine, base)
    except OSError:
        if mounted:
            os.chdir("/")
            libc.umount2(base.encode(), _DETACH)
        return False
    finally:
        for handle in handles.values():
            os.close(handle)
    return True


def _fill(libc: ctypes.CDLL, base: str, handles: Mapping[str, int], links: Mapping[str, str]) -> None:
    for path, handle in handles.items():
        _create_mountpoint(libc, base, path, handle)
    for link, target in sorted(links.items()):
        os.makedirs(os.path.dirname(base + link), exist_ok=True)
        if not os.path.lexists(base + link):
            os.symlink(target, base + link)


def _change_root(libc: ctypes.CDLL, machine: str, base: str) -> None:
    """The old root on top of the new one, then away with it: pivot_root(2), "." twice."""
    os.chdir(base)
    if libc.syscall(_PIVOT_ROOT[machine], b".", b".") != 0:
        raise OSError(ctypes.get_errno(), "pivot_root")
    if libc.umount2(b".", _DETACH) != 0:
        raise OSError(ctypes.get_errno(), "umount2")
    os.chdir("/")


def _create_mountpoint(libc: ctypes.CDLL, base: str, path: str, handle: int) -> None:
    if os.path.isdir(f"/proc/self/fd/{handle}"):
        os.makedirs(base + path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(base + path), exist_ok=True)
        os.close(os.open(base + path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o400))
    _mount(libc, f"/proc/self/fd/{handle}", base + path, None, _BIND | _REC)


def _read_only(libc: ctypes.CDLL, base: str, places: Sequence[str]) -> None:
    attributes = struct.pack("<QQQQ", _RDONLY | _NOSUID, 0, 0, 0)
    size = ctypes.c_size_t(len(attributes))
    if libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, base.encode(), _AT_RECURSIVE, attributes, size) == 0:
        return
    for place in places:  # before Linux 5.12; flags that a mount already has must be given again
        kept = os.statvfs(place).f_flag & (_NODEV | _NOEXEC)
        _mount(libc, "none", place, None, _BIND | 32 | _RDONLY | _NOSUID | kept)


def _mount(libc: ctypes.CDLL, source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    arguments = (source.encode(), target.encode(), kind.encode() if kind else None)
    if libc.mount(*arguments, ctypes.c_ulong(flags), data.encode() or None) != 0:
        raise OSError(ctypes.get_errno(), "mount", target)
