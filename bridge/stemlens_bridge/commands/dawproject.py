"""`stemlens-bridge dawproject annotate` and `remove`: results in copies of DAWproject files."""

from __future__ import annotations

import argparse

from stemlens_bridge.commands import copies
from stemlens_bridge.commands.common import Commands
from stemlens_bridge.wording import counted


def add(commands: Commands) -> None:
    """Defines both commands."""
    copies.add(
        commands,
        "dawproject",
        "SONG",
        about="write a result into a copy of a DAWproject file (Bitwig, Studio One …)",
        annotate=("write comments and markers into a copy of a project", _annotate),
        remove=("write a copy of a project without what Stemlens wrote", _remove),
    )


def _annotate(given: argparse.Namespace) -> int:
    from stemlens_bridge import dawproject
    from stemlens_bridge.findings import Findings

    findings = Findings.read(given.result)
    found = dawproject.annotate_file(
        given.original, findings, given.output, colour=given.colour, replace=given.replace
    )
    copies.tell(found.problems)
    print(
        f"{given.output}: {counted(found.tracks, 'track')} of {len(findings.notes)} annotated, "
        f"{counted(found.markers, 'marker')} written."
    )
    return 0


def _remove(given: argparse.Namespace) -> int:
    from stemlens_bridge import dawproject

    count = dawproject.remove_from_file(given.original, given.output, replace=given.replace)
    print(f"{given.output}: {counted(count, 'annotation')} taken out.")
    return 0
