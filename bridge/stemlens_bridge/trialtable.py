"""What was tried, as text for a terminal: what to do, what it does to the tags, where to hear it.

One trial is one block: its words in the DAW's own terms, then its tags with score before and after,
the change and the interval in which that lies in 95 of 100 cases, all in points of 100. No line but
one that names a file is longer than `width` columns.
"""

from __future__ import annotations

import textwrap

from stemlens_bridge.annotations import points, signed
from stemlens_bridge.protocol import TrialTag, Verified
from stemlens_bridge.table import columns, fit, one_line, pad
from stemlens_bridge.trials import Tried, TriedTrial

TAGS = 6  # how many tags of a trial are shown; all are in its JSON
NO_INTERVAL = (-1.0, 1.0)  # what the server says where the session is too short for one
LEGEND = (
    "Points of 100. In brackets: where the change lies in 95 of 100 cases; where that includes 0, "
    "the tag may not move at all."
)


def trial_table(tried: Tried, *, width: int = 80, tags: int = TAGS) -> str:
    """The answer to a request: its sentence, and each trial with up to `tags` tags."""
    lines: list[str] = []
    if tried.suggestion is not None:
        found = tried.suggestion
        lines += _wrapped(f"{one_line(found.goal)}: {one_line(found.sentence)}", width, "")
        lines += _wrapped(f"{found.tried} edits were tried, {found.taggings} taggings.", width, "")
        if not tried.trials:
            advice = "Nothing tried helps. Give it more --budget, more stems, or another goal."
            return "\n".join([*lines, "", *_wrapped(advice, width, "")])
        lines.append("")
    for one in tried.trials:
        lines += [*_trial(one, width, tags), ""]
    return "\n".join([*lines, *_wrapped(LEGEND, width, "")])


def _trial(one: TriedTrial, width: int, tags: int) -> list[str]:
    trial = one.trial
    head = f"{trial.rank}. " if trial.rank else ""
    indent = " " * len(head)
    lines = _wrapped(head + one_line(trial.words), width, indent)
    lines += _wrapped(indent + one_line(trial.sentence), width, indent)
    if trial.gain or trial.low or trial.high:
        nearer = f"Nearer to the goal by {signed(trial.gain)}{_interval(trial.low, trial.high)}."
        lines += _wrapped(indent + nearer, width, indent)
    audible = (
        f"The mix: {_db(trial.loudness_db)} in loudness, its spectrum moves by "
        f"{trial.spectrum_db:.1f} dB: {one_line(trial.audible)}."
    )
    lines += _wrapped(indent + audible, width, indent)
    lines += _tags(one.tags[:tags], indent + "  ", width)
    if not trial.heard:
        told = "The tagger cannot hear this by its nature: judge it by your own ears."
        lines += _wrapped(indent + told, width, indent)
    if trial.verify:
        reasons = "; ".join(dict.fromkeys(edit.verify for edit in one.edits if edit.verify))
        told = f"Verify by a new bounce{': ' if reasons else '.'}{one_line(reasons)}"
        lines += _wrapped(indent + told, width, indent)
    if trial.before_path and trial.after_path:
        lines.append(f"{indent}Listen, before: {one_line(trial.before_path)}")
        lines.append(f"{indent}        after:  {one_line(trial.after_path)}")
    return lines


def _tags(tags: tuple[TrialTag, ...], indent: str, width: int) -> list[str]:
    names = [one_line(tag.tag) for tag in tags]
    widest = min(max(map(columns, names), default=1), width // 3)
    return [
        f"{indent}{pad(fit(name, widest), widest)} {points(tag.before):>4} → "
        f"{points(tag.after):<3} {signed(tag.change):>4}{_interval(tag.low, tag.high)}"
        for name, tag in zip(names, tags, strict=True)
    ]


def _interval(low: float, high: float) -> str:
    if (low, high) == NO_INTERVAL:
        return " (too short to say how sure)"
    return f" ({signed(low)} to {signed(high)})"


def _db(value: float) -> str:
    return f"{value:+.1f} dB".replace("-", "−")


def verified_table(verified: Verified, *, width: int = 80) -> str:
    """What was promised and what a new bounce did, side by side."""
    lines = [*_wrapped(one_line(verified.sentence), width, ""), ""]
    names = [one_line(kept.tag) for kept in verified.tags]
    widest = min(max(map(columns, names), default=1), width // 3)
    for name, kept in zip(names, verified.tags, strict=True):
        promised = f"promised {signed(kept.promised):>4}{_interval(kept.low, kept.high)}"
        real = f"real {signed(kept.real):>4}  {'held' if kept.held else 'not held'}"
        lines.append(f"  {pad(fit(name, widest), widest)}  {promised:<30} {real}")
    return "\n".join([*lines, "", *_wrapped("Points of 100.", width, "")])


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=indent) or [""]
