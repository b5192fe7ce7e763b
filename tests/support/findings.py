"""Findings as a test wants them, without an analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stemlens_bridge.findings import Findings, StemName, StemShare, TagFinding, TimeNote, TrackNote


def findings(
    stems: Mapping[str, str],
    *,
    daw: str = "files",
    without: Sequence[str] = (),
    markers: Sequence[TimeNote] = (),
    points: int = 21,
) -> Findings:
    """Findings about `stems` (id to name); all but those `without` have a note."""
    noted = [own for own in stems if own not in without]
    return Findings(
        job="job",
        project="Song",
        daw=daw,
        start_s=0.0,
        tempo=None,
        stems=tuple(StemName(own, name, "track") for own, name in stems.items()),
        tags=(
            TagFinding(
                "rock",
                "genre",
                0.63,
                0.0,
                tuple(StemShare(own, points / 100, 0.1, 0.3, -0.09, 0.2) for own in noted),
            ),
        ),
        notes=tuple(
            TrackNote(
                own,
                f"rock: {points} of 63 points (muting it: −9)",
                f"rock {points} of 63 points",
                "#0072B2",
            )
            for own in noted
        ),
        markers=tuple(markers),
    )
