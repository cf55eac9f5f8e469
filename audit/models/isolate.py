"""What a model's process may not do. Applied by the child to itself before numpy is imported, so that every thread
that any library starts later inherits it; then each claim is tried out, and only what held is reported.

- rlimits: address space, processor time, size of files, open files, no core dump.
- no_new_privs, all capabilities dropped, death with the parent.
- namespaces: a network namespace of its own without any interface, where the kernel lets a user make one.
- Landlock (Linux 5.13+): reading inside the interpreter and its libraries, nothing else; no writing anywhere.
- seccomp (x86_64, aarch64): no sockets, no new processes, no exec, no signals to others, no
  view of other processes.

Landlock and namespaces follow the kernel's Documentation/userspace-api/landlock.rst and namespaces(7), the filter
Documentation/userspace-api/seccomp_filter.rst. Imports are the standard library's small ones only.
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
from collections.abc import Iterable, Sequence

_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 24, 38
_CLONE_THREAD = 0x00010000

# System calls by name: (x86_64, aarch64); None where the machine has no such call. From the kernel's unistd tables.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    "recvmsg": (47, 212),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "setrlimit": (160, 164),
    "setpgid": (109, 154),
    "setsid": (112, 157),
    "setpriority": (141, 140),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "sethostname": (170, 161),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "utimensat": (280, 88),
}
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_CLONE = (56, 220)
_CLONE3 = 435
_KILL, _TGKILL, _PRLIMIT64 = (62, 129), (234, 131), (302, 261)


def apply(*, memory_bytes: int, cpu_seconds: int, file_size_bytes: int, readable: Sequence[str]) -> tuple[str, ...]:
    """Isolate this process for good; returns the short words of what held when tried.

    `readable`: folders and files that may be read beside the interpreter's own. Raises nothing: what a kernel does
    not offer is missing from the answer.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    held = ["process"]
    if _limit(memory_bytes, cpu_seconds, file_size_bytes):
        held.append("rlimits")
    # A fresh user namespace is what lets an ordinary user make a network namespace.
    namespace = any(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | more) == 0 for more in (_CLONE_NEWIPC, 0))
    _drop_capabilities(libc)
    calm = libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    landlock = calm and _landlock(libc, readable)
    seccomp = calm and _seccomp(libc)
    held += _tried(namespace, landlock, seccomp)
    return tuple(held)


