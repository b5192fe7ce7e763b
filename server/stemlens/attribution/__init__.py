"""From the scores of coalitions to what each stem contributes.

`shapley` and `banzhaf` are the values of a game given as a table of all its coalitions; `effects`
are what muting or soloing a stem does; `exact` applies them to a whole session, segment by segment.

Conventions: a table of values is an array `[2**n, ...]` indexed by bit mask, bit i set where stem i
plays; trailing axes (tags) are carried along. Results are float64 `[n, ...]`.
"""

from stemlens.attribution.banzhaf import banzhaf
from stemlens.attribution.effects import mute, solo
from stemlens.attribution.shapley import shapley

__all__ = ["banzhaf", "mute", "shapley", "solo"]
