"""A session's audio made ready for a tagger, and what was measured on the way.

Every file is read once, one at a time: it is brought to the session's start, summed in stereo at
the session's rate (for loudness and for the comparison with the mix), and resampled once to the
tagger's rate as a mono waveform. Only those mono waveforms are kept.

Level. Taggers are not blind to it, so one session gain for all coalitions brings the sum of the
stems to `session_loudness`; the gain is recorded, never applied to the waveforms. The mix is
brought to the same loudness by a gain of its own, so that it differs from the sum in sound only.

Conventions: waveforms are mono float32 `[stems, samples]`, ±1 full scale; dB and LUFS throughout.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemlens import audio
from stemlens_bridge.session import Session

# More than this and something else than a whole mix was measured (a bounce of silence, say).
MAX_SESSION_GAIN_DB = 40.0
NULLS_DB, BUS_DB = -60.0, -20.0
ADDS_UP_DB = -40.0  # what stems must reach against a master whose effects are off
SAME_GAIN_DB = 0.2


@dataclass(frozen=True, slots=True)
class StemFacts:
    """What was measured on one stem: loudness at its gain (None: silent) and loss to mono."""

    loudness_lufs: float | None
    mono_loss_db: float


@dataclass(frozen=True, slots=True)
class Mix:
    """The bounce of the master: mono `[samples]` at the tagger's rate, aligned with the stems."""

    waveform: NDArray[np.float32]
    gain_db: float
    residual: audio.Residual


@dataclass(frozen=True, slots=True)
class Material:
    """A session ready to be opened by a tagger.

    `sample_rate` is the session's own, that of most of its stems; `warnings` are (code, sentence).
    """

    session: Session
    waveforms: NDArray[np.float32]
    sample_rate: int
    duration_s: float
    session_gain_db: float
    stems: tuple[StemFacts, ...]
    mix: Mix | None
    warnings: tuple[tuple[str, str], ...]

    @property
    def gains_db(self) -> list[float]:
        """What is to be applied to each waveform: the session's gain and the stem's own."""
        return [self.session_gain_db + stem.gain_db for stem in self.session.stems]


def prepare(
    session: Session,
    rate: int,
    session_loudness: float | str = "off",
    *,
    max_duration_s: float = audio.MAX_DURATION_S,
    on_read: Callable[[float], None] = lambda fraction: None,
    mix_bypassed: bool = False,
) -> Material:
    """Reads a session for a tagger that listens at `rate` Hz.

    `mix_bypassed`: the mix was bounced with the master's effects off, so the stems must add up.
    `on_read` is told the fraction of files that are done; what it raises ends the work. Raises the
    errors of `audio.read`.
    """
    paths = [stem.path for stem in session.stems]
    headers = [audio.probe(path, max_duration_s=max_duration_s) for path in paths]
    if session.mix is not None:
        audio.probe(session.mix, max_duration_s=max_duration_s)  # before long work
    session_rate = Counter(header.sample_rate for header in headers).most_common(1)[0][0]
    offsets = audio.offsets([header.time_reference_s for header in headers])
    duration_s = max(
        offset + header.duration_s for offset, header in zip(offsets, headers, strict=True)
    )
    if duration_s > max_duration_s:
        raise audio.too_long(
            f"the session {session.project} (by the time stamps in its files)",
            duration_s,
            max_duration_s,
        )
    total = np.zeros((_samples(headers, offsets, session_rate), 2), dtype=np.float32)
    waveforms = np.zeros((len(paths), _samples(headers, offsets, rate)), dtype=np.float32)
    facts = []
    files = len(paths) + (session.mix is not None)
    for number, (stem, offset) in enumerate(zip(session.stems, offsets, strict=True)):
        clip = audio.read(stem.path, max_duration_s=max_duration_s)
        samples = clip.samples * np.float32(10 ** (stem.gain_db / 20))
        stereo = audio.to_stereo(samples)
        facts.append(
            StemFacts(audio.loudness(stereo, clip.sample_rate), audio.mono_loss_db(samples))
        )
        played = audio.resample(stereo, clip.sample_rate, session_rate)
        audio.add_at(total, played, round(offset * session_rate))
        mono = audio.resample(audio.to_mono(clip.samples), clip.sample_rate, rate)
        audio.add_at(waveforms[number], mono, round(offset * rate))
        on_read((number + 1) / files)

    gain_db, warnings = _session_gain(total, session_rate, session_loudness)
    warnings += _stem_warnings(session, facts)
    mix = None
    if session.mix is not None:
        clip = audio.read(session.mix, max_duration_s=max_duration_s)
        origin = audio.offsets([*(h.time_reference_s for h in headers), clip.time_reference_s])
        late_s = origin[-1] - min(origin[:-1])
        mix = _mix(clip, late_s, total, session_rate, rate, waveforms.shape[1], session_loudness)
        warnings += _cut_warnings(mix) if mix_bypassed else _mix_warnings(mix)
        on_read(1.0)
    return Material(
        session,
        waveforms,
        session_rate,
        duration_s,
        gain_db,
        tuple(facts),
        mix,
        tuple(warnings),
    )


