"""`stemlens-bridge als annotate` and `remove`: results in copies of Ableton Live's sets."""

from __future__ import annotations

import argparse

from stemlens_bridge.commands import copies
from stemlens_bridge.commands.common import Commands
from stemlens_bridge.wording import counted


def add(commands: Commands) -> None:
    """Defines both commands."""
    copies.add(
        commands,
        "als",
        "SET",
        about="write a result into a copy of an Ableton Live set",
        annotate=("write info texts into the tracks of a copy of a set", _annotate),
        remove=(
            "write a copy of a set without what Stemlens wrote into its info texts",
            _remove,
        ),
    )


def _annotate(given: argparse.Namespace) -> int:
    from stemlens_bridge import als
    from stemlens_bridge.findings import Findings

    changed = als.annotate_file(
        given.original,
        Findings.read(given.result),
        given.output,
        colour=given.colour,
        replace=given.replace,
    )
    copies.tell([*changed.problems, *_place(given)])
    print(
        f"{given.output}: {counted(changed.tracks, 'track')} changed. Live shows the texts in its "
        "info view."
    )
    return 0


def _remove(given: argparse.Namespace) -> int:
    from stemlens_bridge import als

    changed = als.remove_from_file(given.original, given.output, replace=given.replace)
    copies.tell(_place(given))
    print(f"{given.output}: {counted(changed.tracks, 'text')} taken out.")
    return 0


def _place(given: argparse.Namespace) -> list[str]:
    if given.output.absolute().parent == given.original.absolute().parent:
        return []
    return ["the copy lies in another folder than the set; Live may not find samples there."]
