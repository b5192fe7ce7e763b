"""What a process of the server's own prints on its standard error, as lines of the server's log.

A thread reads, so that the process never waits for the loop, and one that prints without end costs
neither the loop's time nor the older lines: beyond `BURST` lines and `PER_S` a second they are
counted, not kept. The last of them are kept all the same when it ends, because there native code
says why it crashed.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections import deque

from stemlens.service.rates import Bucket

log = logging.getLogger(__name__)

BURST, PER_S = 1000, 10.0
LAST = 300
CHUNK = 1 << 16  # bytes; a longer line is cut into such pieces
LEVEL = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL):? +")


class StandardError:
    """The pipe of one process, which is called `name` in the log; `far` is the process's end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._near, self.far = os.pipe()
        self._bucket = Bucket(PER_S, BURST)
        self._out = 0
        self._last: deque[str] = deque(maxlen=LAST)
        self._thread = threading.Thread(target=self._read, name=f"{name} log", daemon=True)

    def follow(self) -> None:
        """Begins to read; the process has its end by now, or there is none."""
        os.close(self.far)
        self._thread.start()

    def ended(self, patience_s: float) -> None:
        """Waits until all is in the log, as long as that: a process that it started may live."""
        self._thread.join(patience_s)

    def _read(self) -> None:
        rest = b""
        with open(self._near, "rb", buffering=0) as pipe:
            while chunk := pipe.read(CHUNK):
                *lines, rest = re.split(rb"[\r\n]+", rest + chunk)
                if len(rest) >= CHUNK:
                    lines, rest = [*lines, rest], b""
                for line in lines:
                    self._hear(line.decode("utf-8", "backslashreplace"))
        if rest:
            self._hear(rest.decode("utf-8", "backslashreplace"))
        self._tell_left_out(self._last)

    def _hear(self, line: str) -> None:
        if not line:
            return
        if self._bucket.debt_s > 0:
            self._out += 1
            self._last.append(line)
            return
        self._tell_left_out()
        self._bucket.take()
        self._tell(line)

    def _tell_left_out(self, last: deque[str] | tuple[str, ...] = ()) -> None:
        out, self._out = self._out - len(last), 0
        if out > 0:
            log.warning("%s: %d lines are left out", self._name, out)
        for line in last:
            self._tell(line)
        self._last.clear()

    def _tell(self, line: str) -> None:
        found = LEVEL.match(line)
        level = logging.getLevelNamesMapping()[found[1]] if found else logging.WARNING
        log.log(level, "%s: %s", self._name, line[found.end() :] if found else line)