def _session_gain(
    total: NDArray[np.float32], rate: int, target: float | str
) -> tuple[float, list[tuple[str, str]]]:
    if isinstance(target, str):
        return 0.0, []
    loudness = audio.loudness(total, rate)
    if loudness is None:
        return 0.0, [("silent_session", "All stems are silent, so every share is 0.")]
    gain_db = target - loudness
    if gain_db > MAX_SESSION_GAIN_DB:
        return MAX_SESSION_GAIN_DB, [
            (
                "quiet_session",
                f"The stems together have only {loudness:.0f} LUFS; they were raised by "
                f"{MAX_SESSION_GAIN_DB:.0f} dB and not to {target:g} LUFS. Is the bounce right?",
            )
        ]
    return gain_db, []


def _stem_warnings(session: Session, facts: list[StemFacts]) -> list[tuple[str, str]]:
    return [
        (
            "mono_loss",
            f"{stem.name} loses {fact.mono_loss_db:.1f} dB when its sides are summed, and the "
            "tagger hears the mono sum: its share says less than you hear of it.",
        )
        for stem, fact in zip(session.stems, facts, strict=True)
        if fact.mono_loss_db > audio.MONO_LOSS_WARN_DB
    ]


def _samples(headers: Sequence[audio.Header], offsets: Sequence[float], rate: int) -> int:
    """How many samples the session has at `rate`: up to the end of its last stem."""
    return max(
        round(offset * rate) + round(header.frames * rate / header.sample_rate)
        for header, offset in zip(headers, offsets, strict=True)
    )


def _mix(
    clip: audio.Clip,
    late_s: float,
    total: NDArray[np.float32],
    session_rate: int,
    rate: int,
    samples: int,
    session_loudness: float | str,
) -> Mix:
    """The mix beside the stems; by the time stamps in the files it starts `late_s` after them."""
    stereo = np.zeros_like(total)
    played = audio.resample(audio.to_stereo(clip.samples), clip.sample_rate, session_rate)
    audio.add_at(stereo, played, round(late_s * session_rate))
    residual = audio.residual(stereo, total, session_rate)
    waveform = np.zeros(samples, dtype=np.float32)
    mono = audio.resample(audio.to_mono(clip.samples), clip.sample_rate, rate)
    audio.add_at(waveform, mono, round((late_s - residual.lag_s) * rate))
    gain_db, _ = _session_gain(stereo, session_rate, session_loudness)
    return Mix(waveform, gain_db, residual)


def _cut_warnings(mix: Mix) -> list[tuple[str, str]]:
    """For a mix with the master's effects off: whether the stems are a cut of the routing."""
    residual = mix.residual
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


def _mix_warnings(mix: Mix) -> list[tuple[str, str]]:
    residual_db = mix.residual.residual_db
    if residual_db <= NULLS_DB:
        return []
    if residual_db <= BUS_DB:
        return [
            (
                "master_bus",
                f"The stems do not null against the mix (residual {residual_db:.0f} dB): the "
                "master bus changes the sound, and that change has no share here.",
            )
        ]
    return [
        (
            "stem_missing",
            f"The stems are not the mix (residual {residual_db:.0f} dB): a stem is missing, or the "
            "master bus works hard. Shares explain the sum of the stems, not your mix.",
        )
    ]
