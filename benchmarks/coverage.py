"""Do 95 % intervals hold the exact value in 95 % of cases? `python -m benchmarks.coverage`.

On the tables of `benchmarks.games` (made first where they are not there), for the ten best tags:
segments and whole sessions at given budgets, and when sampling goes on, in rounds, until the widest
interval is narrow enough. Prints tables in Markdown; some minutes on one core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks import games
from benchmarks.games import Scored
from stemlens.attribution import shapley
from stemlens.attribution.gaussian_process import shapley_by_process
from stemlens.attribution.interactions import interactions, interactions_by_process
from stemlens.attribution.least_squares import Estimate, shapley_from_pairs
from stemlens.attribution.sampling import PairSampler, Plays, all_pairs

BUDGETS = (3, 4, 5, 6, 8, 12, 16, 24, 32)  # pairs a stem
PRECISIONS = (0.02, 0.01, 0.005, 0.0025)  # of a score from 0 to 1
GROWTH = 1.4
SEEDS, SESSION_SEEDS = 20, 10

Values = NDArray[np.float64]
Method = Callable[[Plays, Values, Values], Estimate]
METHODS: dict[str, Method] = {
    "least squares": shapley_from_pairs,
    "Gaussian process": shapley_by_process,
}


@dataclass(slots=True)
class Tally:
    """Of estimates how many intervals held, the mean squared errors, and the pairs a stem."""

    held: list[float] = field(default_factory=list)
    squared: list[float] = field(default_factory=list)
    pairs: list[float] = field(default_factory=list)

    def add(self, estimate: Estimate, exact: Values, tags: NDArray[np.intp], pairs: float) -> None:
        error = np.abs(estimate.value - exact)[:, tags]
        width = 1.96 * np.sqrt(estimate.variance[:, tags])
        estimated = width > 0  # not stems that sound only where everything is known
        self.held.append(float((error <= width)[estimated].mean()))
        self.squared.append(float((error**2).mean()))
        self.pairs.append(pairs)

    def join(self, other: Tally) -> None:
        self.held += other.held
        self.squared += other.squared
        self.pairs += other.pairs

    def held_percent(self) -> str:
        return f"{100 * np.mean(self.held):.1f} %"

    def error(self) -> float:
        """Root mean square, in points."""
        return 100 * float(np.sqrt(np.mean(self.squared)))


def differences(table: Values, plays: Plays) -> Values:
    """v(S) − v(Sᶜ) from a table."""
    masks = plays @ (1 << np.arange(plays.shape[1]))
    return table[masks] - table[len(table) - 1 - masks]


class Segment:
    """A segment that is sampled; from half of its pairs on it is taken as known in full."""

    def __init__(self, table: Values, seed: Sequence[int], method: Method) -> None:
        self.table, self.method = table, method
        self.n = len(table).bit_length() - 1
        self.sampler, self.plays = PairSampler(self.n, seed), np.zeros((0, self.n), dtype=bool)

    def grow(self, per_stem: float) -> None:
        wanted = max(self.n, int(np.ceil(per_stem * self.n)))
        if 2 * wanted >= all_pairs(self.n):
            wanted = all_pairs(self.n)
        self.plays = np.concatenate([self.plays, self.sampler.take(wanted - len(self.plays))])

    @property
    def complete(self) -> bool:
        return len(self.plays) == all_pairs(self.n)

    def estimate(self) -> Estimate:
        whole = self.table[-1] - self.table[0]
        return self.method(self.plays, differences(self.table, self.plays), whole)


class Whole:
    """A session: the mean of its segments, which are sampled independently."""

    def __init__(self, scored: Scored, seed: int, method: Method) -> None:
        self.sounding = scored.sounding
        self.segments = [Segment(table, (seed, t), method) for t, table in enumerate(scored.tables)]

    def grow(self, per_stem: float) -> None:
        for segment in self.segments:
            segment.grow(per_stem)

    @property
    def complete(self) -> bool:
        return all(segment.complete for segment in self.segments)

    def estimate(self) -> Estimate:
        parts = [segment.estimate() for segment in self.segments]
        return Estimate(
            mean(self.sounding, [part.value for part in parts]),
            mean(self.sounding, [part.variance for part in parts]) / len(parts),
        )


def mean(sounding: NDArray[np.bool_], parts: Sequence[Values]) -> Values:
    """The mean over segments `[stems, tags]` of what the stems have that sound in each."""
    total = np.zeros((sounding.shape[1], parts[0].shape[1]))
    for sounds, part in zip(sounding, parts, strict=True):
        total[sounds] += part
    return total / len(parts)


def known(scored: Scored) -> tuple[Values, NDArray[np.intp]]:
    """The exact values of a session, and its ten best tags."""
    exact = mean(scored.sounding, [shapley(table) for table in scored.tables])
    return exact, np.argsort(-np.mean([table[-1] for table in scored.tables], axis=0))[:10]


def alone(table: Values) -> Scored:
    """A segment as a session."""
    return Scored(np.ones((1, len(table).bit_length() - 1), dtype=bool), [table])


def at_budgets(found: dict[str, Scored], seeds: int) -> Iterator[str]:
    """How often intervals hold by pairs a stem, of all games that are not known in full by then."""
    yield header("pairs a stem | games", "covered | worst game | error")
    for per_stem in BUDGETS:
        tallies = {name: Tally() for name in METHODS}
        worst = dict.fromkeys(METHODS, 1.0)
        count = 0
        for scored in found.values():
            exact, tags = known(scored)
            for name, method in METHODS.items():
                own = Tally()
                for seed in range(seeds):
                    whole = Whole(scored, seed, method)
                    whole.grow(per_stem)
                    if not whole.complete:
                        own.add(whole.estimate(), exact, tags, per_stem)
                if own.held:
                    count += 1
                    tallies[name].join(own)
                    worst[name] = min(worst[name], float(np.mean(own.held)))
        if count:
            cells = " | ".join(
                f"{tally.held_percent()} | {100 * worst[name]:.1f} % | {tally.error():.2f}"
                for name, tally in tallies.items()
            )
            yield f"| {per_stem} | {count // len(METHODS)} | {cells} |"


def when_narrow_enough(sessions: dict[str, Scored], seeds: int) -> Iterator[str]:
    """Intervals where sampling stopped because they were narrow enough."""
    yield header("precision (points)", "covered | error | pairs a stem")
    for precision in PRECISIONS:
        tallies = {name: Tally() for name in METHODS}
        for scored in sessions.values():
            exact, tags = known(scored)
            for name, method in METHODS.items():
                for seed in range(seeds):
                    whole, per_stem = Whole(scored, seed, method), 3.0
                    whole.grow(per_stem)
                    while not whole.complete:
                        estimate = whole.estimate()
                        if 1.96 * np.sqrt(estimate.variance[:, tags].max()) <= precision:
                            tallies[name].add(estimate, exact, tags, per_stem)
                            break
                        per_stem *= GROWTH
                        whole.grow(per_stem)
        cells = " | ".join(
            f"{tally.held_percent()} | {tally.error():.2f} | {np.mean(tally.pairs):.0f}"
            for tally in tallies.values()
            if tally.held
        )
        yield f"| {100 * precision:g} | {cells} |"


def of_interactions(tables: dict[str, Values], seeds: int) -> Iterator[str]:
    """Interactions of two stems: errors, relative to their size, and how often intervals hold."""
    yield "\n| pairs a stem | games | covered | error / interactions |\n|---|---|---|---|"
    for per_stem in BUDGETS:
        held, relative, count = [], [], 0
        for table in tables.values():
            n, tags = len(table).bit_length() - 1, games.best(table)
            if 2 * per_stem * n >= all_pairs(n):
                continue
            count += 1
            two = np.triu_indices(n, 1)
            exact = interactions(table[:, tags])[two]
            for seed in range(seeds):
                plays = PairSampler(n, seed).take(per_stem * n)
                masks = plays @ (1 << np.arange(n))
                found = interactions_by_process(
                    plays, table[masks], table[len(table) - 1 - masks], table[-1], table[0]
                )
                error = np.abs(found.value[two][:, tags] - exact)
                width = 1.96 * np.sqrt(found.variance[two][:, tags])
                held.append(float((error <= width).mean()))
                relative.append(float(np.sqrt((error**2).mean() / (exact**2).mean())))
        if count:
            mean_held, error = 100 * np.mean(held), np.mean(relative)
            yield f"| {per_stem} | {count} | {mean_held:.1f} % | {error:.2f} |"


def header(first: str, columns: str) -> str:
    """The head of a table with the same columns for each method."""
    heads = " | ".join(f"{name}: {column}" for name in METHODS for column in columns.split(" | "))
    count = 1 + first.count("|") + len(METHODS) * len(columns.split(" | "))
    return f"\n| {first} | {heads} |\n|{'---|' * count}"


def main() -> None:
    if not games.sessions():
        games.main()
    segments = {name: alone(table) for name, table in games.segments().items()}
    for title, found, seeds in (
        (f"{len(segments)} segments with 9 to 13 sounding stems", segments, SEEDS),
        (f"Whole sessions: {'; '.join(games.sessions())}", games.sessions(), SESSION_SEEDS),
    ):
        print(f"\n### {title}, {seeds} seeds each\n\nAt a given budget:")
        print(*at_budgets(found, seeds), sep="\n", flush=True)
        print("\nUntil no interval is wider than ± the precision:")
        print(*when_narrow_enough(found, seeds), sep="\n", flush=True)
    print("\n### Interactions in the same segments, 4 seeds each")
    print(*of_interactions(games.segments(), 4), sep="\n", flush=True)


if __name__ == "__main__":
    main()
