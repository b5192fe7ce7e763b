"""Measurements are processes of their own that print JSON; here they are started, once each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from functools import cache
from typing import Any

LIMIT_S = 900
# As the command line and the server's worker have it: numpy's products are small here.
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}


class Failed(Exception):
    """A measurement that came to nothing, and why."""


@cache
def measured(module: str, *arguments: str, limit_s: float = LIMIT_S) -> dict[str, Any]:
    """What `python -m benchmarks.MODULE ARGUMENTS` prints, and its seconds in all as `whole_s`.

    The same measurement is made once. Raises Failed, with the last it said.
    """
    print(f"{module} {' '.join(arguments)} …", file=sys.stderr, end=" ", flush=True)
    started = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{module}", *arguments],
            capture_output=True,
            text=True,
            timeout=limit_s,
            env={**os.environ, **ENVIRONMENT},
        )
    except subprocess.TimeoutExpired as error:
        print("takes too long", file=sys.stderr)
        raise Failed(f"not done within {limit_s:g} s") from error
    whole_s = time.perf_counter() - started
    print(f"{whole_s:.0f} s", file=sys.stderr)
    if done.returncode != 0:
        print(done.stderr, file=sys.stderr)
        raise Failed((done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1])
    result: dict[str, Any] = json.loads(done.stdout)
    return result | {"whole_s": whole_s}
