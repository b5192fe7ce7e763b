"""`stemlens analyze` on one song, cold, in a process of its own: what is known when. Prints JSON.

Seconds count from when the session is opened (audio read, who sounds when known); what went
before is in `started_s` (Python, the network's weights) and `opened_s`.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np

from benchmarks.songs import song
from stemlens import Options, Session, tagging
from stemlens.analysis import revisions
from stemlens.attribution import anytime
from stemlens.opening import open_game


def main(key: str, options_json: str = "{}") -> None:
    """Measures one analysis with these options (JSON of `Options`)."""
    found = song(key)
    started = time.perf_counter()
    options = Options.from_dict({"tagger": found.tagger, **json.loads(options_json)})
    tagger = tagging.load(options.tagger, "cpu")
    loaded = time.perf_counter()
    session = Session.read(found.folder)
    opened = open_game(session, tagger, session.options(options))
    ready = time.perf_counter()
    told = []
    for analysis in revisions(opened, options):
        shares = analysis.shares
        best = shares.best(options.tags)
        told.append(
            {
                "s": time.perf_counter() - ready,
                "coalitions": shares.coalitions,
                "tagged": analysis.tagged,
                "half_width": float(shares.half_width[:, best].max()),
                "mutes_known": not bool(np.isnan(shares.mute).any()),
                "exact": shares.exact,
            }
        )
    sounding = opened.game.sounding.sum(axis=1)
    print(
        json.dumps(
            {
                "stems": opened.game.sounding.shape[1],
                "segments": len(sounding),
                "duration_s": opened.material.duration_s,
                "sounding_median": float(np.median(sounding)),
                "sounding_most": int(sounding.max()),
                "exact_taggings": anytime.cost(opened.game),
                "started_s": loaded - started,
                "opened_s": ready - loaded,
                "revisions": told,
                "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
