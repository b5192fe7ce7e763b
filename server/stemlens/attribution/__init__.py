"""From the scores of coalitions to what each stem contributes.

The values of a game by definition, given a table of all its coalitions: `shapley`, `banzhaf`,
`owen` (by groups), `interactions` (of two stems). Estimates where there are too many coalitions:
`sampling` says which to score, in complementary pairs; `gaussian_process` makes values of them, on
the first guess of `least_squares`; `permutation` does so for Owen values. `segment` and
`owen_segment` are the game of one segment, whichever of these it needs; `anytime` plays all
segments of a session, better and better until it is told to stop, by `asking` within its limits;
`shares` is what comes out.

What others do, to compare with: `lime` is the regression, `components` the stems cut into parts of
time, `feature_selection` which of them are fitted, and `audiolime` all of that on a session.

Conventions: a table of values is an array `[2**n, ...]` indexed by bit mask, bit i set where stem i
plays; coalitions otherwise are rows of booleans `[coalitions, n]`. Trailing axes (tags) are carried
along. Results are float64 `[n, ...]`.
"""

from stemlens.attribution.banzhaf import banzhaf
from stemlens.attribution.interactions import interactions
from stemlens.attribution.owen import owen
from stemlens.attribution.shapley import shapley

__all__ = ["banzhaf", "interactions", "owen", "shapley"]
