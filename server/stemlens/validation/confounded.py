"""The confounder test (see `confounder`) as one of the experiments of `stemlens validate`.

It has material of its own, made in code, and a classifier of its own; of the settings only the seed
counts, and whether it is a quick run, which is too small for its figures to say anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from stemlens.validation import confounder
from stemlens.validation.experiment import Check, Progress, Settings, of_enough, percent


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of the test itself, and what should hold; `small`: they say nothing."""

    found: confounder.Figures
    small: bool
    checks: tuple[Check, ...]


def run(settings: Settings, on_progress: Progress) -> Figures:
    """Renders, trains and explains; raises `extra_missing` without FluidSynth."""
    own = confounder.SMALL if settings.quick else confounder.Settings(seed=settings.seed)
    found = confounder.run(own, on_progress)
    top = found.of(confounder.MISTAKES).drums["Shapley"]
    spoilt = found.spoilt
    return Figures(
        found,
        settings.quick,
        (
            of_enough(
                "snippets",
                min(spoilt.standard.trials, spoilt.swapped.trials),
                Check(
                    "A classifier that fell for the drums: right on its own test set, and with the "
                    "drums swapped",
                    f"at least {percent(confounder.RIGHT)}, at most {percent(confounder.COLLAPSE)}",
                    f"{percent(spoilt.standard.value, 1)}, {percent(spoilt.swapped.value, 1)}",
                    found.fell,
                ),
            ),
            of_enough(
                "mistakes",
                top.trials,
                Check(
                    "Its mistakes: the drums have the largest Shapley value",
                    f"in at least {percent(confounder.TARGET)}",
                    f"{percent(top.value, 1)} of {top.trials}",
                    found.passed,
                ),
            ),
        ),
    )


def told(figures: Figures) -> list[str]:
    """The section of the report."""
    lines = confounder.told(figures.found)
    if figures.small:
        lines = ["*A quick run: far too small for its figures to say anything.*", "", *lines]
    return lines
