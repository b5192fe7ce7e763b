"""The sounds that explain a tag, as a DAW gets them: what they are called there, and as files of
its own.

The same words name folders of tracks, tracks and files: "why rock", and in it "only" (the stems
that make the tag, alone), "without" (the mix without them) and "crossfade", for the passage where
the tag is strongest, then "only, whole song" and so on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stemlens_bridge import osc
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import SOUNDS, SPANS, Explanation
from stemlens_bridge.trials import Explained
from stemlens_bridge.writing import failed, plain_name, written


def title(explained: Explained) -> str:
    """What it is all called: "why rock"."""
    return f"why {explained.sounds[0].tag}" if explained.sounds else "why"


def name(sound: Explanation) -> str:
    """What a sound is called; raises `bad_message` for one that cannot be."""
    if sound.kind not in SOUNDS or sound.span not in SPANS or sound.end_s <= sound.start_s:
        raise osc.bad_message(f"a sound cannot be {sound.kind!r}, {sound.span!r}")
    return sound.kind if sound.span == "passage" else f"{sound.kind}, whole song"


def named(explained: Explained) -> dict[str, Any]:
    """The answer as plain data (schema `stemlens.explained/1`) with names for all, and None for
    scores that were not measured: what REAPER's scripts are handed. Raises `bad_message`."""
    plain = explained.to_dict()
    sounds = [
        {**told, "name": name(sound), "score": None if sound.score < 0 else sound.score}
        for told, sound in zip(plain["sounds"], explained.sounds, strict=True)
    ]
    tag = explained.sounds[0].tag if explained.sounds else ""
    return {**plain, "tag": tag, "name": title(explained), "sounds": sounds}


def require_readable(sounds: Sequence[Explanation]) -> None:
    """Raises `audio_missing` where one cannot be read from here."""
    for sound in sounds:
        if not os.access(sound.path, os.R_OK):
            raise StemlensError(
                "audio_missing",
                f"{sound.path} cannot be read here. The server's files must lie under the same "
                "path on this machine to be heard.",
            )


def copied(explained: Explained, folder: Path) -> list[Path]:
    """Copies the sounds into a folder, which is made; former ones of the tag make room. Returns the
    copies. Raises `audio_missing`, `bad_message`, `output_failed` or `disk_full`."""
    require_readable(explained.sounds)
    names = [
        f"{plain_name(title(explained))} - {name(sound).replace(',', '')}"
        for sound in explained.sounds
    ]
    copies = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise failed(folder, error) from error
    for sound, own in zip(explained.sounds, names, strict=True):
        copy = folder / f"{own}{Path(sound.path).suffix}"
        with written(copy) as part:
            shutil.copyfile(sound.path, part)
        copies.append(copy)
    return copies
