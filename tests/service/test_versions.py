"""What changed since the version before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.results import Share, result

from stemlens.service.panel.library import Library, compare
from stemlens.service.store import JobFile, Past, Store

ROUGH = (0.3, -0.4, 1.0)


def version(score: float, tagger: str = "one", **shares: Share) -> dict[str, Any]:
    document = result(shares, score=score)
    document["tagger"]["name"] = tagger
    return document


def kept(folder: Path, *documents: dict[str, Any]) -> tuple[Library, list[Past]]:
    """A library of versions of one project, all done; the latest first."""
    store = Store(folder / "jobs.sqlite3")
    for number, document in enumerate(documents):
        job = f"version {number}"
        store.open(job, "files", "song", "{}")
        store.queue(job, [])
        store.finish(job, document, folder / f"{number}.json")
    store.close()
    library = Library(folder)
    return library, library.jobs()


def test_a_change_has_a_source_only_where_the_shares_lie_apart() -> None:
    before = version(0.5, drums=(0.3, 0.29, 0.31), bass=(0.1, 0.1, 0.1))
    louder = version(0.59, drums=(0.39, 0.38, 0.4), bass=(0.1, 0.1, 0.1))
    assert compare(before, louder) == ["+9 rock, from Drums"]
    rough = version(0.59, drums=(0.39, 0.3, 0.48), bass=(0.1, 0.1, 0.1))
    assert compare(before, rough) == ["+9 rock"]
    assert compare(version(0.5, drums=ROUGH), version(0.41, drums=(0.2, 0.2, 0.2))) == ["−9 rock"]


def test_a_stem_that_sounds_as_before_is_the_source_of_nothing() -> None:
    """Shares of all stems move when one is new; it alone did that."""
    before = version(0.5, bass=(0.3, 0.3, 0.3))
    now = version(0.4, bass=(0.1, 0.1, 0.1), guitar=(0.1, 0.1, 0.1))
    assert compare(before, now) == ["−10 rock, from Bass"]
    assert compare(before, now, frozenset({"bass"})) == ["−10 rock, from the new Guitar"]
    assert compare(now, before, frozenset({"bass"})) == ["+10 rock, without Guitar"]


def test_which_stems_sound_as_before(tmp_path: Path) -> None:
    store = Store(tmp_path / "jobs.sqlite3")
    for job, snare, gain_db in (("before", "a", 0.0), ("now", "b", -3.0)):
        store.open(job, "files", "song", "{}")
        content = {"kick": ("same", 0.0), "snare": (snare, 0.0), "pad": ("pad", gain_db)}
        files = [
            JobFile(track, track, f"/{job}/{track}", db, "{}", size=1, mtime_ns=1, sha256=sha)
            for track, (sha, db) in content.items()
        ]
        for file in files:
            store.put_file(job, file)
        store.queue(job, files)
    store.close()
    assert Library(tmp_path).unchanged("before", "now") == {"kick"}


def test_versions_are_compared_that_were_measured_alike(tmp_path: Path) -> None:
    drums = (0.3, 0.3, 0.3)
    now = version(0.6, drums=drums)
    other, odds = version(0.2, "another", drums=drums), version(0.3, drums=drums)
    odds["method"]["unit"] = "log-odds"
    library, jobs = kept(tmp_path, version(0.5, drums=drums), other, odds, now)
    found = library.version_before(jobs[0], now)
    assert found is not None and found[1]["tags"][0]["score"] == 0.5  # further back
    assert library.version_before(jobs[2], other) is None
