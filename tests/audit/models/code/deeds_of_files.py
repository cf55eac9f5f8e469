"""On files that may be read, and beside them: times, attributes, modes, owners, contents, names. See deeds.py."""

import ctypes
import errno
import fcntl
import os
import struct

from deed_tools import AT, LIBC, deed, near, opened, raw, reading

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
