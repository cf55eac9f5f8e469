"""What a hostile model may try through raw system calls, one function a deed.

A deed gives True (or nothing) where it succeeded, False or an OSError where it was refused, and ABSENT where there is
no such call: in this kernel, or by the filter's word. `self.near` is a folder that the process may read
at every level, `self.folder` and `self.secret` one that it should not even see, `self.parent` another process.

Kinds: "call" (no level with the filter lets it through), "read" (contents outside), "name" (what exists outside).
"""

import ctypes
import errno
import fcntl
import os
import platform
import signal
import struct
import threading
import time

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
    given = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    got = LIBC.syscall(ctypes.c_long(number), *given)
    if got >= 0 or ctypes.get_errno() in accept:
        return True
    return ABSENT if ctypes.get_errno() in (errno.ENOSYS, errno.EOPNOTSUPP) else False


def near(self, name="victim.txt"):
    return os.path.join(self.near, name).encode()


def reading(self):
    return os.open(near(self), os.O_RDONLY)


# -- times, attributes, modes, owners of a file that may be read ------------------------------------------------------


@deed("call", True)
def utimensat_by_name(self):
    return raw((280, 88), AT, near(self), struct.pack("<4q", 1, 0, 1, 0), 0)


@deed("call", True)
def utimensat_by_handle(self):
    return raw((280, 88), reading(self), None, struct.pack("<4q", 2, 0, 2, 0), 0)


@deed("call", True)
def os_utime(self):
    os.utime(near(self), (3, 3))


@deed("call", True)
def utime(self):
    return raw((132, None), near(self), struct.pack("<2q", 4, 4))


@deed("call", True)
def utimes(self):
    return raw((235, None), near(self), struct.pack("<4q", 5, 0, 5, 0))


@deed("call", True)
def futimesat(self):
    return raw((261, None), AT, near(self), struct.pack("<4q", 6, 0, 6, 0))


@deed("call", True)
def setxattr(self):
    return raw((188, 5), near(self), b"user.a", b"x", 1, 0)


@deed("call", True)
def lsetxattr(self):
    return raw((189, 6), near(self), b"user.b", b"x", 1, 0)


@deed("call", True)
def fsetxattr(self):
    return raw((190, 7), reading(self), b"user.c", b"x", 1, 0)


@deed("call", True)
def setxattrat(self):
    value = ctypes.create_string_buffer(b"x", 1)
    return raw(463, AT, near(self), 0, b"user.d", struct.pack("<QII", ctypes.addressof(value), 1, 0), 16)


@deed("call", True)
def removexattr(self):
    return raw((197, 14), near(self), b"user.given")


@deed("call", True)
def lremovexattr(self):
    return raw((198, 15), near(self), b"user.given")


@deed("call", True)
def fremovexattr(self):
    return raw((199, 16), reading(self), b"user.given")


@deed("call", True)
def removexattrat(self):
    return raw(466, AT, near(self), 0, b"user.given")


@deed("call")
def getxattr(self):
    return raw((191, 8), near(self), b"user.given", ctypes.create_string_buffer(8), 8)


@deed("call", True)
def file_setattr(self):
    return raw(469, AT, near(self), struct.pack("<QIIIII", 0x80, 0, 0, 0, 0, 0)[:24], 24, 0)


@deed("call", True)
def flags_by_ioctl(self):
    fcntl.ioctl(reading(self), 0x40086602, struct.pack("<q", 0x40))  # FS_IOC_SETFLAGS, NODUMP


@deed("call", True)
def chmod(self):
    return raw((90, None), near(self), 0o600)


@deed("call", True)
def fchmod(self):
    return raw((91, 52), reading(self), 0o600)


@deed("call", True)
def fchmodat(self):
    return raw((268, 53), AT, near(self), 0o600)


@deed("call", True)
def fchmodat2(self):
    return raw(452, AT, near(self), 0o600, 0)


@deed("call")
def chown(self):
    return raw((260, 54), AT, near(self), os.getuid(), os.getgid(), 0)


@deed("call")
def fchown(self):
    return raw((93, 55), reading(self), os.getuid(), os.getgid())


# -- contents and names -----------------------------------------------------------------------------------------------


def opened(self, flags, name="victim.txt"):
    os.close(os.open(near(self, name), flags, 0o600))


@deed("call")
def open_to_write(self):
    opened(self, os.O_WRONLY)


@deed("call")
def open_to_read_and_write(self):
    opened(self, os.O_RDWR)


