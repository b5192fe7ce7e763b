"""Results made of code, as much of them as the panel reads."""

from __future__ import annotations

from typing import Any

from stemlens_bridge import schemas

Share = tuple[float, float, float]  # value, low, high


def result(
    shares: dict[str, Share],
    *,
    score: float = 0.43,
    tag: str = "rock",
    mix_score: float | None = None,
    residual_db: float = -90.0,
    trust: dict[str, float] | None = None,
    exact: bool = False,
) -> dict[str, Any]:
    """A result with one tag and these shares of it; muting does half as much, soloing twice."""
    stems = [
        {
            "id": stem,
            "name": stem.capitalize(),
            "kind": "track",
            "path": f"/nowhere/{stem}.wav",
            "gain_db": 0.0,
            "trust": (trust or {}).get(stem, 1.0),
        }
        for stem in shares
    ]
    mix = None
    if mix_score is not None:
        mix = {"path": "/nowhere/mix.wav", "residual_db": residual_db, "lag_s": 0.0, "gain_db": 0.0}
    return {
        "schema": schemas.RESULT,
        "revision": 1,
        "session": {
            "id": "a job",
            "project": "song",
            "sample_rate": 44_100,
            "duration_s": 12.0,
            "start_s": 60.0,
            "session_gain_db": 0.0,
            "stems": stems,
            "mix": mix,
        },
        "tagger": {"segment_s": 3.0},
        "method": {"value": "shapley", "unit": "points", "exact": exact},
        "tags": [
            {
                "tag": tag,
                "kind": "genre",
                "score": score,
                "baseline": 0.05,
                "mix_score": mix_score,
                "attributions": [
                    {
                        "stem": stem,
                        "value": value,
                        "low": low,
                        "high": high,
                        "mute": -value / 2,
                        "solo": 2 * value,
                    }
                    for stem, (value, low, high) in shares.items()
                ],
            }
        ],
        "markers": [],
        "warnings": [],
        "time": None,
    }
