"""Files are written whole or not at all, and nobody else's file is touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.writing import require_folder, require_writable, written


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


def test_why_nothing_can_be_written_and_what_to_do_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, kept = tmp_path / "file", tmp_path / "kept.html"
    file.touch()
    kept.touch()

    def refused(ask: Callable[[Path], None], path: Path) -> str:
        with pytest.raises(StemlensError) as raised:
            ask(path)
        assert raised.value.code == "output_failed"
        before, _, reason = raised.value.message.partition(" cannot be written: ")
        assert before == str(path)
        return reason

    none = tmp_path / "none"
    assert refused(require_writable, none / "a.html") == (
        f"there is no folder {none}; make it, or choose another."
    )
    assert refused(require_writable, tmp_path) == "it is a folder; name a file in it."
    no_folder = f"{file} is a file and no folder; choose another."
    for ask, below in (
        (require_writable, file / "a.html"),
        (require_writable, file / "b" / "a.html"),
        (require_folder, file),
        (require_folder, file / "b" / "c"),
    ):
        assert refused(ask, below) == no_folder
    monkeypatch.setattr("os.access", lambda *_: False)  # as where all is read-only
    no_more = f"nothing may be written into {tmp_path}; choose another folder."
    assert refused(require_writable, kept) == "it may not be changed; choose another name."
    assert refused(require_writable, tmp_path / "a.html") == no_more
    assert refused(require_folder, tmp_path / "plots" / "b") == no_more
    assert {path.name for path in tmp_path.iterdir()} == {"file", "kept.html"}
