"""Does trust fall as stems get worse, and do shares get worse with it? `python -m benchmarks.trust`

Takes stems that are known (the demo's and those of a song of LMMS, its drums as one stem), makes
them worse in graded ways (`degrading`), and compares trust with the shares' errors: exact Shapley
values of the worse stems less those of the true ones, for the tags shown. Then fits how far trust
must widen intervals to hold 95 % of the true shares. Prints Markdown; some minutes
on one core the first time, after which scores are kept in `build/bench`. Given a path, it draws
the picture there as well.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks import trust_picture
from benchmarks.songs import CACHE, song
from stemlens import audio, tagging
from stemlens.attribution import shapley
from stemlens.attribution.table import membership
from stemlens.game import Game
from stemlens.scorecache import ScoreCache
from stemlens.separation.trust import LEAST, PART, assess, doubts
from stemlens.tagging.tagger import Tagger
from stemlens.validation.degrading import KINDS, Sound, Stems

SONGS = {"demo": 14.0, "CapDan-ReggaeTry": 24.0}  # and where the excerpt starts, s
EXCERPT_S = 12.2
TAGS = 10
CLASSES = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)  # of trust

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Case:
    """One stem of a session made worse: its trust, and its shares, scores `[tags]`.

    harmed: the stem is the one that was made worse, or all were. truth: shares of the true stem.
    doubt: what its interval is widened by (see `widened`).
    """

    song: str
    kind: str
    grade: float
    stem: str
    harmed: bool
    trust: float
    truth: Floats
    value: Floats
    snr_db: float
    doubt: float


def excerpt(key: str) -> tuple[Stems, int]:
    """The stems of a song from where its excerpt starts, aligned, drums as one, and their rate."""
    start_s, found, rate = SONGS[key], dict[str, Sound](), 44_100
    for path in sorted(song(key).folder.glob("*.[wf][al]*")):
        clip = audio.read(path)
        rate = clip.sample_rate
        first, frames = round(start_s * rate), round(EXCERPT_S * rate)
        own = audio.to_stereo(clip.samples[first : first + frames])
        own = np.pad(own, ((0, frames - len(own)), (0, 0)))
        drum = any(word in path.stem for word in ("BD", "Snare", "HiHat", "HihHat"))
        name = "drums" if drum else path.stem
        found[name] = found[name] + own if name in found else own
    return found, rate


def shares(stems: Stems, rate: int, tagger: Tagger, kept: ScoreCache) -> tuple[Floats, Floats]:
    """Exact shares `[stems, tags]` and scores `[tags]` of an excerpt."""
    heard = [audio.resample(audio.to_mono(s), rate, tagger.sample_rate) for s in stems.values()]
    game = Game(tagger, np.stack(heard), kept=kept)
    value = np.zeros((len(stems), len(tagger.tags)))
    score = np.zeros(len(tagger.tags))
    for t in range(len(game.sounding)):
        players = game.players(t)
        table = game.scores(t, membership(len(players))).astype(np.float64)
        value[players] += shapley(table)
        score += table[-1]
    return value / len(game.sounding), score / len(game.sounding)


def cases(key: str) -> Iterator[Case]:
    """All ways and grades on all stems of a song."""
    stems, rate = excerpt(key)
    tagger, kept = tagging.load(song(key).tagger, "cpu"), ScoreCache(CACHE / f"trust-{key}.sqlite3")
    mix = np.sum(list(stems.values()), axis=0)
    names = list(stems)
    for kind, (degrade, _, grades) in KINDS.items():
        print(key, kind, file=sys.stderr, flush=True)
        for number, victim in enumerate(names[:1] if kind == "masks" else names):
            other = names[(number + 1) % len(names)]
            true = dict(stems)
            if kind == "noise in silence":
                true[victim] = stems[victim].copy()
                true[victim][len(mix) // 2 :] = 0
            if not true[victim].any():
                continue
            whole = np.sum(list(true.values()), axis=0)
            truth, score = shares(true, rate, tagger, kept)
            shown = np.argsort(-score)[:TAGS]
            for grade in grades:
                worse = degrade(true, victim, other, grade, rate)
                value, _ = shares(worse, rate, tagger, kept)
                found = assess(whole, worse, rate)
                doubt = doubts(np.array([trust.value for trust in found]))
                for i, trust in enumerate(found):
                    own = trust.stem
                    yield Case(
                        key,
                        kind,
                        grade,
                        own,
                        kind == "masks" or own == victim,
                        trust.value,
                        truth[i, shown],
                        value[i, shown],
                        _snr_db(true[own], worse[own]),
                        float(doubt[i]),
                    )


def _snr_db(true: Sound, worse: Sound) -> float:
    off = float(np.square(worse - true).sum())
    return 200.0 if off == 0 else float(10 * np.log10(np.square(true).sum() / off + 1e-20))


def falls(found: list[Case]) -> Iterator[str]:
    """Trust and error of shares by way and grade."""
    yield "| made worse by | unit | trust of that stem (error of its shares, points) | ρ | held |"
    yield "|---|---|---|---|---|"
    for kind, (_, unit, grades) in KINDS.items():
        own = [case for case in found if case.kind == kind and case.harmed]
        graded = [[c for c in own if c.grade == grade] for grade in grades]
        cells = ", ".join(
            f"{grade:g}: {np.median([c.trust for c in some]):.2f} ({_rms(some):.1f})"
            for grade, some in zip(grades, graded, strict=True)
        )
        each = defaultdict(list)
        for case in own:
            each[case.song, case.stem].append((grades.index(case.grade), case.trust))
        rho = [spearmanr(*zip(*pairs, strict=True)).statistic for pairs in each.values()]
        yield (
            f"| {kind} | {unit} | {cells} | {np.mean(rho):.2f} (worst stem {max(rho):.2f}) | "
            f"{held([c for c in found if c.kind == kind], PART, LEAST):.1f} % |"
        )


def errors(found: list[Case]) -> Iterator[str]:
    """Errors of shares by trust."""
    yield "| trust | stems | error, points (RMS) | 95 % are within | held before | held, widened |"
    yield "|---|---|---|---|---|---|"
    for low, high in pairwise(CLASSES):
        own = [c for c in found if low <= c.trust < high or (high == 1 and c.trust == 1)]
        if own:
            most = 100 * np.quantile([abs(c.value - c.truth) for c in own], 0.95)
            yield (
                f"| {low:g}–{high:g} | {len(own)} | {_rms(own):.2f} | ±{most:.2f} | "
                f"{held(own, 0, 0):.1f} % | {held(own, PART, LEAST):.1f} % |"
            )


def _rms(found: list[Case]) -> float:
    """The error of shares, points."""
    return 100 * float(np.sqrt(np.mean([(c.value - c.truth) ** 2 for c in found])))


def held(found: list[Case], part: float, least: float) -> float:
    """In how many % of the shares the true one lies within the widened interval (to 0.01 point)."""
    inside = [
        abs(c.value - c.truth) <= 1e-4 + np.sqrt(c.doubt) * (part * abs(c.value) + least)
        for c in found
    ]
    return 100 * float(np.mean(inside))


def fitted(found: list[Case]) -> tuple[float, float]:
    """The (part, least) that hold 95 % with the narrowest intervals on average."""
    doubt = np.sqrt([c.doubt for c in found])[:, None]
    value = np.array([abs(c.value) for c in found])
    off = np.maximum(np.array([abs(c.value - c.truth) for c in found]) - 1e-4, 0)
    tried = []
    for part in np.arange(0, 3.01, 0.1):
        least = np.quantile(np.maximum(off / np.maximum(doubt, 1e-9) - part * value, 0), 0.95)
        tried.append((float(np.mean(doubt * (part * value + least))), float(part), float(least)))
    return min(tried)[1:]


def main(*paths: str) -> None:
    """Prints the page's tables, and draws the picture where a path is given."""
    found: list[Case] = []
    for key in SONGS:
        found += cases(key)
    harmed = [case for case in found if case.harmed or case.trust < 0.9]
    print("Trust falls in step (median over stems; ρ is Spearman's, by stem):\n")
    print(*falls(found), sep="\n")
    print(f"\nShares are further off where trust is low ({TAGS} tags shown, all stems):\n")
    print(*errors(found), sep="\n")
    rho = spearmanr([c.trust for c in harmed], [abs(c.value - c.truth).mean() for c in harmed])
    print(f"\nSpearman's ρ of trust and error over {len(harmed)} stems: {rho.statistic:.2f}.")
    true = [c for c in harmed if c.snr_db < 100]
    rho = spearmanr([c.trust for c in true], [c.snr_db for c in true])
    print(f"Of trust and the true signal-to-distortion ratio: {rho.statistic:.2f}.")
    print("\nWidening, fitted on one song and held to the other:\n")
    print("| fitted on | part | least, points | held on itself | held on the other |")
    print("|---|---|---|---|---|")
    for key in SONGS:
        own, others = ([c for c in found if (c.song == key) == same] for same in (True, False))
        part, least = fitted(own)
        print(
            f"| {key} | {part:.1f} | {100 * least:.2f} | {held(own, part, least):.1f} % | "
            f"{held(others, part, least):.1f} % |"
        )
    part, least = fitted(found)
    print(f"| both | {part:.1f} | {100 * least:.2f} | {held(found, part, least):.1f} % | |")
    masked = [case for case in found if case.kind == "masks"]
    part, least = fitted(masked)
    print(
        f"| masks of both | {part:.1f} | {100 * least:.2f} | {held(masked, part, least):.1f} % | "
        f"{held(found, part, least):.1f} % of all |"
    )
    print(
        f"\nWith the constants in use (part {PART:g}, least {100 * LEAST:g} points) intervals hold "
        f"{held(found, PART, LEAST):.1f} %, and {held(found, 0, 0):.1f} % before widening."
    )
    for path in paths:
        trust_picture.draw({kind: list(dots(harmed, kind)) for kind in KINDS}, Path(path))


def dots(found: list[Case], kind: str) -> Iterator[tuple[float, float, float]]:
    """For the picture: (true distortion in dB, error of shares in points, trust)."""
    for case in found:
        if case.kind == kind and case.harmed:
            yield -case.snr_db, _rms([case]), case.trust


if __name__ == "__main__":
    main(*sys.argv[1:])
