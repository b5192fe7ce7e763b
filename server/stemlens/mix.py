"""The bounce of the master beside the stems: brought to their time, compared, and told about.

Compared twice: in stereo at the session's rate (the residual that an engineer would measure), and
in what the tagger hears, mono at its rate, by which the master bus is treated (see `master`). Only
the time that the bounce covers counts: it may be shorter than the stems, or start later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stemlens import audio
from stemlens.audio import Samples
from stemlens.master import BUS_DB, Treatment, treat
from stemlens_bridge.findings import REST_NAME

ADDS_UP_DB = -40.0  # what stems must reach against a master whose effects are off
SAME_GAIN_DB = 0.2
SHORTER_S = 0.5
EDGE_S = 0.02  # around a place where sound was cut off, resampling leaves a trace


@dataclass(frozen=True, slots=True)
class Mix:
    """The bounce of the master: mono `[samples]` at the tagger's rate, aligned with the stems.

    `gain_db` brings it to the loudness at which the stems play.
    """

    waveform: NDArray[np.float32]
    gain_db: float
    residual: audio.Residual
    treatment: Treatment

    def to_dict(self) -> dict[str, float]:
        """What was measured on it, as plain data."""
        return {
            "residual_db": round(self.residual.residual_db, 2),
            "residual_heard_db": round(self.treatment.before_db, 2),
            "residual_after_db": round(self.treatment.after_db, 2),
            "lag_s": round(self.residual.lag_s, 6),
            "gain_db": round(self.residual.gain_db, 4),
        }


@dataclass(frozen=True, eq=False)
class Bounce:
    """A mix in the stems' time: stereo `[frames, 2]` at the session's rate and mono `[samples]` at
    the tagger's; `covered` and `heard` are the parts of these in which there is a mix."""

    stereo: Samples
    covered: slice
    waveform: Samples
    heard: slice
    residual: audio.Residual


def placed(
    clip: audio.Clip, late_s: float, total: Samples, session_rate: int, samples: int, rate: int
) -> Bounce:
    """The mix where it belongs beside the stems' sum `total` `[frames, 2]`, which at the tagger's
    `rate` has `samples` samples.

    By the time stamps in the files it starts `late_s` after the stems; how late the stems are in it
    is measured on top of that.
    """
    played = audio.resample(audio.to_stereo(clip.samples), clip.sample_rate, session_rate)
    stamped = round(late_s * session_rate)
    covered = _inside(stamped, len(played), len(total))
    inside = played[covered.start - stamped : covered.stop - stamped]
    residual = audio.residual(inside, total[covered], session_rate)
    if not len(inside):
        residual = audio.Residual(0.0, 0.0, 0.0)
    start_s = late_s - residual.lag_s
    start = round(start_s * session_rate)
    stereo = np.zeros_like(total)
    audio.add_at(stereo, played, start)
    waveform = np.zeros(samples, dtype=np.float32)
    audio.play_at(waveform, audio.to_mono(clip.samples), clip.sample_rate, rate, start_s)
    heard = _inside(round(start_s * rate), round(clip.duration_s * rate), samples)
    edge = round(EDGE_S * rate)
    first = heard.start + (edge if heard.start > 0 else 0)
    last = heard.stop - (edge if heard.stop < samples else 0)
    return Bounce(
        stereo,
        _inside(start, len(played), len(total)),
        waveform,
        slice(first, max(first, last)),
        residual,
    )


def treatment(wanted: str, bounce: Bounce, heard_sum: Samples, rate: int) -> Treatment:
    """How to treat the master bus, by the mono sum of the stems at the tagger's rate."""
    chosen = treat(wanted, bounce.waveform[bounce.heard], heard_sum[bounce.heard], rate)
    if chosen.curve is None:
        return chosen
    return replace(chosen, curve=replace(chosen.curve, start_s=bounce.heard.start / rate))


def rest(of_mix: Samples, of_sum: Samples, covered: slice, gain: float) -> Samples:
    """What the mix has beyond the sum, at the level of the stems; silent where there is no mix."""
    left = np.zeros_like(of_sum)
    left[covered] = of_mix[covered] / np.float32(gain) - of_sum[covered]
    return left


