"""A session's audio made ready for a tagger, and what was measured on the way.

Every file is read once, one at a time: it is brought to the session's start, summed in stereo at
the session's rate (for loudness and for the comparison with the mix), and resampled once to the
tagger's rate as a mono waveform. Only those mono waveforms are kept.

Level. Taggers are not blind to it, so one session gain for all coalitions brings the sum of the
stems to within half a decibel of `session_loudness`; the gain is recorded, never applied to the
waveforms. It is a whole number of decibels, so that it stays the same when one stem is bounced
again a little louder: what is known of coalitions without that stem then holds (see `scorecache`).
The mix is brought to the loudness of the sum by a gain of its own, so that it differs from the sum
in sound only.

The master bus (see `master`) is compared in what the tagger hears: mono, at its rate. A gain curve
is applied to the waveforms; a rest is one more of them, and one more stem of the session.

Conventions: waveforms are mono float32 `[stems, samples]`, ±1 full scale; dB and LUFS throughout.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlens import audio
from stemlens import mix as mixes
from stemlens.correlation import Correlated, common_name, correlated, same_source
from stemlens.master import Treatment
from stemlens.mix import Bounce, Mix
from stemlens_bridge.findings import REST_NAME
from stemlens_bridge.session import Session, Stem

# More than this and something else than a whole mix was measured (a bounce of silence, say).
MAX_SESSION_GAIN_DB = 40.0
REST_ID = "master-rest"

READ_AT_ONCE = min(4, os.cpu_count() or 1)  # files; a stem of an hour has 2 GB


@dataclass(frozen=True, slots=True)
class StemFacts:
    """What was measured on one stem: loudness at its gain (None: silent), loss to mono, and how
    long its file is."""

    loudness_lufs: float | None
    mono_loss_db: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class Material:
    """A session ready to be opened by a tagger.

    `session` has a rest in it where that plays; `sample_rate` is the session's own, that of most of
    its stems; `correlated` are stems that carry the same source; `warnings` are (code, sentence).
    """

    session: Session
    waveforms: NDArray[np.float32]
    sample_rate: int
    duration_s: float
    session_gain_db: float
    stems: tuple[StemFacts, ...]
    mix: Mix | None
    correlated: tuple[Correlated, ...]
    warnings: tuple[tuple[str, str], ...]

    @property
    def gains_db(self) -> list[float]:
        """What is to be applied to each waveform: the session's gain and the stem's own."""
        return [self.session_gain_db + stem.gain_db for stem in self.session.stems]

    @property
    def master(self) -> str:
        """What is done about the master bus: off, curve or rest."""
        return "off" if self.mix is None else self.mix.treatment.kind

    def proposed_groups(self) -> list[dict[str, Any]]:
        """Stems to be read together because they carry the same source, as plain data."""
        return [
            {
                "name": common_name([self.session.stems[i].name for i in group.stems]),
                "stems": [self.session.stems[i].id for i in group.stems],
                "why": "correlated",
                "correlation": round(group.correlation, 4),
            }
            for group in self.correlated
        ]


@dataclass(frozen=True, eq=False)
class _Stems:
    """All stems, read: their sum `[frames, 2]` at the session's rate, and mono `rows` at the
    tagger's, with one row more than stems for a rest (what nobody writes to takes no memory)."""

    total: audio.Samples
    session_rate: int
    rows: NDArray[np.float32]
    rate: int
    facts: list[StemFacts]


def prepare(
    session: Session,
    rate: int,
    session_loudness: float | str = "off",
    *,
    master: str = "off",
    max_duration_s: float = audio.MAX_DURATION_S,
    on_read: Callable[[float], None] = lambda fraction: None,
    mix_bypassed: bool = False,
    session_gain_db: float | None = None,
) -> Material:
    """Reads a session for a tagger that listens at `rate` Hz.

    `master`: what is done about the master bus: off, curve, rest or auto. `mix_bypassed`: the mix
    was bounced with the master's effects off, so the stems must add up and no bus is treated.
    `session_gain_db`: the gain of all stems, dB, in the place of one that brings the sum to
    `session_loudness`.
    `on_read` is told the fraction of files that are done; what it raises ends the work. Raises the
    errors of `audio.read`.
    """
    headers = [audio.probe(stem.path, max_duration_s=max_duration_s) for stem in session.stems]
    if session.mix is not None:
        audio.probe(session.mix, max_duration_s=max_duration_s)  # before long work
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
    files = len(headers) + (session.mix is not None)
    stems = _read(
        session, headers, offsets, rate, max_duration_s, lambda read: on_read(read / files)
    )
    together = tuple(correlated(stems.rows[: len(session.stems)], rate))
    warnings = _stem_warnings(session, stems.facts)
    warnings += [
        same_source([session.stems[i].name for i in group.stems], group.correlation)
        for group in together
    ]
    bounce = treatment = None
    if session.mix is None:
        warnings += mixes.without_mix(master)
    else:
        clip = audio.read(session.mix, max_duration_s=max_duration_s)
        origin = audio.offsets([*(h.time_reference_s for h in headers), clip.time_reference_s])
        late_s = origin[-1] - min(origin[:-1])
        heard = _heard_sum(session, stems)
        bounce = mixes.placed(clip, late_s, stems.total, stems.session_rate, len(heard), rate)
        treatment = mixes.treatment("off" if mix_bypassed else master, bounce, heard, rate)
        warnings += mixes.length_warnings(bounce, stems.session_rate)
        if session.source == "separated":
            warnings += mixes.left_warnings(treatment)
        elif mix_bypassed:
            warnings += mixes.cut_warnings(bounce.residual)
        else:
            warnings += mixes.master_warnings(treatment)
        session = _play_master(session, stems, bounce, treatment, heard)

    gain_db, loudness, told = _session_gain(stems, session_loudness, session_gain_db)
    mix = None
    if bounce is not None and treatment is not None:
        mix_gain_db = _mix_gain(bounce.stereo, stems.session_rate, loudness, session_loudness)
        mix = Mix(bounce.waveform, mix_gain_db, bounce.residual, treatment)
        on_read(1.0)
    return Material(
        session,
        stems.rows[: len(session.stems)],
        stems.session_rate,
        duration_s,
        gain_db,
        tuple(stems.facts),
        mix,
        together,
        (*told, *warnings),
    )


