"""A passage of a session as it sounds: of its mix where there is one, else of the sum of its stems.

Stereo at the session's own rate, at the levels of the bounce, in float: nothing is normalised and
nothing clips. The ends are faded over `FADE_S`, so that they do not click.

Samples are float32 `[frames, 2]`, ±1 full scale; times are seconds of project time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stemlens import audio
from stemlens.audio import MAX_DURATION_S, Clip, Samples
from stemlens.explain.pair import fade
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.writing import written

FADE_S = 0.02
CHANGED_S = 0.01  # a sum that differs by more in length is not the one that was analysed


def write(path: Path, samples: Samples, rate: int) -> None:
    """Writes a passage as a float WAV file; raises `output_failed`."""
    with written(path) as part:
        audio.write_float(part, samples, rate)


def excerpt(
    document: Mapping[str, Any],
    start_s: float,
    end_s: float,
    *,
    max_duration_s: float = MAX_DURATION_S,
) -> tuple[Samples, int]:
    """The passage of a result's session `[frames, 2]`, and its rate in Hz.

    document: a result, of which the files, their gains and the place of the mix are read. Raises
    the errors of `audio.read`, and `files_changed` where the stems have another length now.
    """
    session = document["session"]
    rate = int(session["sample_rate"])
    first = round((start_s - session["start_s"]) * rate)
    place = np.zeros((round((end_s - start_s) * rate), 2), dtype=np.float32)
    stems = [stem for stem in session["stems"] if stem["kind"] != "rest"]
    if session["mix"] is not None:
        own = audio.read(session["mix"]["path"], max_duration_s=max_duration_s)
        headers = [
            audio.probe(stem["path"], max_duration_s=max_duration_s)
            for stem in stems
            if session["source"] != "separated"
        ]
        times = [*(header.time_reference_s for header in headers), own.time_reference_s]
        *others_s, mix_s = audio.offsets(times)
        late_s = mix_s - min(others_s, default=mix_s) - session["mix"]["lag_s"]
        _play(place, own, 0.0, late_s, first, rate)
    else:
        _play_stems(place, session, stems, first, max_duration_s)
    fade(place, rate, FADE_S)
    fade(place[::-1], rate, FADE_S)
    return place, rate


def _play_stems(
    place: Samples,
    session: Mapping[str, Any],
    stems: list[Mapping[str, Any]],
    first: int,
    max_duration_s: float,
) -> None:
    """Adds the stems, one read after the other, so that only one is in memory."""
    headers = [audio.probe(stem["path"], max_duration_s=max_duration_s) for stem in stems]
    starts_s = audio.offsets([header.time_reference_s for header in headers])
    length_s = max(
        start_s + header.duration_s for start_s, header in zip(starts_s, headers, strict=True)
    )
    if abs(length_s - session["duration_s"]) > CHANGED_S:
        raise StemlensError(
            "files_changed",
            f"The stems of {session['project']} last {length_s:.2f} s now and lasted "
            f"{session['duration_s']:.2f} s when they were analysed. Analyse them again.",
        )
    for stem, start_s in zip(stems, starts_s, strict=True):
        clip = audio.read(stem["path"], max_duration_s=max_duration_s)
        _play(place, clip, stem["gain_db"], start_s, first, int(session["sample_rate"]))


def _play(
    place: Samples, clip: Clip, gain_db: float, start_s: float, first: int, rate: int
) -> None:
    """Adds a clip that starts at `start_s` of the session into `place`, which starts at its frame
    `first`."""
    whole = np.zeros((first + len(place), 2), dtype=np.float32)
    samples = audio.to_stereo(clip.samples) * np.float32(10 ** (gain_db / 20))
    audio.play_at(whole, samples, clip.sample_rate, rate, start_s)
    place += whole[first:]
