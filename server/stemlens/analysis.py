"""Where the stages meet: a session, heard by a tagger, becomes an Analysis.

`open_game` reads a session and opens it for a tagger; `revisions` is a pure function of the opened
game and the options that gives one complete Analysis after the other, each better than the last
(exact shares are the first and last); `analyze` does both and returns the last.

An Analysis keeps shares per segment; what is shown for the session is their mean, which for linear
values is the share of the session's score. Its form for other programs is `Analysis.to_dict`, the
schema `stemlens.analysis/1`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlens import tagging
from stemlens.attribution.exact import ExactShares, cost, exact
from stemlens.game import Game
from stemlens.material import Material, prepare
from stemlens.report.document import document, write_json
from stemlens.report.over_time import write_npz
from stemlens.tagging.tagger import Tagger
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session

Progress = Callable[[str, float], None]


def _no_progress(stage: str, fraction: float) -> None:
    pass


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session ready to be analysed: its material, the game, and the mix's own scores.

    mix_scores: `[tags]`, or None without a mix.
    """

    material: Material
    game: Game
    mix_scores: NDArray[np.float64] | None
    timings_s: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Analysis:
    """One complete revision of what the stems of a session contribute to its tags."""

    opened: OpenedSession
    options: Options
    shares: ExactShares
    timings_s: dict[str, float]
    session_id: str
    revision: int = 1
    npz: Path | None = None

    @property
    def attributions(self) -> NDArray[np.float64]:
        """The session's shares, scores 0 to 1: `[stems, tags]`."""
        mean: NDArray[np.float64] = self.shares.attributions.mean(axis=0)
        return mean

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data, schema `stemlens.analysis/1` (see `report.document`)."""
        return document(self)

    def write_json(self, path: str | PathLike[str]) -> None:
        """Writes `to_dict` as JSON, whole or not at all; raises `output_failed`."""
        write_json(self, Path(path))

    def with_npz(self, path: str | PathLike[str]) -> Analysis:
        """Writes the shares over time (see `report.over_time`) and returns this Analysis naming the
        file; raises `output_failed`."""
        write_npz(self, Path(path))
        return replace(self, npz=Path(path).absolute())


def open_game(
    session: Session,
    tagger: Tagger,
    options: Options,
    on_progress: Progress = _no_progress,
    *,
    max_duration_s: float | None = None,
) -> OpenedSession:
    """Reads a session and opens it for a tagger; raises the errors of `audio.read`."""
    started = time.perf_counter()
    limit = {} if max_duration_s is None else {"max_duration_s": max_duration_s}
    material = prepare(
        session,
        tagger.sample_rate,
        options.session_loudness,
        on_read=lambda fraction: on_progress("reading stems", fraction),
        **limit,
    )
    read = time.perf_counter()
    game = Game(tagger, material.waveforms, material.gains_db, options.silence)
    mix_scores = None
    if material.mix is not None:
        mix = material.mix
        heard = Game(tagger, mix.waveform[None], [mix.gain_db], options.silence)
        alone = [heard.scores(t, [2 ** int(s.sum()) - 1])[0] for t, s in enumerate(heard.sounding)]
        mix_scores = np.mean(np.asarray(alone, dtype=np.float64), axis=0)
    timings = {"read": read - started, "open": time.perf_counter() - read}
    return OpenedSession(material, game, mix_scores, timings)


def revisions(
    opened: OpenedSession,
    options: Options,
    on_progress: Progress = _no_progress,
    *,
    session_id: str | None = None,
) -> Iterator[Analysis]:
    """Complete analyses of an opened session, each better than the one before.

    What `on_progress` raises ends the work between two batches. Raises `too_many_stems`.
    """
    whole = cost(opened.game)
    started = time.perf_counter()
    on_progress("tagging", 0.0)
    shares = exact(
        opened.game, options.value, lambda done: on_progress("tagging", min(1.0, done / whole))
    )
    yield Analysis(
        opened,
        options,
        shares,
        {**opened.timings_s, "tag": time.perf_counter() - started},
        session_id or opened.material.session.project,
    )


def analyze(
    session: Session | str | PathLike[str],
    options: Options | None = None,
    *,
    device: str = "auto",
    tagger: Tagger | None = None,
    on_progress: Progress = _no_progress,
    max_duration_s: float | None = None,
) -> Analysis:
    """What each stem of a session contributes to each tag, in full.

    `session` is a Session, or a place that `Session.read` takes. `tagger` takes the place of the
    one that the options name. `on_progress` is told the stage and its fraction (0 to 1).
    Raises StemlensError with the codes of `audio.read`, `tagging.load` and `revisions`.
    """
    if not isinstance(session, Session):
        session = Session.read(session)
    options = session.options(options or Options())
    if tagger is None:
        tagger = tagging.load(options.tagger, device)
    opened = open_game(session, tagger, options, on_progress, max_duration_s=max_duration_s)
    *_, last = revisions(opened, options, on_progress)
    return last