def _read(
    session: Session,
    headers: Sequence[audio.Header],
    offsets: Sequence[float],
    rate: int,
    max_duration_s: float,
    on_read: Callable[[int], None],
) -> _Stems:
    """All stems' audio; `on_read` is told how many are done."""
    session_rate = Counter(header.sample_rate for header in headers).most_common(1)[0][0]
    total = np.zeros((_samples(headers, offsets, session_rate), 2), dtype=np.float32)
    rows = np.zeros((len(headers) + 1, _samples(headers, offsets, rate)), dtype=np.float32)
    facts: list[StemFacts] = []

    def read(number: int) -> tuple[int, audio.Samples, StemFacts]:
        stem = session.stems[number]
        clip = audio.read(stem.path, max_duration_s=max_duration_s)
        samples = clip.samples * np.float32(10 ** (stem.gain_db / 20))
        stereo = audio.to_stereo(samples)
        loudness = audio.loudness(stereo, clip.sample_rate)
        mono = audio.to_mono(clip.samples)
        audio.play_at(rows[number], mono, clip.sample_rate, rate, offsets[number])
        return (
            clip.sample_rate,
            stereo,
            StemFacts(loudness, audio.mono_loss_db(samples), clip.duration_s),
        )

    with ThreadPoolExecutor(READ_AT_ONCE) as threads:
        for first in range(0, len(headers), READ_AT_ONCE):
            some = range(first, min(first + READ_AT_ONCE, len(headers)))
            for number, (own, stereo, fact) in zip(some, threads.map(read, some), strict=True):
                audio.play_at(total, stereo, own, session_rate, offsets[number])
                facts.append(fact)
                on_read(number + 1)
    return _Stems(total, session_rate, rows, rate, facts)


def _heard_sum(session: Session, stems: _Stems) -> NDArray[np.float32]:
    """What the tagger hears of the stems together, at their gains, `[samples]`."""
    gains = [10 ** (stem.gain_db / 20) for stem in session.stems]
    heard: NDArray[np.float32] = np.array(gains, dtype=np.float32) @ stems.rows[: len(gains)]
    return heard


def _play_master(
    session: Session, stems: _Stems, bounce: Bounce, treatment: Treatment, heard: audio.Samples
) -> Session:
    """Applies the treatment to the stems' audio, in place; returns the session, with a rest in it
    where that plays."""
    if treatment.curve is not None:
        treatment.curve.apply(stems.total, stems.session_rate)
        for waveform in stems.rows[: len(session.stems)]:
            treatment.curve.apply(waveform, stems.rate)
    if treatment.kind != "rest" or session.mix is None:
        return session
    stems.rows[-1] = mixes.rest(bounce.waveform, heard, bounce.heard, treatment.gain)
    stereo = mixes.rest(bounce.stereo, stems.total, bounce.covered, treatment.gain)
    loudness = audio.loudness(stereo, stems.session_rate)
    length_s = len(stereo) / stems.session_rate
    stems.facts.append(StemFacts(loudness, audio.mono_loss_db(stereo), length_s))
    np.add(stems.total, stereo, out=stems.total)
    taken = {stem.id for stem in session.stems}
    numbers = ("" if n == 1 else f"-{n}" for n in itertools.count(1))
    own = next(REST_ID + number for number in numbers if REST_ID + number not in taken)
    rest = Stem(own, REST_NAME, session.mix, kind="rest")
    return replace(session, stems=(*session.stems, rest))


def _session_gain(
    stems: _Stems, target: float | str, given_db: float | None
) -> tuple[float, float, list[tuple[str, str]]]:
    """What brings the sum to the target, in whole dB, or the gain that is given; and the loudness
    that it has then."""
    if given_db is not None:
        loudness = audio.loudness(stems.total, stems.session_rate)
        return given_db, given_db + (0.0 if loudness is None else loudness), []
    if isinstance(target, str):
        return 0.0, 0.0, []
    loudness = audio.loudness(stems.total, stems.session_rate)
    if loudness is None:
        silent = ("silent_session", "All stems are silent, so every share is 0.")
        return 0.0, target, [silent]
    gain_db = float(round(target - loudness))
    if gain_db <= MAX_SESSION_GAIN_DB:
        return gain_db, loudness + gain_db, []
    quiet = (
        "quiet_session",
        f"The stems together have only {loudness:.0f} LUFS; they were raised by "
        f"{MAX_SESSION_GAIN_DB:.0f} dB and not to {target:g} LUFS. Is the bounce right?",
    )
    return MAX_SESSION_GAIN_DB, loudness + MAX_SESSION_GAIN_DB, [quiet]


def _mix_gain(
    stereo: audio.Samples, rate: int, loudness: float, session_loudness: float | str
) -> float:
    """What brings the mix to that loudness, unless levels are to be left as they are."""
    if isinstance(session_loudness, str):
        return 0.0
    own = audio.loudness(stereo, rate)
    return 0.0 if own is None else min(loudness - own, MAX_SESSION_GAIN_DB)


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