@deed("call", True)
def open_and_truncate_reading(self):
    opened(self, os.O_RDONLY | os.O_TRUNC)


@deed("call", True)
def create(self):
    opened(self, os.O_RDONLY | os.O_CREAT, "made")


@deed("call")
def nameless_file(self):
    os.close(os.open(self.near, os.O_TMPFILE | os.O_RDWR, 0o600))


@deed("call", True)
def creat(self):
    return raw((85, None), near(self, "made"), 0o600)


@deed("call", True)
def openat2(self):
    return raw(437, AT, near(self, "made"), struct.pack("<3Q", os.O_CREAT | os.O_RDWR, 0o600, 0), 24)


@deed("call", True)
def truncate(self):
    return raw((76, 45), near(self), 1)


@deed("call", True)
def link(self):
    os.link(near(self), near(self, "made"))


@deed("call", True)
def symlink(self):
    os.symlink(near(self), near(self, "made"))


@deed("call", True)
def rename(self):
    os.rename(near(self), near(self, "made"))


@deed("call", True)
def renameat2_exchange(self):
    return raw((316, 276), AT, near(self), AT, near(self, "other.txt"), 2)


@deed("call", True)
def mkdir(self):
    os.mkdir(near(self, "made"))


@deed("call", True)
def mkfifo(self):
    os.mkfifo(near(self, "made"))


@deed("call", True)
def unlink(self):
    os.unlink(near(self))


@deed("call", True)
def rmdir(self):
    os.rmdir(near(self, "folder"))


@deed("call")
def lock(self):
    fcntl.flock(reading(self), fcntl.LOCK_EX | fcntl.LOCK_NB)


@deed("call")
def lock_range(self):
    fcntl.lockf(reading(self), fcntl.LOCK_SH | fcntl.LOCK_NB)


@deed("call", sure=False)
def lease(self):
    fcntl.fcntl(reading(self), 1024, fcntl.F_RDLCK)


@deed("call")
def watch_by_signal(self):
    fcntl.fcntl(os.open(self.near, os.O_RDONLY), 1026, 2)  # F_NOTIFY


@deed("call")
def inotify(self):
    got = LIBC.inotify_init1(0)
    return got >= 0 and LIBC.inotify_add_watch(got, near(self), 2) >= 0


@deed("call")
def file_handle(self):
    return raw(
        (303, 264),
        AT,
        near(self),
        struct.pack("<Ii", 0, 0) + bytes(128),
        ctypes.byref(ctypes.c_int()),
        0,
        accept=(errno.EOVERFLOW,),
    )


@deed("call")
def free_space(self):
    os.statvfs("/")


@deed("call")
def flush_disks(self):
    return raw((306, 267), reading(self))


@deed("call")
def change_folder(self):
    os.chdir(self.near)


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


# -- memory outside the limit -----------------------------------------------------------------------------------------


@deed("call")
def files_in_memory(self):
    """200 MiB that no limit of address space counts."""
    handles = [os.memfd_create("x") for _ in range(200)]
    for handle in handles:
        os.write(handle, bytes(2**20))
    for handle in handles:
        os.close(handle)


@deed("call")
def secret_memory(self):
    return raw(447, 0)


@deed("call")
def shared_memory(self):
    got = LIBC.shmget(0, 2**20, 0o600)
    if got >= 0:
        LIBC.shmctl(got, 0, None)
    return got >= 0


@deed("call")
def message_queue(self):
    got = LIBC.msgget(0, 0o600)
    if got >= 0:
        LIBC.msgctl(got, 0, None)
    return got >= 0


@deed("call")
def semaphores(self):
    got = LIBC.semget(0, 1, 0o600)
    if got >= 0:
        LIBC.semctl(got, 0, 0)
    return got >= 0


@deed("call")
def posix_queue(self):
    name = f"q{os.getpid()}".encode()
    got = raw((240, 180), name, os.O_CREAT | os.O_RDWR, 0o600, None, accept=(errno.EMFILE,))
    raw((241, 181), name)
    return got


@deed("call")
def huge_pages(self):
    got = LIBC.mmap(None, ctypes.c_size_t(2**21), 3, 0x22 | 0x40000, -1, ctypes.c_long(0))
    return got != ctypes.c_void_p(-1).value or (ABSENT if ctypes.get_errno() == errno.ENOMEM else False)


