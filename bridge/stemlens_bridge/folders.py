"""Where a program keeps files of its own, by each system's rules.

Sources: the XDG Base Directory Specification, Apple's File System Programming Guide, and
Microsoft's known folders.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def state_folder(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """For what must be remembered."""
    home = _home(environment)
    if platform == "win32":
        return _local(environment, home) / "Stemlens"
    if platform == "darwin":
        return home / "Library" / "Application Support" / "Stemlens"
    return Path(environment.get("XDG_STATE_HOME") or home / ".local" / "state") / "stemlens"


def config_folder(
    environment: Mapping[str, str] = os.environ, platform: str = sys.platform
) -> Path:
    """For what the user decided."""
    if platform in ("win32", "darwin"):
        return state_folder(environment, platform)
    home = _home(environment)
    return Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "stemlens"


def cache_folder(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """For what may be thrown away."""
    home = _home(environment)
    if platform == "win32":
        return _local(environment, home) / "stemlens"
    if platform == "darwin":
        return home / "Library" / "Caches" / "stemlens"
    return Path(environment.get("XDG_CACHE_HOME") or home / ".cache") / "stemlens"


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME") or Path.home())


def _local(environment: Mapping[str, str], home: Path) -> Path:
    return Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
