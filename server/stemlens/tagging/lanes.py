"""Threads for short pieces of work, of which urgent ones go before all others that wait.

A session that is being analysed keeps every core busy for minutes; a fader that is moved meanwhile
wants its answer at once. So all computing is cut into pieces of some 20 ms, and what is submitted
inside `with urgent():` is begun before anything that was submitted outside and only waits. Nothing
is ever interrupted: an urgent piece waits for at most one other piece.

In these threads torch computes on one core: one piece of work on each core is faster than each on
all cores, because nothing waits for anything, least of all for a core that a DAW is using. Nothing
is recorded for gradients in them (torch's inference mode).
"""

from __future__ import annotations

import atexit
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
Item = TypeVar("Item")
Result = TypeVar("Result")

_is_urgent: ContextVar[bool] = ContextVar("urgent", default=False)


@contextmanager
def urgent() -> Iterator[None]:
    """What this thread submits inside goes before all that was submitted outside."""
    token = _is_urgent.set(True)
    try:
        yield
    finally:
        _is_urgent.reset(token)


def is_urgent() -> bool:
    """Whether what this thread submits now is urgent."""
    return _is_urgent.get()


class Lanes:
    """`threads` threads and two lanes that lead to them; within a lane, first come, first served.

    The threads end with the object and with the interpreter; what has not begun is cancelled then.
    """

    def __init__(self, threads: int) -> None:
        self._queue = _Queue()
        single_core = _SingleCore(threads)
        self._threads = [
            threading.Thread(
                target=_work, args=(self._queue, single_core), name=f"lanes-{n}", daemon=True
            )
            for n in range(threads)
        ]
        for thread in self._threads:
            thread.start()
        single_core.wait()
        weakref.finalize(self, self._queue.close)
        _all.add(self)

    def submit(
        self, function: Callable[P, Result], *args: P.args, **kwargs: P.kwargs
    ) -> Future[Result]:
        """Have one of the threads call a function; a thread of these lanes calls it itself, since
        it might wait for what never comes to its turn."""
        piece = _Piece(lambda: function(*args, **kwargs))
        if threading.current_thread() in self._threads:
            piece.run()
        else:
            self._queue.put(piece, _is_urgent.get())
        return piece.future

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """The function of every item, in order; returns when all is done.

        After an error nothing more is begun, what runs is waited for, and the first item's error
        is raised.
        """
        futures = [self.submit(function, item) for item in items]
        try:
            wait(futures, return_when="FIRST_EXCEPTION")
        finally:
            for future in futures:
                future.cancel()
            wait(futures)
        for future in futures:
            if not future.cancelled() and (error := future.exception()):
                raise error
        return [future.result() for future in futures]

    def close(self) -> None:
        """Cancel what has not begun and wait for the rest."""
        self._queue.close()
        for thread in self._threads:
            thread.join()


class _Piece(Generic[Result]):
    """A call to be made once, and the future of its result."""

    def __init__(self, call: Callable[[], Result]) -> None:
        self._call = call
        self.future: Future[Result] = Future()

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self._call()
        except BaseException as error:  # whoever waits for it is told, whatever it is
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class _Queue:
    """Pieces that wait, the urgent ones in front."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._urgent: deque[_Piece[Any]] = deque()
        self._others: deque[_Piece[Any]] = deque()
        self._closed = False

    def put(self, piece: _Piece[Any], is_urgent: bool) -> None:
        with self._changed:
            if self._closed:
                raise RuntimeError("these lanes are closed")
            (self._urgent if is_urgent else self._others).append(piece)
            self._changed.notify()

    def take(self) -> _Piece[Any] | None:
        """The next piece, waited for; None when the lanes are closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._urgent or self._others)
            if self._closed:
                return None
            return (self._urgent or self._others).popleft()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            for piece in (*self._urgent, *self._others):
                piece.future.cancel()
            self._changed.notify_all()


class _SingleCore:
    """Makes torch compute on one core in `count` threads, and on as many as before elsewhere.

    torch's number of threads holds for the thread that sets it and for all threads that have not
    asked for theirs: each asks before it sets it, and it is set back when all `count` have done so.
    """

    def __init__(self, count: int) -> None:
        import torch  # only here, so that processes without torch can import this module

        self._torch = torch
        self._elsewhere = torch.get_num_threads()
        self._all = threading.Barrier(count + 1)

    @contextmanager
    def thread(self) -> Iterator[None]:
        """Around all that each of the threads does."""
        self._torch.get_num_threads()
        self._torch.set_num_threads(1)
        self._all.wait()
        with self._torch.inference_mode():
            yield

    def wait(self) -> None:
        """Called by the thread that has started them."""
        self._all.wait()
        self._torch.set_num_threads(self._elsewhere)


def _work(queue: _Queue, single_core: _SingleCore) -> None:
    """A thread: holds the queue and not the lanes, so that it ends when nobody has them."""
    with single_core.thread():
        while (piece := queue.take()) is not None:
            piece.run()
            del piece  # and with it what it refers to, while waiting for the next


_all: weakref.WeakSet[Lanes] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Threads that still computed while the interpreter goes away could crash it."""
    for lanes in list(_all):
        lanes.close()
