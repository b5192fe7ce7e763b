"""Starts the worker: sees to its standard output before anything else is imported.

Native libraries print when they like, some of them when they are imported; from here on all that
goes to standard error, and only the worker's events to where standard output went. Where native
code crashes, `faulthandler` says on standard error, which the server's log gets, what was being
done.
`python -m stemlens.service.worker_process DEVICE [MEMORY_GB]`

The limit on memory is set before anything is loaded, so that what would take the whole machine
fails in this process alone.
"""

from __future__ import annotations

import faulthandler
import os
import sys

# Many small products are what there is to do, and OpenBLAS' own threads, which wait for each other
# by spinning, make them ten times slower as soon as anything else, a DAW for one, uses the cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

if __name__ == "__main__":
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    faulthandler.enable()
    if len(sys.argv) > 2:
        from stemlens.service.memory import limit_memory

        limit_memory(float(sys.argv[2]))

    from stemlens.service.worker import main

    main(sys.argv[1], events)
