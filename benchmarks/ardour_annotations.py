"""How long Stemlens takes to write comments on 64 tracks of a real Ardour that has them open."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

from tests.support.ardour import Made, RunningArdour, make_session

from stemlens_bridge.ardour import annotate, session_file
from stemlens_bridge.ardour.wanted import COMMENTS, Wanted

TRACKS = 64
RUNS = 5


def measure(tracks: int = TRACKS, runs: int = RUNS) -> dict[str, float]:
    """Median seconds from the wish to the last comment read back: to find the Ardour that has the
    session open (`find_s`), to write (`write_s`), both (`seconds`)."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        made = [Made(f"Track {number}") for number in range(1, tracks + 1)]
        path = make_session(Path(folder) / "Many", made, home)
        session = session_file.read(path)
        stems = [(route.id, route.name) for route in session.mixed]
        found, written = [], []
        with RunningArdour(path, home):
            for run in range(runs):
                texts = {own: f"rock: {run} of 63 points (muting it: −9)" for own, _ in stems}
                started = time.perf_counter()
                ardour = annotate.opened(session)
                middle = time.perf_counter()
                assert ardour is not None
                done = annotate.write(
                    path, stems, Wanted(texts, kinds=frozenset({COMMENTS})), ardour
                )
                ended = time.perf_counter()
                assert done.comments == tracks and not done.problems
                found.append(middle - started)
                written.append(ended - middle)
    return {
        "tracks": tracks,
        "find_s": statistics.median(found),
        "write_s": statistics.median(written),
        "seconds": statistics.median(map(sum, zip(found, written, strict=True))),
    }


if __name__ == "__main__":
    print(json.dumps(measure()))
