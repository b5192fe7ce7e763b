"""The article's tables: its "rock" track recomputed from the scores that it published.

"Making AI Music-Tagging Explainable through Source Separation" prints Shapley values of four stems
for four tags. Its program takes the plain mean of all contributions of a stem, which is the Banzhaf
value. From its scores of all coalitions both can be had, and its figure says which one it shows.

Sources: `SCORES` is the track "rock" of `analysis_results/classifier_outputs.xlsx`, and `PRINTED`
was read off the bars of `code/fig/rock_track_stem_analysis.png` (a pixel is 0.001), both in the
article's repository, github.com/MaxHilsdorf/music_stem_shapley_values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemlens.attribution import banzhaf, shapley
from stemlens.validation.experiment import Check, Progress, Settings, points, table
from stemlens_bridge.wording import number

STEMS = ("vocals", "eguitar", "drums", "bass")
TAGS = ("rock", "metal", "energetic", "aggressive")
SCORES: dict[tuple[str, ...], tuple[float, float, float, float]] = {
    (): (0.0, 0.0, 0.0, 0.0),
    ("vocals",): (0.71, 0.10, 0.48, 0.37),
    ("eguitar",): (0.19, 0.76, 0.82, 0.75),
    ("drums",): (0.50, 0.29, 0.55, 0.41),
    ("bass",): (0.08, 0.02, 0.18, 0.17),
    ("vocals", "eguitar"): (0.71, 0.41, 0.80, 0.74),
    ("vocals", "drums"): (0.72, 0.01, 0.56, 0.48),
    ("vocals", "bass"): (0.23, 0.01, 0.20, 0.15),
    ("eguitar", "drums"): (0.54, 0.72, 0.85, 0.76),
    ("eguitar", "bass"): (0.32, 0.76, 0.85, 0.75),
    ("drums", "bass"): (0.62, 0.19, 0.59, 0.46),
    ("vocals", "eguitar", "drums"): (0.69, 0.45, 0.80, 0.71),
    ("vocals", "eguitar", "bass"): (0.72, 0.47, 0.84, 0.73),
    ("vocals", "drums", "bass"): (0.81, 0.04, 0.56, 0.45),
    ("eguitar", "drums", "bass"): (0.54, 0.73, 0.84, 0.75),
    ("vocals", "eguitar", "drums", "bass"): (0.67, 0.53, 0.76, 0.69),
}
"""What each coalition scores, in the order of `TAGS`."""
PRINTED = (
    (0.308, -0.181, 0.040, 0.033),
    (0.089, 0.521, 0.429, 0.423),
    (0.267, 0.054, 0.167, 0.130),
    (-0.009, 0.001, -0.006, -0.009),
)
"""The article's "Shapley values", in the order of `STEMS` and `TAGS`."""
PIXEL = 0.001
READ = 1.5 * PIXEL  # how far a bar's two ends may be off together

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figures:
    """shapley, banzhaf: by stem and tag; reordered: tags in which the two rank stems differently;
    turned: (tag, stem) of which the two have different signs."""

    shapley: list[list[float]]
    banzhaf: list[list[float]]
    whole: list[float]
    reordered: list[str]
    turned: list[tuple[str, str]]
    checks: tuple[Check, ...]


def scores() -> Values:
    """The published scores as a table `[16, tags]`."""
    found = np.empty((len(SCORES), len(TAGS)))
    for coalition, row in SCORES.items():
        found[sum(1 << STEMS.index(stem) for stem in coalition)] = row
    return found


def run(settings: Settings, on_progress: Progress) -> Figures:
    """Both values of the track; takes no time, and no material."""
    game = scores()
    fair, plain, printed = shapley(game), banzhaf(game), np.array(PRINTED)
    ranks = (np.argsort(-fair, axis=0) == np.argsort(-plain, axis=0)).all(axis=0)
    stems, tags = np.nonzero(np.sign(fair.round(9)) != np.sign(plain.round(9)))
    turned = [(TAGS[k], STEMS[i]) for i, k in zip(stems, tags, strict=True)]
    to_plain, to_fair = (float(np.abs(printed - value).max()) for value in (plain, fair))
    whole = game[-1] - game[0]
    off = float(np.abs(fair.sum(axis=0) - whole).max())
    return Figures(
        fair.tolist(),
        plain.tolist(),
        whole.tolist(),
        [tag for tag, same in zip(TAGS, ranks, strict=True) if not same],
        turned,
        (
            Check(
                'The article\'s figure shows Banzhaf values (it calls them "Shapley")',
                f"every bar within {READ:g}, one and a half pixels",
                f"{to_plain:.4f} at most; {to_fair:.3f} from Shapley values",
                to_plain <= READ < to_fair,
            ),
            Check(
                "Shapley values of its track add up to the track's score",
                "to 1e−9",
                "they do" if off < 1e-9 else f"{off:.1e} is missing",
                off < 1e-9,
            ),
        ),
    )


def told(figures: Figures) -> list[str]:
    """The section of the report."""
    fair, plain = np.array(figures.shapley), np.array(figures.banzhaf)
    missing = [
        f"{tag} {points(float(part), 0)}"
        for tag, part in zip(TAGS, plain.sum(axis=0) - figures.whole, strict=True)
    ]
    rows = [
        [stem, *(f"{points(fair[i, k], 2)} ({points(plain[i, k], 2)})" for k in range(len(TAGS)))]
        for i, stem in enumerate(STEMS)
    ]
    sums = [
        f"{points(fair[:, k].sum(), 2)} ({points(plain[:, k].sum(), 2)})" for k in range(len(TAGS))
    ]
    i, k = divmod(int(np.abs(fair - plain).argmax()), len(TAGS))
    turned = "; ".join(
        f"{stem} ({', '.join(tag for tag, own in figures.turned if own == stem)})"
        for stem in STEMS
        if any(own == stem for _, own in figures.turned)
    )
    ranking = ", ".join(figures.reordered) or "none of the four tags"
    return [
        'The article "Making AI Music-Tagging Explainable through Source Separation" published '
        'what a tagger scores for all sixteen combinations of the stems of its "rock" track. From '
        "them, in points, the Shapley value and in brackets the Banzhaf value:",
        "",
        *table(["stem", *TAGS], rows),
        *table(["all together", *sums], [])[:1],
        *table(["score of the mix", *(points(part, 2) for part in figures.whole)], [])[:1],
        "",
        "What the article prints under the name Shapley are the values in brackets. They do not "
        f"add up to the score of the mix: what they miss or have too much is {', '.join(missing)} "
        f"points. The ranking of the stems differs in {ranking}; the sign differs for "
        f"{turned or 'no stem'}; the largest difference is "
        f"{points(fair[i, k] - plain[i, k])} points ({STEMS[i]} for {TAGS[k]}: "
        f"{points(fair[i, k])} and not {points(plain[i, k])}). The "
        "article takes the score of silence for 0, which it is not for most taggers; Stemlens "
        "measures it.",
        "",
        "*What would make it fail:* bars of the figure that are no Banzhaf values of these scores, "
        f"to {number(READ, 4)}, or Shapley values here that do not add up.",
    ]
