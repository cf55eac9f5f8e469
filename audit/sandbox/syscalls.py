"""The system calls that an isolated process may make: reviewed one by one, everything else is refused.

Recorded with strace over every operation that Assay runs inside (imports, predictions, refits and explanations with
scikit-learn, LightGBM, XGBoost, ONNX Runtime, Arrow, shap; pages with WeasyPrint and PDFium), then cut by one
question: can it reach anything but this process's own memory, threads and open files? What can is not here, or only
with a condition on its arguments.

Numbers are (x86_64, aarch64) from the kernel's unistd tables; None where the machine has no such call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    # Not at run time: Python 3.8 has no such types.
    Numbers = tuple[int | None, int | None]
    Condition = tuple[int, int, int]
    """(argument, mask, value): allowed where the argument's low 32 bits under the mask are the value."""

ALLOWED: dict[str, Numbers] = {
    # Open files: what is done with a handle that is held already. No ftruncate, fchmod, futimens or ioctl on it.
    "read": (0, 63),
    "write": (1, 64),
    "readv": (19, 65),
    "writev": (20, 66),
    "pread64": (17, 67),
    "preadv": (295, 69),
    "lseek": (8, 62),
    "close": (3, 57),
    "close_range": (436, 436),
    "dup": (32, 23),
    "dup2": (33, None),
    "dup3": (292, 24),
    "poll": (7, None),
    "ppoll": (271, 73),
    "select": (23, None),
    "pselect6": (270, 72),
    "fstat": (5, 80),
    "fadvise64": (221, 223),
    # Names of files: importing a module asks for hundreds. They only look; what can be seen is for the empty root.
    "stat": (4, None),
    "lstat": (6, None),
    "newfstatat": (262, 79),
    "access": (21, None),
    "faccessat": (269, 48),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "getdents64": (217, 61),
    "getcwd": (79, 17),
    # Own memory, under the limit of address space. No mlock, mincore, memfd or shared memory, which lie outside it.
    "munmap": (11, 215),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "brk": (12, 214),
    # Own threads.
    "exit": (60, 93),
    "exit_group": (231, 94),
    "set_tid_address": (218, 96),
    "set_robust_list": (273, 99),
    "futex": (202, 98),
    "rseq": (334, 293),
    "arch_prctl": (158, None),
    "sched_yield": (24, 124),
    "sched_get_priority_max": (146, 125),
    "sched_get_priority_min": (147, 126),
    "getcpu": (309, 168),
    "restart_syscall": (219, 128),
    # Own signals; sending is conditional below.
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    # Clocks and sleep.
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "times": (100, 153),
    # What the process is, and how big the machine. None of these takes another process's id.
    "getrusage": (98, 165),
    "getrlimit": (97, 163),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getppid": (110, 173),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "getgroups": (115, 158),
    "getresuid": (118, 148),
    "getresgid": (120, 150),
    "uname": (63, 160),
    "sysinfo": (99, 179),
    "getrandom": (318, 278),
    # Between own threads: event loops of libraries. A pipe holds 64 KiB (its growing is an fcntl that is refused),
    # and the number of open files is limited.
    "pipe": (22, None),
    "pipe2": (293, 59),
    "eventfd2": (290, 19),
    "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21),
    "epoll_wait": (232, None),
    "epoll_pwait": (281, 22),
}

SCRATCH: dict[str, Numbers] = {
    # Only for a process that is given a folder to write in, and with walls around that folder.
    "pwrite64": (18, 68),
    "ftruncate": (77, 46),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rmdir": (84, None),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "fstatfs": (138, 44),
    "umask": (95, 166),
}

ABSENT: dict[str, Numbers] = {
    # Answered "no such call" rather than "not permitted": libraries then take the older way, which is allowed.
    # Every number from 424 on that is not allowed is answered so too.
    "statx": (332, 291),
    "memfd_create": (319, 279),
    "copy_file_range": (326, 285),
    "membarrier": (324, 283),
    "get_mempolicy": (239, 236),
    "sched_getaffinity": (204, 123),  # of any other process than this one
    "userfaultfd": (323, 282),
}
FIRST_NEW = 424

OPEN, OPENAT = (2, None), (257, 56)
_READING = ~(0x100 | 0x800 | 0x4000 | 0x8000 | 0x10000 | 0x20000 | 0x80000) & 0xFFFFFFFF
# Only NOCTTY, NONBLOCK, DIRECT, LARGEFILE, DIRECTORY, NOFOLLOW (whose bits differ by machine) and CLOEXEC: not
# CREAT, TRUNC, APPEND, TMPFILE, NOATIME or any way of writing.

_CLONE_THREAD = 0x00010000 | 0x00000100 | 0x00000800  # THREAD, VM, SIGHAND: nothing less is a thread
_CLONE_NEW = 0x7E020000 | 0x00000080  # namespaces
_FILE_FLAGS = ~(0x3 | 0x400 | 0x800 | 0x8000 | 0x20000) & 0xFFFFFFFF  # NONBLOCK, APPEND; never ASYNC, which signals


def conditional(pid: int, scratch: bool) -> list[tuple[Numbers, Sequence[Sequence[Condition]]]]:
    """Calls with conditions: allowed where all of one alternative's hold.

    An argument is compared by its low half: each of these is an int or an unsigned int to the kernel, but for
    prlimit's pointer, of which both halves are compared (as arguments 2 and -2).
    """
    return [
        (OPEN, [[(1, 0 if scratch else _READING, 0)]]),
        (OPENAT, [[(2, 0 if scratch else _READING, 0)]]),
        # A thread may start, a process may not, nor a namespace. clone3, whose flags no filter can read, is absent.
        ((56, 220), [[(0, _CLONE_THREAD | _CLONE_NEW, _CLONE_THREAD)]]),
        # Memory from the machine's pool of huge pages is not counted where it should be.
        ((9, 222), [[(3, 0x40000, 0)]]),
        # Signals reach this process only.
        ((62, 129), [[(0, 0xFFFFFFFF, pid)]]),
        ((234, 131), [[(0, 0xFFFFFFFF, pid)]]),
        ((204, 123), [[(0, 0xFFFFFFFF, 0)], [(0, 0xFFFFFFFF, pid)]]),
        # Limits may be read, and not set; of this process.
        (
            (302, 261),
            [[(0, 0xFFFFFFFF, who), (2, 0xFFFFFFFF, 0), (-2, 0xFFFFFFFF, 0)] for who in (0, pid)],
        ),
        # prctl: a thread's name, a name for memory. Never PDEATHSIG, DUMPABLE, SECCOMP and the rest.
        ((157, 167), [[(0, 0xFFFFFFFF, option)] for option in (15, 16, 0x53564D41)]),
        # ioctl: TCGETS and TIOCGWINSZ (is it a terminal?), FIONREAD, FIONBIO, FIONCLEX, FIOCLEX. Never FS_IOC_*.
        (
            (16, 29),
            [[(1, 0xFFFFFFFF, what)] for what in (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)],
        ),
        # fcntl: DUPFD, GETFD, SETFD, GETFL, DUPFD_CLOEXEC, and SETFL. Never locks, leases, owners, F_NOTIFY, pipe size.
        (
            (72, 25),
            [[(1, 0xFFFFFFFF, what)] for what in (0, 1, 2, 3, 1030)] + [[(1, 0xFFFFFFFF, 4), (2, _FILE_FLAGS, 0)]],
        ),
    ]