@deed("call")
def grow_pipe(self):
    fcntl.fcntl(os.pipe()[1], 1031, 2**20)


@deed("call")
def page_cache(self):
    page = ctypes.create_string_buffer(8192)
    start = (ctypes.addressof(page) + 4095) // 4096 * 4096
    return raw((27, 232), start, 4096, ctypes.create_string_buffer(1))


# -- the rest of the kernel -------------------------------------------------------------------------------------------


def socket_of(family, kind):
    import socket

    socket.socket(family, kind).close()


@deed("call")
def netlink(self):
    socket_of(16, 3)


@deed("call")
def packet_to_nowhere(self):
    socket_of(2, 2)


@deed("call")
def abstract_socket(self):
    import socket

    with socket.socket(socket.AF_UNIX) as line:
        line.bind(b"\0assay-test-%d" % os.getpid())


@deed("call")
def ring(self):
    return raw(425, 1, ctypes.create_string_buffer(120), accept=(errno.ENOMEM,))


@deed("call")
def fault_handler(self):
    return raw((323, 282), 1)


@deed("call")
def keys(self):
    return raw((250, 219), 0, -3, 0)


@deed("call")
def move_through_pipe(self):
    return raw((275, 76), reading(self), 0, os.pipe()[1], 0, 1, 0)


@deed("call")
def give_memory_to_pipe(self):
    block = ctypes.create_string_buffer(b"x", 1)
    span = struct.pack("<QQ", ctypes.addressof(block), 1)
    return raw((278, 75), os.pipe()[1], span, 1, 0)


@deed("call")
def send_file(self):
    os.sendfile(os.pipe()[1], reading(self), 0, 1)


@deed("call")
def copy_range(self):
    return raw((326, 285), reading(self), None, reading(self), None, 1, 0, accept=(errno.EBADF,))


@deed("call")
def wait_for_children(self):
    return raw((61, 260), -1, None, 1, None, accept=(errno.ECHILD,))


@deed("call")
def mount_list(self):
    return raw(457, None, None, 0, 0, accept=(errno.EFAULT, errno.EINVAL))


@deed("call")
def unknown_call(self):
    return raw(999)


@deed("call")
def in_a_thread_too(self):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(raw((157, 167), 1, 0, 0, 0, 0)))
    thread.start()
    thread.join()
    return answers[0]


# -- contents outside -------------------------------------------------------------------------------------------------


@deed("read")
def read_secret(self):
    with open(self.secret) as stream:
        stream.read(1)


@deed("read")
def list_outside(self):
    os.listdir(self.folder)


@deed("read")
def list_root(self):
    return "etc" in os.listdir("/") and os.path.exists("/etc/passwd")


@deed("read")
def read_passwd(self):
    with open("/etc/passwd") as stream:
        stream.read(1)


@deed("read", sure=False)
def environment_of_parent(self):
    with open(f"/proc/{self.parent}/environ", "rb") as stream:
        stream.read(1)


@deed("read")
def own_environment(self):
    with open("/proc/self/environ", "rb") as stream:
        stream.read(1)


@deed("read")
def own_mounts(self):
    with open("/proc/self/mountinfo", "rb") as stream:
        stream.read(1)


@deed("read")
def climb_out(self):
    with open(os.path.join(self.near, "..", os.path.basename(self.folder), os.path.basename(self.secret))) as stream:
        stream.read(1)


@deed("read")
def by_link(self):
    with open(near(self, "link-out")) as stream:
        stream.read(1)


@deed("read", sure=False)
def by_magic_link(self):
    with open(f"/proc/{self.parent}/cwd/etc/passwd") as stream:
        stream.read(1)


# -- what exists outside ----------------------------------------------------------------------------------------------


@deed("name")
def stat_secret(self):
    os.stat(self.secret)


@deed("name")
def stat_through_link(self):
    os.stat(near(self, "link-out"))


@deed("name")
def access_secret(self):
    return os.access(self.secret, os.F_OK)


@deed("name")
def access_secret_newly(self):
    return raw(439, AT, self.secret.encode(), 0, 0) is True or raw((269, 48), AT, self.secret.encode(), 0)


@deed("name")
def read_link_outside(self):
    os.readlink(os.path.join(self.folder, "link"))


@deed("name")
def open_without_reading(self):
    return os.path.exists(self.folder)


@deed("name")
def process_exists(self):
    os.stat(f"/proc/{self.parent}")


@deed("name")
def device_exists(self):
    os.stat("/dev/full")


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
