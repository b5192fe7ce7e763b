"""How large the page about an analysis is, what it takes to make and to open, and what its sounds
lose. `python -m benchmarks.report` prints the tables of `docs/report.md`.

Pages are of the demo session, analysed as `make demo` does, and of a session of fourteen stems of
noise that lasts four minutes: noise is what no encoder makes smaller. A page is opened in Chromium
from its file; *opened in* is until the load event. *Made in* are seconds of processor time, so that
other work on the machine counts for less. What MP3 loses is told by the tagger: the largest
change in any tag of the demo's sum, and by where the sound ends.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from playwright.sync_api import Browser, sync_playwright

from benchmarks.songs import ROOT
from stemlens import Options, Session, analyze, audio, tagging
from stemlens.over_time import OverTime
from stemlens.report import sounds
from stemlens.report.page import report
from stemlens.scorecache import ScoreCache, default_path

CHROMIUM = "/usr/bin/chromium"
TAGGER = "mtt-musicnn"
STEMS, SECONDS, RATE = 14, 240.0, 44_100
TIMES = 3  # a page is opened, and the fastest counts
TRIED_KBPS = (64, 80, 96, 128, 160)
LOST_DB = -10.0  # of a third of a kilohertz: there the sound ends
OPENED = "performance.getEntriesByType('navigation')[0].loadEventEnd"


def main() -> None:
    """Prints the tables."""
    with tempfile.TemporaryDirectory() as folder, ScoreCache(default_path()) as kept:
        tagger = tagging.load(TAGGER, "cpu")
        session = Session.read(ROOT / "examples" / "demo")
        analysis = analyze(session, Options(tagger=TAGGER), tagger=tagger, kept=kept)
        demo = analysis.to_dict(), analysis.over_time
        print("| page | MB | sounds | kbit/s | made in | opened in |\n|---|---|---|---|---|---|")
        for line in pages(Path(folder), demo, grown(Path(folder), *demo)):
            print(line, flush=True)
        print("\n| kbit/s | kB a second | ends at | any tag changes by up to |\n|---|---|---|---|")
        for line in rates(*demo, tagger):
            print(line, flush=True)


def grown(
    folder: Path, document: Mapping[str, Any], over_time: OverTime
) -> tuple[dict[str, Any], OverTime]:
    """The demo's result as one of many stems and minutes, with files of noise."""
    times = int(SECONDS // over_time.segment_s)
    which = np.arange(times) % len(over_time.start_s)
    ids = [f"stem {n}" for n in range(STEMS)]
    of = [n % len(over_time.stems) for n in range(STEMS)]
    noise = np.random.default_rng(0)
    stems = []
    for n, own in enumerate(ids):
        path = folder / f"{own}.wav"
        samples = 0.05 * noise.standard_normal((round(SECONDS * RATE), 2))
        soundfile.write(path, samples, RATE)
        like = document["session"]["stems"][of[n]]
        stems.append({**like, "id": own, "name": own, "path": str(path), "duration_s": SECONDS})
    tags = [
        {
            **tag,
            "attributions": [
                {**tag["attributions"][k], "stem": own} for k, own in zip(of, ids, strict=True)
            ],
        }
        for tag in document["tags"]
    ]
    session = {**document["session"], "stems": stems, "duration_s": SECONDS, "sample_rate": RATE}
    longer = replace(
        over_time,
        start_s=over_time.segment_s * np.arange(times),
        scores=over_time.scores[which],
        baseline=over_time.baseline[which],
        attributions=over_time.attributions[which][:, of],
        stems=tuple(ids),
    )
    return {**document, "session": session, "tags": tags, "interactions": []}, longer


def pages(folder: Path, *results: tuple[Mapping[str, Any], OverTime]) -> Iterator[str]:
    """A row for each page: of each result with its sounds and without any."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for document, over_time in results:
            session = document["session"]
            name = f"{len(session['stems'])} stems, {session['duration_s']:.0f} s"
            for limit, what in ((8.0, name), (0.0, f"{name}, no sounds")):
                started = time.process_time()
                page = report(document, over_time, max_mb=limit)
                made_s = time.process_time() - started
                path = folder / "page.html"
                path.write_text(page, encoding="utf-8")
                opened_ms = min(_opened_ms(browser, path) for _ in range(TIMES))
                kbps = page.partition(" kbit/s")[0].rpartition(" ")[2] if limit else ""
                clips = page.count('<script type="text/plain"')
                yield (
                    f"| {what} | {len(page.encode()) / 1e6:.2f} | {clips} | {kbps} | "
                    f"{made_s:.1f} s | {opened_ms:.0f} ms |"
                )
        browser.close()


def _opened_ms(browser: Browser, path: Path) -> float:
    page = browser.new_page()
    page.goto(path.as_uri())
    opened_ms = float(page.evaluate(OPENED))
    page.close()
    return opened_ms


def rates(
    document: Mapping[str, Any], over_time: OverTime, tagger: tagging.Tagger
) -> Iterator[str]:
    """A row for each rate of an MP3 of the demo's sum."""
    found = sounds.recordings(document)
    total = np.zeros((round(found.duration_s * found.rate), 2), dtype=np.float32)
    for recording in found.stems.values():
        for at, block in recording.played(found.rate):
            audio.add_at(total, block, at)
    before = _tagged(total, found.rate, tagger)
    for kbps in TRIED_KBPS:
        made = sounds.mp3(total, found.rate, kbps)
        after, rate = soundfile.read(io.BytesIO(made), dtype="float32", always_2d=True)
        change = np.abs(_tagged(after, rate, tagger) - before).max()
        yield (
            f"| {kbps} | {len(made) / found.duration_s / 1000:.1f} | "
            f"{_ends_hz(total, after[: len(total)], rate) / 1000:.1f} kHz | "
            f"{100 * change:.1f} points |"
        )


def _tagged(samples: audio.Samples, rate: int, tagger: tagging.Tagger) -> np.ndarray:
    """The scores of a sound at the level of the page, `[tags]`."""
    from stemlens.game import Game

    mono = audio.resample(audio.to_mono(samples), rate, tagger.sample_rate)
    game = Game(tagger, mono[None], [sounds.REDUCED_DB], None, None)
    segments = [game.scores(t, np.ones((1, int(own.sum())), dtype=np.bool_))[0]
                for t, own in enumerate(game.sounding)]  # fmt: skip
    return np.mean(segments, axis=0)


def _ends_hz(before: audio.Samples, after: audio.Samples, rate: int) -> float:
    """From which frequency on most is gone."""
    powers = [np.abs(np.fft.rfft(audio.to_mono(one))) ** 2 for one in (before[: len(after)], after)]
    bands = np.fft.rfftfreq(len(after), 1 / rate) // 250
    was, now = (np.bincount(bands.astype(int), power) for power in powers)
    gone = 10 * np.log10((now + 1e-12) / (was + 1e-12)) < LOST_DB
    return 250.0 * (int(np.argmax(gone[20:])) + 20 if gone[20:].any() else len(gone))


if __name__ == "__main__":
    main()
