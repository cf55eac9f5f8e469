"""An estimator that tries what a model must not do. Each row's column `deed` names a deed by number.

predict_proba gives 1.0 for a deed that succeeded and 0.0 for one that the system refused, so the same code can be run
outside the worker to show that the deed is possible there. Deeds from 100 on do not come back.
"""

import ctypes
import os
import resource
import socket
import threading
import time

import deeds
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Hostile(ClassifierMixin, BaseEstimator):
    def __init__(self, folder="", secret="", parent=0, near=""):
        self.folder = folder
        self.secret = secret
        self.parent = parent
        self.near = near

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.n_features_in_ = 1
        return self

    def predict(self, X):
        return self.classes_[(self.predict_proba(X)[:, 1] > 0.5).astype(int)]

    def predict_proba(self, X):
        out = np.zeros((len(X), 2))
        for row, deed in enumerate(np.asarray(X)[:, 0].astype(int)):
            out[row, 1] = self._try(DEEDS[deed])
            out[row, 0] = 1 - out[row, 1]
        return out

    def _try(self, deed):
        try:
            value = deed(self)
            return 1.0 if value is None else float(value)
        except OSError:
            return 0.0


def open_socket(self):
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()


def unix_socket(self):
    a, b = socket.socketpair()
    a.close()
    b.close()


def raw_socket_in_thread(self):
    """The system call itself, from a thread started now: a filter on the first thread only would miss it."""
    answers = []

    def run():
        number = {"x86_64": 41, "aarch64": 198}[os.uname().machine]
        handle = ctypes.CDLL(None).syscall(number, 2, 1, 0)
        answers.append(handle)
        if handle >= 0:
            os.close(handle)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return answers[0] >= 0


def fork(self):
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def spawn(self):
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(child, 0)


def read_passwd(self):
    with open("/etc/passwd") as stream:
        stream.read(1)


def read_secret(self):
    with open(self.secret) as stream:
        stream.read(1)


def read_secret_in_thread(self):
    answers = []

    def run():
        try:
            read_secret(self)
            answers.append(1)
        except OSError:
            answers.append(0)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return answers[0]


def list_folder(self):
    os.listdir(self.folder)


def read_own_environment(self):
    with open("/proc/self/environ") as stream:
        stream.read(1)


def write_file(self):
    path = os.path.join(self.folder, f"written-{os.getpid()}")
    with open(path, "w") as stream:
        stream.write("x")
    os.unlink(path)


def remove_file(self):
    path = os.path.join(self.folder, "to-remove")
    os.rename(path, path + "-moved")
    os.rename(path + "-moved", path)


def signal_parent(self):
    os.kill(self.parent or os.getppid(), 0)


def read_parent_memory(self):
    """Peek into another process of the same person, as a debugger does."""
    local = ctypes.create_string_buffer(8)

    class Span(ctypes.Structure):
        _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))

    here, there = Span(ctypes.addressof(local), 8), Span(ctypes.addressof(local), 8)
    libc = ctypes.CDLL(None, use_errno=True)
    pid = self.parent or os.getpid()
    got = libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
    # EFAULT means that the kernel would have let us, had the address been right.
    return got >= 0 or ctypes.get_errno() == 14


def lift_limit(self):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft - 1, 1), hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    except ValueError:  # Python's word for a limit that the system does not let us set
        return False
    return True


def see_secret_variable(self):
    return "ASSAY_TEST_SECRET" in os.environ or "HOME" in os.environ


def start_thread(self):
    """Allowed: the libraries need it."""
    thread = threading.Thread(target=time.sleep, args=(0,))
    thread.start()
    thread.join()


def print_much(self):
    """Allowed: what a model prints goes nowhere, and must not end up among the answers."""
    print("chatter " * 1000)
    os.write(1, b"chatter")


def raise_error(self):
    raise ValueError("bad \x1b[31mrow\x00\n" + "x" * 5000)


def leave(self):
    raise SystemExit(3)


def hog(self):
    np.ones(2**40)


def nothing_finite(self):
    return float("nan")


def exit_now(self):
    os._exit(7)


def crash(self):
    ctypes.string_at(0)


def loop(self):
    while True:
        pass


def forge(self):
    """Writes over the line to the parent: nonsense instead of an answer."""
    for handle in range(3, 64):
        try:
            os.write(handle, b"\xff" * 64)
        except OSError:
            continue
    time.sleep(60)


DEEDS = {
    1: open_socket,
    2: unix_socket,
    3: raw_socket_in_thread,
    10: fork,
    11: spawn,
    20: read_passwd,
    21: read_secret,
    22: read_secret_in_thread,
    23: list_folder,
    24: read_own_environment,
    25: write_file,
    26: remove_file,
    30: signal_parent,
    31: read_parent_memory,
    32: lift_limit,
    33: see_secret_variable,
    40: start_thread,
    41: print_much,
    50: raise_error,
    51: leave,
    52: hog,
    53: nothing_finite,
    100: exit_now,
    101: crash,
    102: loop,
    103: forge,
}

# From 200 on: those of deeds.py, in their order.
NAMES = {name: 200 + at for at, name in enumerate(deeds.DEEDS)}
DEEDS.update({NAMES[name]: function for name, function in deeds.DEEDS.items()})
DEEDS[900] = deeds.sweep
