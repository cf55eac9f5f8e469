"""Processes that hold a model, and the job through which one of them is kept.

    with job():
        with Worker("model.skops") as worker: ...    # a process starts and loads the model
        with Worker("model.skops") as worker: ...    # the same one, where the file's bytes are the same

Within a job a process is found again by everything that decides what runs in it: the digest of the model's bytes, the
format, what was allowed, the folders of code and the limits. What it stated when it closed itself in (`isolation`) is
true for its whole life, and is stated again. Only a model that a case brings is kept, and one at a time: a candidate,
whose bytes are other ones, gets a process of its own that ends with its use, and so does every model outside a job.
A process that failed is not given again, nor one that has used half of the processor time of its life: a command of
many uses has as much for each as it had when every use started a process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit.models.process import Child


class Held:
    """One process, and what it answered when it loaded its model, which it does in the background.

    load : asks the child to load, and gives the answer. after : called once the process has ended.
    """

    def __init__(self, child: Child, load: Callable[[Child], Any], after: Callable[[], None] | None = None) -> None:
        self.child = child
        self.lock = threading.RLock()
        self.told: Any = None
        self.error: Exception | None = None
        self.users = 0
        self.base = ""
        """The digest of the rows that the process was last given to build others from (audit.models.hybrids)."""
        self._after = after
        # Sending waits until the child reads; a thread lets the caller get on with the data meanwhile.
        self._loading = threading.Thread(target=self._load, args=(load,), daemon=True)
        self._loading.start()

    def _load(self, load: Callable[[Child], Any]) -> None:
        try:
            self.told = load(self.child)
        except Exception as error:  # raised again by whoever asks first
            self.error = error
            self.child.ended = self.child.ended or "its model could not be loaded"

    def loaded(self) -> None:
        """Wait until the model is loaded, or could not be."""
        self._loading.join()

    def end(self) -> None:
        """End the process and wait for its end."""
        self.child.stop()
        self._loading.join()
        with self.lock:
            self.child.close()
        if self._after is not None:
            self._after()


class _Job:
    """The process that is kept, and the thread that starts processes: the kernel ends a child with the thread that
    started it, and a stage's own thread may be over before the job is."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.held: dict[Hashable, Held] = {}
        self.starter = ThreadPoolExecutor(1, thread_name_prefix="starts-models")

    def take(self, key: Hashable, start: Callable[[], Held]) -> Held:
        with self.lock:
            held = self.held.get(key)
            if held is None or held.child.ended or (not held.users and held.child.worn):
                self._forget([k for k, h in self.held.items() if k == key or not h.users])
                held = self.held[key] = self._started(start)
            held.users += 1
            return held

    def _started(self, start: Callable[[], Held]) -> Held:
        begun = self.starter.submit(start)
        try:
            return begun.result()
        except KeyboardInterrupt:  # it begins all the same, and nobody would end it
            begun.add_done_callback(_end_unheld)
            raise

    def give_back(self, held: Held) -> None:
        with self.lock:
            held.users -= 1
            if held.users:
                return
            keys = [k for k, h in self.held.items() if h is held]
            if not keys:  # another has taken its place
                held.end()
            elif held.child.ended:
                self._forget(keys)

    def _forget(self, keys: list[Hashable]) -> None:
        for key in keys:
            gone = self.held.pop(key)
            if not gone.users:
                gone.end()

    def let_go(self) -> None:
        with self.lock:
            self._forget([k for k, h in self.held.items() if not h.users])

    def close(self) -> None:
        with self.lock:
            self._forget(list(self.held))
        self.starter.shutdown()


def _end_unheld(begun: Future[Held]) -> None:
    if begun.exception() is None:
        begun.result().end()


_job: ContextVar[_Job | None] = ContextVar("job", default=None)


@contextmanager
def job() -> Iterator[None]:
    """Keep the model's process until the end. Within another job nothing changes. Threads of a job run in a copy of its
    context (`contextvars.copy_context`)."""
    if _job.get() is not None:
        yield
        return
    mine = _Job()
    token = _job.set(mine)
    try:
        yield
    finally:
        _job.reset(token)
        mine.close()


def let_go() -> None:
    """End the process that is kept, where nobody uses it: what comes next needs the memory, and a new one starts soon
    beside it."""
    if (mine := _job.get()) is not None:
        mine.let_go()


def take(key: Hashable | None, start: Callable[[], Held]) -> tuple[Held, Callable[[], None]]:
    """The process of this key, started where there is none, and how to give it back. key: None for one's own."""
    mine = _job.get()
    if mine is None or key is None:
        held = start()
        return held, held.end
    held = mine.take(key, start)
    return held, lambda: mine.give_back(held)
