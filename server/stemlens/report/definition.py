"""What a share is, for who wants to know exactly: the definition of each value, as HTML.

Sources: L. S. Shapley, *A value for n-person games* (1953); J. F. Banzhaf, *Weighted voting doesn't
work* (1965); G. Owen, *Values of games with a priori unions* (1977); V. Haunschmid, E. Manilow and
G. Widmer, *audioLIME: listenable explanations using source separation* (2020).
"""

from __future__ import annotations

GAME = (
    "<p>The stems N are the players of a game. A coalition S is some of them playing together, at "
    "the levels that they have in the mix; <i>v</i>(S) is what the tagger scores of its sound, and "
    "<i>v</i>(∅) what it scores of silence. A stem adds <i>v</i>(S ∪ {i}) − <i>v</i>(S) when it "
    "joins S.</p>"
)
ORDERS = (
    '<p class="sl-formula">φ<sub>i</sub> = Σ<sub>S ⊆ N∖{i}</sub> '
    "|S|! (n − |S| − 1)! ∕ n! · [<i>v</i>(S ∪ {i}) − <i>v</i>(S)]</p>"
)
VALUES = {
    "shapley": "<p>Its share is the Shapley value: what it adds, averaged over all orders in which "
    f"the n stems could enter.</p>{ORDERS}<p>It is the only way to share <i>v</i>(N) − <i>v</i>(∅) "
    "out so that nothing is left over, stems that always add the same get the same, who never adds "
    "anything gets nothing, and the shares of a sum of games are the sums of the shares. The last "
    "lets the song's share be the mean over its segments.</p>",
    "owen": "<p>Its share is the Owen value: the groups of stems enter in all orders, and the "
    "stems of each group in all orders within it; what a stem adds is averaged over these. The "
    "shares of a group add up to the group's own Shapley value.</p>",
    "banzhaf": "<p>Its share is the Banzhaf value: what it adds, averaged over all coalitions of "
    'the others, each counting the same.</p><p class="sl-formula">β<sub>i</sub> = 2<sup>1−n</sup> '
    "Σ<sub>S ⊆ N∖{i}</sub> [<i>v</i>(S ∪ {i}) − <i>v</i>(S)]</p><p>These shares need not add up to "
    "anything.</p>",
    "lime": "<p>Its share is a weight of audioLIME: the score of random coalitions is fitted by a "
    "sum of weights of the stems that play, where coalitions near to the whole count more. These "
    "weights need not add up to anything.</p>",
    "mute": "<p>Its share is what is lost without it: <i>v</i>(N) − <i>v</i>(N∖{i}). Two stems "
    "that say the same both get nothing.</p>",
    "solo": "<p>Its share is what it scores alone: <i>v</i>({i}) − <i>v</i>(∅).</p>",
}
LOG_ODDS = (
    "<p>Here <i>v</i> is not the score <i>p</i> but its log-odds, ln(<i>p</i> ∕ (1 − <i>p</i>)), "
    "which have no ceiling: where a tag already fits, what else says so still counts.</p>"
)
BESIDE = (
    "<p>Muting one stem answers another question: what is lost if all others stay. Where two stems "
    "stand in for each other, each has a share, and muting one of them changes little.</p>"
)


def definition(value: str, unit: str) -> str:
    """What a share of that value in that unit is, as HTML."""
    return GAME + VALUES[value] + (LOG_ODDS if unit == "log-odds" else "") + BESIDE
