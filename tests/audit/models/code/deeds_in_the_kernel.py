"""Memory outside the limit, and the rest of the kernel. See deeds.py."""

import ctypes
import errno
import fcntl
import os
import struct
import threading

from deed_tools import ABSENT, LIBC, deed, raw, reading

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
