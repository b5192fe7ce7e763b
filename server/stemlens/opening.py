"""A session read and opened for a tagger: everything is ready, and nothing is analysed yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemlens.audio import MAX_DURATION_S
from stemlens.game import Game
from stemlens.material import Material, prepare
from stemlens.scorecache import ScoreCache
from stemlens.separating import with_stems
from stemlens.separation.trust import Trust
from stemlens.tagging.tagger import Tagger
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session

Progress = Callable[[str, float], None]
"""Is told a stage of the work and its fraction, 0 to 1; what it raises ends the work."""


def no_progress(stage: str, fraction: float) -> None:
    """For those who do not want to know."""


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session ready to be analysed: its material, the game, and the mix's own scores.

    mix_scores: `[tags]`, or None without a mix.
    """

    material: Material
    game: Game
    mix_scores: NDArray[np.float64] | None
    timings_s: dict[str, float] = field(default_factory=dict)

    @property
    def trusts(self) -> dict[str, Trust]:
        """Of separated stems, by their ids; a stem that is not in it is real and has trust 1."""
        return {
            stem.id: Trust(stem.name, stem.facts["trust"], stem.facts.get("doubt") or "")
            for stem in self.material.session.stems
            if stem.facts.get("trust") is not None
        }


def open_game(
    session: Session,
    tagger: Tagger,
    options: Options,
    on_progress: Progress = no_progress,
    *,
    max_duration_s: float = MAX_DURATION_S,
    kept: ScoreCache | None = None,
    before: Iterable[OpenedSession] = (),
    session_gain_db: float | None = None,
    device: str = "auto",
    separated: Path | None = None,
) -> OpenedSession:
    """Reads a session and opens it for a tagger; raises the errors of `audio.read`.

    `kept`: where scores are looked up and kept (see `Game`). `before`: sessions that are open
    already; one with the same audio lends what was made of it, whatever its gains.
    `session_gain_db`: the gain of all stems, in the place of what the options would make it.
    `device` and the folder `separated` are for stems that are to be made out of a mix (see
    `separating`).
    """
    started = time.perf_counter()
    made = with_stems(
        session, options, device, on_progress, folder=separated, max_duration_s=max_duration_s
    )
    separated_at = time.perf_counter()
    material = prepare(
        made.session,
        tagger.sample_rate,
        options.session_loudness,
        master=made.options.master,
        on_read=lambda fraction: on_progress("reading stems", fraction),
        max_duration_s=max_duration_s,
        mix_bypassed=options.mix_bypassed,
        session_gain_db=session_gain_db,
    )
    material = replace(material, warnings=(*made.warnings, *material.warnings))
    read = time.perf_counter()
    same = next((other for other in before if _same_audio(other, material, tagger)), None)
    if same is None:
        game = Game(tagger, material.waveforms, material.gains_db, options.silence, kept)
    else:
        material = replace(material, waveforms=same.material.waveforms)
        game = same.game.at(material.gains_db, options.silence, kept)
    mix_scores = None
    if material.mix is not None:
        mix = material.mix
        heard = Game(tagger, mix.waveform[None], [mix.gain_db], options.silence, kept)
        alone = []
        for t, sounds in enumerate(heard.sounding):
            on_progress("hearing the mix", t / len(heard.sounding))
            alone.append(heard.scores(t, np.ones((1, int(sounds.sum())), dtype=np.bool_))[0])
        on_progress("hearing the mix", 1.0)
        mix_scores = np.mean(np.asarray(alone, dtype=np.float64), axis=0)
    timings = {"separate": separated_at - started} if made.warnings else {}
    timings |= {"read": read - separated_at, "open": time.perf_counter() - read}
    return OpenedSession(material, game, mix_scores, timings)


def _same_audio(other: OpenedSession, material: Material, tagger: Tagger) -> bool:
    ours, theirs = material.waveforms, other.material.waveforms
    return other.game.tagger is tagger and np.array_equal(ours, theirs)