def _inside(start: int, length: int, frames: int) -> slice:
    """The part of `frames` frames that `length` frames from `start` cover."""
    first = min(max(start, 0), frames)
    return slice(first, min(max(start + length, first), frames))


# ------------------------------------------------------------------------------------- what is told


def without_mix(wanted: str) -> list[tuple[str, str]]:
    """For a session that brought no mix."""
    if wanted in ("off", "auto"):
        return []
    return [
        (
            "master_without_mix",
            f"master is {wanted}, but the session has no mix to take the master bus from: bounce "
            "the master too. Shares explain the sum of the stems.",
        )
    ]


def length_warnings(bounce: Bounce, session_rate: int) -> list[tuple[str, str]]:
    """For a mix that covers less than the stems."""
    missing_s = (len(bounce.stereo) - (bounce.covered.stop - bounce.covered.start)) / session_rate
    if missing_s < SHORTER_S:
        return []
    return [
        (
            "mix_shorter",
            f"The mix lacks {missing_s:.1f} s of the time in which the stems play; there they were "
            "compared with nothing, and the mix's own scores count silence.",
        )
    ]


def cut_warnings(residual: audio.Residual) -> list[tuple[str, str]]:
    """For a mix with the master's effects off: whether the stems are a cut of the routing."""
    if residual.residual_db > ADDS_UP_DB:
        what = f"what is left is at {residual.residual_db:.0f} dB"
    elif abs(residual.gain_db) > SAME_GAIN_DB:
        what = f"the mix is {residual.gain_db:+.1f} dB louder"
    else:
        return []
    return [
        (
            "stems_do_not_add_up",
            f"The stems do not add up to the mix ({what}), although the master's effects were off: "
            "a stem is missing, counted twice, or different at each bounce. Shares explain the "
            "sum of the stems, not your mix.",
        )
    ]


def left_warnings(chosen: Treatment) -> list[tuple[str, str]]:
    """For stems that were made out of the mix: what of it they leave out, where that is much."""
    if chosen.before_db <= BUS_DB or chosen.kind == "rest":
        return []
    return [
        (
            "separation_incomplete",
            f"The separated stems do not add up to the mix (what is left is at "
            f"{chosen.before_db:.0f} dB). With master = rest that plays as a stem of its own.",
        )
    ]


def master_warnings(chosen: Treatment) -> list[tuple[str, str]]:
    """What was done about the master bus, and what the shares explain therefore."""
    if chosen.reason == "nulls":
        return []
    code = "master_bus" if chosen.before_db <= BUS_DB else "stem_missing"
    left = f"residual {chosen.before_db:.0f} dB"
    if chosen.kind == "curve":
        return [
            (
                "master_bus",
                f"The master bus changes the level over time ({left}). Its gain curve was applied "
                f"to every stem, which leaves {chosen.after_db:.0f} dB: shares explain the stems "
                "as that bus plays them.",
            )
        ]
    if chosen.kind == "rest":
        return [
            (
                code,
                f"The mix has more than the stems ({left}): a stem that is missing, or what the "
                f"master bus adds. It plays as a stem of its own, {REST_NAME}.",
            )
        ]
    if chosen.reason == "unrelated":
        return [
            (
                "stem_missing",
                f"The mix has hardly anything of the stems ({left}): is it the bounce of this "
                "session? Shares explain the sum of the stems, not your mix.",
            )
        ]
    if chosen.reason == "filter":
        return [
            (
                "master_bus",
                f"The stems do not null against the mix ({left}), most of it by an equaliser or "
                "another filter on the master bus, which has no share here. What the tagger makes "
                "of it you see in the scores of the mix beside those of the sum.",
            )
        ]
    if chosen.before_db <= BUS_DB:
        return [
            (
                code,
                f"The stems do not null against the mix ({left}): the master bus changes the "
                "sound, or a quiet stem is missing, and that has no share here.",
            )
        ]
    return [
        (
            code,
            f"The stems are not the mix ({left}): a stem is missing, or the master bus works hard. "
            "Shares explain the sum of the stems, not your mix.",
        )
    ]
