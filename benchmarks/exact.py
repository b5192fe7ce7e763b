"""`stemlens analyze` on one session in a process of its own; prints JSON as `naive` does."""

from __future__ import annotations

import json
import resource
import sys
import time

from stemlens import Options, analyze


def main(folder: str, tagger: str) -> None:
    """Measures one session and prints seconds, taggings, peak memory and the shares."""
    started = time.perf_counter()
    analysis = analyze(folder, Options(tagger=tagger), device="cpu")
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - started,
                "taggings": analysis.shares.taggings,
                "tag_seconds": analysis.timings_s["tag"],
                "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "shares": analysis.attributions.tolist(),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
