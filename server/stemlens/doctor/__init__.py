"""Looks over an installation: what is there, what is missing, and how to mend it.

Each check is a function that gives findings; none changes anything. `serving.py` looks at what the
server's options name (folders, ports, the log), `programs.py` at what is beside it (weights, DAWs,
PyTorch and the GPU).
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

from stemlens.doctor import programs, serving
from stemlens.doctor.finding import Finding
from stemlens.service.settings import Settings
from stemlens_bridge import __version__
from stemlens_bridge.errors import StemlensError

__all__ = ["Finding", "findings"]


def findings(settings: Settings, log: Path) -> Iterator[Finding]:
    """All checks, the cheap ones first, for a server with these settings that keeps its log in
    that folder."""
    python = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    yield Finding("ok", "version", f"Stemlens {__version__}, {python}")
    yield from serving.data_folder(settings.data)
    try:
        report = serving.report((settings.host, settings.port))
    except StemlensError as error:
        yield serving.refused(settings.host, settings.port, error)
    else:
        yield from serving.log_folder(log, report)
        yield from serving.listening(settings.host, settings.port, report)
        yield from serving.panel(settings, report)
    yield from serving.folders(settings)
    yield from serving.clock()
    yield from programs.tagger_weights()
    yield from programs.separator_weights()
    yield from programs.reaper()
    yield from programs.ardour()
    yield from programs.live()
    yield from programs.compute()