def _limit(memory_bytes: int, cpu_seconds: int, file_size_bytes: int) -> bool:
    wanted = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_FSIZE: file_size_bytes,
        resource.RLIMIT_NOFILE: 256,
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


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    for capability in range(64):
        if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break
    header = struct.pack("<Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
    libc.capset(header, struct.pack("<6I", *[0] * 6))


_FILE_RIGHTS = (1 << 0) | (1 << 2) | (1 << 14) | (1 << 1)  # execute, read file, truncate, write file
_READ, _READ_DIR = 1 << 2, 1 << 3


def _landlock(libc: ctypes.CDLL, readable: Iterable[str]) -> bool:
    call = libc.syscall
    call.restype = ctypes.c_long
    abi = int(call(444, None, ctypes.c_size_t(0), 1))  # landlock_create_ruleset, its version
    if abi < 1:
        return False
    # Bits of access that each version of the interface knows; a newer kernel's are left alone.
    bits = {1: 13, 2: 14, 3: 15, 4: 15}.get(abi, 16)
    rights = (1 << bits) - 1
    network = 3 if abi >= 4 else 0
    scoped = 3 if abi >= 6 else 0
    attributes = struct.pack("<QQQ", rights, network, scoped)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = int(call(444, attributes, ctypes.c_size_t(size), 0))
    if ruleset < 0:
        return False
    try:
        for path in readable:
            with contextlib.suppress(OSError):
                handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
                try:
                    allowed = _READ | _READ_DIR if os.path.isdir(path) else _READ
                    call(445, ruleset, 1, struct.pack("<Qi", allowed, handle), 0)  # add a rule beneath the path
                finally:
                    os.close(handle)
        return int(call(446, ruleset, 0)) == 0  # landlock_restrict_self
    finally:
        os.close(ruleset)


def _instruction(code: int, jump_true: int, jump_false: int, value: int) -> bytes:
    return struct.pack("<HBBI", code, jump_true, jump_false, value & 0xFFFFFFFF)


def filter_program(machine: str, pid: int) -> bytes | None:
    """The seccomp filter for `machine` as the kernel's struct sock_filter; None where the machine is not known.

    Denied calls answer EPERM; clone3 answers ENOSYS, so that the C library falls back to clone, whose flags a
    filter can read. A program of another architecture, or of the x32 interface, is killed.
    """
    if machine not in _MACHINES:
        return None
    column, architecture = _MACHINES[machine]
    load, equal, at_least, test, give = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, kill, deny = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
    number, arch, arguments = 0, 4, 16
    program = [
        _instruction(load, 0, 0, arch),
        _instruction(equal, 1, 0, architecture),
        _instruction(give, 0, 0, kill),
        _instruction(load, 0, 0, number),
    ]
    if machine == "x86_64":
        program += [_instruction(at_least, 0, 1, 0x40000000), _instruction(give, 0, 0, kill)]
    for pair in _DENIED.values():
        call = pair[column]
        if call is not None:
            program += [_instruction(equal, 0, 1, call), _instruction(give, 0, 0, deny)]
    program += [_instruction(equal, 0, 1, _CLONE3), _instruction(give, 0, 0, 0x00050000 | errno.ENOSYS)]
    # A thread may start, a process may not.
    program += [
        _instruction(equal, 0, 4, _CLONE[column]),
        _instruction(load, 0, 0, arguments),
        _instruction(test, 1, 0, _CLONE_THREAD),
        _instruction(give, 0, 0, deny),
        _instruction(give, 0, 0, allow),
    ]
    # Signals reach this process only.
    for pair in (_KILL, _TGKILL):
        program += [
            _instruction(equal, 0, 4, pair[column]),
            _instruction(load, 0, 0, arguments),
            _instruction(equal, 1, 0, pid),
            _instruction(give, 0, 0, deny),
            _instruction(give, 0, 0, allow),
        ]
    # Limits may be read, and not set: the third argument points at a new limit.
    program += [
        _instruction(equal, 0, 6, _PRLIMIT64[column]),
        _instruction(load, 0, 0, arguments + 16),
        _instruction(equal, 0, 3, 0),
        _instruction(load, 0, 0, arguments + 20),
        _instruction(equal, 0, 1, 0),
        _instruction(give, 0, 0, allow),
        _instruction(give, 0, 0, deny),
    ]
    program.append(_instruction(give, 0, 0, allow))
    return b"".join(program)


def _seccomp(libc: ctypes.CDLL) -> bool:
    program = filter_program(platform.machine(), os.getpid())
    if program is None:
        return False

    class _Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    held = ctypes.create_string_buffer(program, len(program))
    prog = _Program(len(program) // 8, ctypes.cast(held, ctypes.c_void_p))
    return int(libc.prctl(_PR_SET_SECCOMP, 2, ctypes.byref(prog), 0, 0)) == 0


def _tried(namespace: bool, landlock: bool, seccomp: bool) -> list[str]:
    """The claims that hold when tried here and now."""
    words = []
    network = []
    if namespace and _interfaces() <= {"lo"}:
        network.append("namespace")
    if seccomp and _socket_refused():
        network.append("seccomp")
    if network:
        words.append("no-network: " + "+".join(network))
    if seccomp and _fork_refused():
        words.append("no-processes: seccomp")
    if landlock and _files_refused():
        words.append("files: landlock")
    return words


def _interfaces() -> set[str]:
    try:
        return {name for _, name in socket.if_nameindex()}
    except OSError:
        # A filter that refuses the socket this needs leaves nothing to reach either.
        return set()


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


def _files_refused() -> bool:
    for path, flags in (("/etc/passwd", os.O_RDONLY), ("/proc/self/environ", os.O_RDONLY), ("/tmp", os.O_RDONLY)):
        try:
            os.close(os.open(path, flags))
        except PermissionError:
            continue
        except OSError:
            continue
        return False
    return True
