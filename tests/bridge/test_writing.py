"""Files are written whole or not at all, and nobody else's file is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.writing import require_writable, written


def test_what_was_there_stays_until_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), written(path) as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]
    with written(path) as part:
        part.write_text("after")
    assert path.read_text() == "after" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["é" * 125 + ".json", "🎸" * 62])
def test_a_name_as_long_as_a_file_system_takes(tmp_path: Path, name: str) -> None:
    require_writable(tmp_path / name)
    with written(tmp_path / name) as part:
        part.write_text("x")
    assert (tmp_path / name).read_text() == "x"


def test_to_ask_whether_a_file_can_be_written_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "result.json.try").write_text("the user's")
    (tmp_path / "link.json").symlink_to(tmp_path / "elsewhere" / "result.json")
    require_writable(tmp_path / "result.json", None)
    for no_good in ("nowhere/result.json", "link.json", "x" * 300, "."):
        with pytest.raises(StemlensError, match="cannot be written"):
            require_writable(tmp_path / no_good)
    assert (tmp_path / "result.json.try").read_text() == "the user's"
    assert len(list(tmp_path.iterdir())) == 2
