"""Folders are where each system wants them."""

from __future__ import annotations

from pathlib import Path

from stemlens_bridge.folders import cache_folder, state_folder


def test_the_state_folder_is_where_the_system_wants_it(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    assert state_folder(home, "linux") == tmp_path / ".local" / "state" / "stemlens"
    assert state_folder({"XDG_STATE_HOME": "/s"}, "linux") == Path("/s/stemlens")
    assert state_folder(home, "darwin") == tmp_path / "Library/Application Support/Stemlens"
    assert state_folder({"LOCALAPPDATA": "/l"}, "win32") == Path("/l/Stemlens")


def test_the_cache_folder_is_where_the_system_wants_it(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    assert cache_folder(home, "linux") == tmp_path / ".cache" / "stemlens"
    assert cache_folder({"XDG_CACHE_HOME": "/c"}, "linux") == Path("/c/stemlens")
    assert cache_folder(home, "darwin") == tmp_path / "Library/Caches/stemlens"
    assert cache_folder({"LOCALAPPDATA": "/l"}, "win32") == Path("/l/stemlens")
