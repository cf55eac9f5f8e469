"""On other processes, and on what this one is. See deeds.py."""

import ctypes
import errno
import fcntl
import os
import signal
import struct

from deed_tools import deed, raw

# -- other processes --------------------------------------------------------------------------------------------------


@deed("call")
def vfork(self):
    os.waitpid(os.posix_spawn("/bin/true", ["true"], {}, setsigmask=[]), 0)


@deed("call")
def raw_clone(self):
    # FS with a new user namespace: flags that the kernel refuses by itself, after the filter.
    return raw((56, 220), 0x00000200 | 0x10000000, 0, 0, 0, 0, accept=(errno.EINVAL,))


@deed("call")
def raw_clone3(self):
    return raw(435, struct.pack("<8Q", 0, 0, 0, 0, 0, 0, 0, 0), 1, accept=(errno.EINVAL,))


@deed("call")
def execute(self):
    return raw((59, 221), b"/nonexistent", None, None, accept=(errno.ENOENT,))


@deed("call")
def user_namespace(self):
    return raw((272, 97), 0x10000000, accept=(errno.EINVAL,))  # refused by the kernel only because threads run


@deed("call")
def signal_by_tgkill(self):
    return raw((234, 131), self.parent, self.parent, 0)


@deed("call")
def signal_by_tkill(self):
    return raw((200, 130), self.parent, 0)


@deed("call")
def signal_all(self):
    return raw((62, 129), 0, 0)


@deed("call")
def signal_queued(self):
    return raw((129, 138), os.getpid(), 0, struct.pack("<3i", 0, 0, -1) + bytes(116))


@deed("call")
def signal_by_owner(self):
    fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, self.parent)


@deed("call")
def signal_when_ready(self):
    read = os.pipe()[0]
    fcntl.fcntl(read, fcntl.F_SETFL, fcntl.fcntl(read, fcntl.F_GETFL) | 0x2000)  # O_ASYNC


@deed("call")
def handle_of_process(self):
    return raw(434, self.parent, 0)


@deed("call", sure=False)
def trace_process(self):
    return raw((101, 117), 0x4206, self.parent, 0, 0)  # PTRACE_SEIZE


@deed("call")
def processors_of_another(self):
    os.sched_getaffinity(self.parent)


@deed("call")
def processors_own(self):
    os.sched_setaffinity(0, os.sched_getaffinity(0))


@deed("call")
def scheduling(self):
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


@deed("call")
def priority_of_another(self):
    os.getpriority(os.PRIO_PROCESS, self.parent)


@deed("call")
def priority_own(self):
    os.setpriority(os.PRIO_PROCESS, 0, 5)


@deed("call")
def io_priority(self):
    return raw((252, 31), 1, self.parent)


@deed("call")
def group_of_another(self):
    os.getpgid(self.parent)


@deed("call")
def session_of_another(self):
    os.getsid(self.parent)


@deed("call")
def limits_of_another(self):
    return raw((302, 261), self.parent, 7, 0, ctypes.create_string_buffer(16))


@deed("call", sure=False)
def futexes_of_another(self):
    return raw((274, 100), self.parent, ctypes.byref(ctypes.c_void_p()), ctypes.byref(ctypes.c_size_t()))


@deed("call")
def capabilities_of_another(self):
    return raw((125, 90), struct.pack("<Ii", 0x20080522, self.parent), ctypes.create_string_buffer(24))


@deed("call")
def timeslice_of_another(self):
    return raw((148, 127), self.parent, ctypes.create_string_buffer(16))


@deed("call")
def compare_processes(self):
    return raw((312, 272), os.getpid(), os.getpid(), 1, 0, 0)


@deed("call")
def leave_group(self):
    return raw((109, 154), -1, 0, accept=(errno.ESRCH, errno.EINVAL))


# -- staying alive, taking back ---------------------------------------------------------------------------------------


@deed("call")
def outlive_parent(self):
    return raw((157, 167), 1, 0, 0, 0, 0)


@deed("call")
def be_dumpable(self):
    return raw((157, 167), 4, 1, 0, 0, 0)


@deed("call")
def adopt_orphans(self):
    return raw((157, 167), 36, 1, 0, 0, 0)


@deed("call")
def slack(self):
    return raw((157, 167), 29, 1, 0, 0, 0)


@deed("call")
def another_personality(self):
    return raw((135, 92), 0xFFFFFFFF)


@deed("call")
def alarm(self):
    signal.setitimer(signal.ITIMER_REAL, 1000)
    signal.setitimer(signal.ITIMER_REAL, 0)


@deed("call")
def timer(self):
    return raw((222, 107), 1, struct.pack("<qii", 0, 0, 1) + bytes(48), ctypes.byref(ctypes.c_int()))


@deed("call")
def another_filter(self):
    return raw((317, 277), 2, 0, struct.pack("<I", 0x7FFF0000))  # SECCOMP_GET_ACTION_AVAIL


@deed("call")
def another_landlock(self):
    return raw(444, None, 0, 1)
