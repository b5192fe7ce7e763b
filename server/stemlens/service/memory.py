"""How much memory the worker may take, and how an error says that it was not enough.

The limit counts what the process writes to (`RLIMIT_DATA`): that is what models and arrays take,
and not the libraries that are mapped. A GPU's own memory is not counted.
"""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)

# Of a CPU, torch and the C++ library have no error of a type of its own.
SIGNS = ("can't allocate memory", "not enough memory", "bad_alloc", "bad allocation")


def limit_memory(gigabytes: float) -> None:
    """This process may take no more (GB of 10⁹ bytes); told in the log where there is no limit."""
    try:
        import resource
    except ImportError:
        log.warning("this system knows no limit on memory")
        return
    most = int(gigabytes * 1e9)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that there was no memory, the machine's or the GPU's."""
    if isinstance(error, MemoryError):
        return True
    said = str(error)
    full_gpu = type(error).__name__ == "OutOfMemoryError"
    return isinstance(error, RuntimeError) and (full_gpu or any(sign in said for sign in SIGNS))
