"""What the sounds that explain a tag are called, and copies of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.whysounds import explained

from stemlens_bridge import whysounds
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.trials import Explained


def test_copies_have_names_that_every_system_takes(tmp_path: Path) -> None:
    target = tmp_path / "Live set" / "why"
    found = explained(tmp_path, "R&B / <b>soul</b>")
    copies = whysounds.copied(found, target)
    assert [copy.name for copy in copies[2:4]] == [
        "why R-B - -b-soul--b- - crossfade.wav",
        "why R-B - -b-soul--b- - only whole song.wav",
    ]
    assert len({copy.read_bytes() for copy in copies}) == 6
    again = explained(tmp_path, "R&B / <b>soul</b>")
    Path(again.sounds[0].path).write_text("anew")
    assert whysounds.copied(again, target) == copies and copies[0].read_text() == "anew"
    assert sorted(target.iterdir()) == sorted(copies)


def test_what_cannot_be_read_or_written_is_a_sentence(tmp_path: Path) -> None:
    found = explained(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StemlensError, match="cannot be written") as raised:
        whysounds.copied(found, tmp_path / "file")
    assert raised.value.code == "output_failed"
    Path(found.sounds[5].path).unlink()
    with pytest.raises(StemlensError, match="same path on this machine") as raised:
        whysounds.copied(found, tmp_path / "new")
    assert raised.value.code == "audio_missing" and not (tmp_path / "new").exists()


@pytest.mark.parametrize("wrong", [{"kind": "../x"}, {"span": "all"}, {"end_s": 1.0}])
def test_a_sound_that_cannot_be_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    found = explained(tmp_path)
    strange = replace(found, sounds=(replace(found.sounds[0], **wrong),))  # type: ignore[arg-type]
    for ask in (lambda: whysounds.named(strange), lambda: whysounds.copied(strange, tmp_path)):
        with pytest.raises(StemlensError) as raised:
            ask()
        assert raised.value.code == "bad_message"


def test_nothing_is_named_too() -> None:
    assert whysounds.named(Explained("j", "r", "", ()))["name"] == "why"
