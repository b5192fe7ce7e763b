"""The sounds of a job, over HTTP."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import numpy as np
import pytest
import soundfile
from fastapi import FastAPI
from numpy.typing import NDArray
from support.results import result

from stemlens import audio
from stemlens.report.addresses import address
from stemlens.service.freezing import freeze
from stemlens.service.panel import rendering, saving
from stemlens.service.panel.library import Library
from stemlens.service.panel.listening import routes
from stemlens.service.panel.sounds import Sounds
from stemlens.service.places import Places
from stemlens.service.store import JobFile, Store

RATE = 16_000
JOB = "AC/DC – 50 %.."
SECONDS = 2.0
QUIETER = 10 ** (-6 / 20)  # all sounds are 6 dB quieter than they were analysed


class Desk:
    """A job with its files in a data folder, and a client of its sounds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.document = result(
            {
                "guitars": (0.3, 0.3, 0.3),
                "pads": (-0.1, -0.1, -0.1),
                "bass/1": (0.1, 0.1, 0.1),
                "keys": (0.01, -0.02, 0.04),
            },
            mix_score=0.5,
        )
        for stem in self.document["session"]["stems"]:
            stem["path"] = str(self.path(stem["id"]))
        self.document["session"]["mix"]["path"] = str(folder / "mix.wav")
        time = np.arange(round(SECONDS * RATE)) / RATE
        self.waves = {
            stem["id"]: (0.1 * np.sin(2 * np.pi * 110 * (n + 1) * time)).astype(np.float32)
            for n, stem in enumerate(self.document["session"]["stems"])
        }
        for n, (stem, wave) in enumerate(self.waves.items()):
            soundfile.write(self.path(stem), wave, RATE, format="WAV" if n else "AIFF")
        soundfile.write(folder / "mix.wav", 3 * sum(self.waves.values()), RATE)
        self.app = FastAPI()
        sounds = Sounds(folder, Places([folder]))
        self.app.include_router(routes(sounds))
        self.app.include_router(saving.routes(Library(folder), sounds))

    def path(self, stem: str) -> Path:
        return self.folder / f"{stem.replace('/', '_')}.sound"

    def keep(self, session: dict[str, Any] | None = None) -> None:
        """Puts the job and its result into the store."""
        told = self.document["session"]
        told |= {"id": JOB, "sample_rate": RATE, "duration_s": SECONDS, **(session or {})}
        store = Store(self.folder / "jobs.sqlite3")
        store.open(JOB, "files", "song", "{}")
        files = [JobFile(s, s, str(self.path(s)), 0.0, "{}") for s in self.waves]
        files.append(JobFile.of_mix(str(self.folder / "mix.wav")))
        for file in files:
            store.put_file(JOB, file)
        store.queue(JOB, [freeze(file) for file in files])
        store.finish(JOB, self.document, self.folder / "result.json")
        store.close()

    def get(self, *names: str, job: str = JOB, **headers: str) -> httpx.Response:
        """What is answered for a sound."""
        return self.ask(address(job, *names), **headers)

    def ask(self, where: str, **headers: str) -> httpx.Response:
        """What is answered at an address."""

        async def ask() -> httpx.Response:
            # FastAPI's own test client undoes the encoding of addresses twice, unlike servers.
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://panel") as client:
                return await client.get(where, headers=headers)

        return asyncio.run(ask())

    def heard(self, *names: str) -> NDArray[np.float64]:
        """What comes, mono."""
        answer = self.get(*names)
        assert answer.status_code == 200, answer.text
        samples, rate = soundfile.read(io.BytesIO(answer.content), always_2d=True)
        assert rate == RATE and samples.shape[1] == 2
        return samples.mean(axis=1)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    made.keep()
    yield made


def close(heard: NDArray[np.float64], wanted: NDArray[np.float32]) -> bool:
    return len(heard) == len(wanted) and bool(np.abs(heard - wanted).max() < 1e-3)


def test_stems_play_at_their_levels_in_the_sum(desk: Desk) -> None:
    for stem, wave in desk.waves.items():
        assert close(desk.heard("stem", stem), QUIETER * wave)
    assert close(desk.heard("sum"), QUIETER * sum(desk.waves.values()))  # type: ignore[arg-type]
    said = unquote(desk.get("stem", "bass/1").headers["X-Stemlens-Sound"])
    assert said == "Bass/1, at its level among all stems."


def test_what_makes_a_tag_is_what_adds_to_it_for_certain(desk: Desk) -> None:
    making = desk.waves["guitars"] + desk.waves["bass/1"]
    only = desk.heard("explained", "rock", "only")
    without = desk.heard("explained", "rock", "without")
    others = desk.waves["pads"] + desk.waves["keys"]
    for heard, wanted in ((only, making), (without, others)):
        gain = float((heard @ wanted) / (wanted @ wanted))
        assert close(heard, gain * wanted), "nothing but those stems"
    loudness = [
        audio.loudness(np.float32(one)[:, None], RATE) for one in (only, without, desk.heard("sum"))
    ]
    assert max(loudness) - min(loudness) < 0.1  # type: ignore[type-var, operator]
    fade = desk.heard("explained", "rock", "crossfade")
    third = len(fade) // 3
    assert np.abs(fade[:third] - only[:third]).max() < 1e-3
    assert np.abs(fade[-third:] - without[-third:]).max() < 1e-3
    answer = desk.get("explained", "rock", "only")
    said = unquote(answer.headers["X-Stemlens-Sound"])
    assert said.startswith("Only what makes it rock: Guitars and Bass/1; ")
    assert "dB louder, to be as loud as all stems there" in said
    assert answer.headers["X-Stemlens-Span"] == "0.000 2.000", "shares over time are not known"
    for names in (("polka", "only"), ("rock", "nothing")):
        assert desk.get("explained", *names).status_code == 404


def test_a_passage_is_meant_where_shares_over_time_are_known(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    stems = [stem["id"] for stem in desk.document["session"]["stems"]]
    shares = np.zeros((8, len(stems), 1))
    shares[2:5, 0] = 0.4
    np.savez(
        tmp_path / "time.npz",
        attributions=shares,
        scores=np.full((8, 1), 0.6),
        baseline=np.zeros((8, 1)),
        start_s=60 + 3.0 * np.arange(8),
        stems=np.array(stems),
        tags=np.array(["rock"]),
    )
    desk.document["time"] = str(tmp_path / "time.npz")
    desk.document["explanations"] = [
        {
            "tag": "rock",
            "stems": [{"stem": "guitars"}, {"stem": "bass/1"}],
            "passage": {"start_s": 66.0, "end_s": 75.0, "named": False, "score": 0.5},
            "sounds": [
                {"kind": kind, "span": "passage", "score": score}
                for kind, score in (("only", 0.4), ("without", 0.1), ("crossfade", None))
            ],
        }
    ]
    desk.keep({"duration_s": 24.0})
    answer = desk.get("explained", "rock", "without")
    assert answer.headers["X-Stemlens-Span"] == "6.000 15.000"
    said = unquote(answer.headers["X-Stemlens-Sound"])
    assert "rock 10 of 100 from 1:06 to 1:15, where all together score 50" in said
    desk.document["explanations"][0]["stems"].pop()  # made with --top 1: another coalition
    desk.keep({"duration_s": 24.0})
    assert "of 100" not in unquote(
        desk.get("explained", "rock", "only").headers["X-Stemlens-Sound"]
    )


def test_a_tag_that_no_stem_makes_has_nothing_to_play(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for share in desk.document["tags"][0]["attributions"]:
        share |= {"value": 0.0, "low": 0.0, "high": 0.0}
    desk.keep()
    answer = desk.get("explained", "rock", "only")
    assert answer.status_code == 404 and "No stem adds to rock for certain" in answer.text


def test_the_mix_is_as_loud_as_the_stems_together(desk: Desk) -> None:
    together, mix = desk.heard("sum"), desk.heard("mix")
    loudness = [audio.loudness(np.float32(one)[:, None], RATE) for one in (together, mix)]
    assert loudness[0] == pytest.approx(loudness[1], abs=0.05)
    assert "−15.5 dB to be as loud" in unquote(desk.get("mix").headers["X-Stemlens-Sound"])


def test_a_mix_that_is_late_is_brought_to_the_stems(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    together = sum(desk.waves.values())
    late = np.concatenate([np.zeros(RATE // 2, np.float32), together])  # type: ignore[arg-type]
    soundfile.write(tmp_path / "mix.wav", late, RATE)
    desk.document["session"]["mix"]["lag_s"] = 0.5
    desk.keep()
    assert close(desk.heard("mix"), QUIETER * together)  # type: ignore[arg-type]


def test_parts_of_a_sound_are_answered_as_parts(desk: Desk) -> None:
    whole = desk.get("sum").content
    part = desk.get("sum", range="bytes=100-199")
    assert part.status_code == 206 and part.content == whole[100:200]
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole)}"
    assert part.headers["content-type"] == "audio/wav"
    beyond = desk.get("sum", range=f"bytes={len(whole)}-")
    assert beyond.status_code == 416 and beyond.headers["content-range"] == f"bytes */{len(whole)}"
    tail = desk.get("sum", range="bytes=-10")
    assert tail.status_code == 206 and tail.content == whole[-10:]


def test_only_what_the_job_names_is_answered(desk: Desk) -> None:
    (desk.folder / "secret.wav").write_bytes(desk.path("pads").read_bytes())
    for track in ("secret", "../secret.wav", str(desk.folder / "secret.wav"), "..", ""):
        answer = desk.get("stem", track)
        assert answer.status_code == 404 and b"RIFF" not in answer.content
    assert desk.get("sum", job="nobody").status_code == 404


def test_other_sites_get_nothing(desk: Desk) -> None:
    assert desk.get("sum", **{"sec-fetch-site": "cross-site"}).status_code == 403
    assert desk.get("sum", **{"sec-fetch-site": "same-site"}).status_code == 403
    own = desk.get("sum", **{"sec-fetch-site": "same-origin"})
    assert own.headers["cross-origin-resource-policy"] == "same-origin"


def test_a_file_that_changed_or_is_gone_is_a_sentence(desk: Desk) -> None:
    assert desk.get("stem", "pads").status_code == 200
    soundfile.write(desk.path("pads"), np.zeros(RATE), RATE, format="WAV")
    answer = desk.get("stem", "pads")  # although it was rendered before
    said = "pads was bounced again since, so this version of it can no longer be heard"
    assert answer.status_code == 409 and said in answer.text
    assert said in desk.get("sum").text  # which of them it is
    desk.path("pads").unlink()
    answer = desk.get("stem", "pads")
    assert answer.status_code == 404 and "There is no file" in answer.text


def test_a_file_that_changed_silences_no_other(desk: Desk) -> None:
    soundfile.write(desk.path("pads"), np.zeros(RATE), RATE, format="WAV")
    assert close(desk.heard("stem", "guitars"), QUIETER * desk.waves["guitars"])
    assert "pads was bounced again" in desk.get("explained", "rock", "only").text
    mix = desk.get("mix")
    assert mix.status_code == 200
    assert "not known any more" in unquote(mix.headers["X-Stemlens-Sound"])
    desk.path("pads").unlink()
    assert desk.get("stem", "bass/1").status_code == 200


def test_a_link_that_was_turned_and_a_pipe_are_not_read(desk: Desk) -> None:
    secret = desk.folder / "secret.wav"
    soundfile.write(secret, np.ones(RATE), RATE)
    desk.path("pads").unlink()
    desk.path("pads").symlink_to(secret)
    assert desk.get("sum").status_code == 409
    desk.path("pads").unlink()
    os.mkfifo(desk.path("pads"))
    answer = desk.get("sum")
    assert answer.status_code == 500 and "is not a file" in answer.text


def test_a_link_that_leads_out_of_the_allowed_folders_is_not_followed(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    twin = tmp_path_factory.mktemp("elsewhere") / "pads.sound"
    shutil.copy2(desk.path("pads"), twin)  # of the same size, time and content
    desk.path("pads").unlink()
    desk.path("pads").symlink_to(twin)
    answer = desk.get("stem", "pads")
    assert answer.status_code == 403 and "may not read" in answer.text


def test_stems_that_the_server_made_itself_are_played_from_its_folder_alone(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    made = tmp_path / "separated" / "drums.wav"
    made.parent.mkdir()
    soundfile.write(made, desk.waves["pads"], RATE)
    for name, path in (("drums", made), ("rest", tmp_path / "mix.wav")):
        stem = {"id": name, "name": name, "path": str(path), "gain_db": 0.0}
        desk.document["session"]["stems"].append(stem)
    desk.keep()
    assert close(desk.heard("stem", "drums"), QUIETER * desk.waves["pads"])
    answer = desk.get("stem", "rest")
    assert answer.status_code == 404 and "no file to be played" in answer.text


def test_what_would_clip_is_turned_down_and_says_so(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.keep({"session_gain_db": 30.0})
    heard = desk.heard("stem", "pads")
    assert 0.98 < np.abs(heard).max() < 1.0
    assert "dB quieter than that" in unquote(desk.get("stem", "pads").headers["X-Stemlens-Sound"])


def test_a_job_without_a_result_says_so(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    store = Store(tmp_path / "jobs.sqlite3")
    store.open(JOB, "files", "song", "{}")
    store.close()
    assert "no result yet" in desk.get("sum").text


def test_high_rates_are_halved(tmp_path: Path) -> None:
    assert [rendering.playing_rate(r) for r in (44_100, 88_200, 96_000, 192_000)] == [
        44_100,
        44_100,
        48_000,
        48_000,
    ]
    wave = np.sin(2 * np.pi * 440 * np.arange(96_000) / 96_000).astype(np.float32)
    soundfile.write(tmp_path / "high.wav", 0.5 * wave, 96_000, "FLOAT")
    rendered = rendering.Rendered(tmp_path / "sounds")
    part = rendering.Part(str(tmp_path / "high.wav"), "", 0.0, 0.0)
    sound = rendered.sound([part], 48_000, 1.0)
    samples, rate = soundfile.read(sound.path)
    wanted = 0.5 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)
    inside = slice(50, -50)  # at a cut the filter has nothing to go by
    assert rate == 48_000 and np.abs(samples[inside, 0] - wanted[inside]).max() < 1e-3


def test_the_folder_keeps_to_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE), RATE)
    monkeypatch.setattr(rendering, "MAX_BYTES", 180_000)  # two sounds of a second
    rendered = rendering.Rendered(tmp_path / "sounds")

    def play(gain_db: float) -> Path:
        part = rendering.Part(str(tmp_path / "a.wav"), "", gain_db, 0.0)
        path = Path(rendered.sound([part], RATE, 1.0).path)
        os.utime(path, ns=(play.at, play.at))  # type: ignore[attr-defined]
        play.at += 10**9  # type: ignore[attr-defined]
        return path

    play.at = 10**18  # type: ignore[attr-defined]
    first, second = play(1), play(2)
    assert play(1) == first  # used again, so it is the second that goes
    third = play(3)
    assert first.exists() and third.exists() and not second.exists()


def test_a_sound_that_is_there_is_not_made_again(desk: Desk) -> None:
    desk.get("sum")
    (made,) = (desk.folder / "panel" / "sounds").glob("*.wav")
    before = made.stat().st_ino
    desk.get("sum")
    assert made.stat().st_ino == before
    made.unlink()
    assert desk.get("sum").status_code == 200 and made.exists()


def test_the_report_is_saved_with_what_was_submitted_and_for_the_panel_alone(desk: Desk) -> None:
    where = saving.report_address(JOB)
    answer = desk.ask(where)
    assert answer.status_code == 200 and answer.text.startswith("<!DOCTYPE html>")
    assert (
        answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''song%20report.html"
    )
    assert answer.text.count("data-clip=") >= 6 and str(desk.folder) not in answer.text
    desk.path("pads").write_bytes(desk.path("guitars").read_bytes())  # as long as it was
    answer = desk.ask(where)
    assert "the files are gone or have changed: Pads." in answer.text
    assert desk.ask(where, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert desk.ask(saving.report_address("another")).status_code == 404


@pytest.mark.parametrize("damage", ["gone", "broken"])
def test_without_shares_over_time_there_is_a_report_that_says_so(
    tmp_path: Path, damage: str
) -> None:
    desk, arrays = Desk(tmp_path), tmp_path / "times.npz"
    desk.document["time"] = str(arrays)
    if damage == "broken":
        arrays.write_bytes(b"PK\x03\x04 half of it")
    desk.keep()
    answer = desk.ask(saving.report_address(JOB))
    assert answer.status_code == 200 and answer.text.count("data-clip=") >= 6
    assert saving.COURSE_GONE in answer.text and str(tmp_path) not in answer.text


def test_while_many_wait_for_a_report_the_panel_answers(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than there are threads, and one report is made at a time."""
    begun, go_on, at_work = threading.Event(), threading.Event(), []

    def make(*_: object) -> tuple[str, str]:
        at_work.append(1)
        assert len(at_work) == 1
        begun.set()
        assert go_on.wait(30)
        at_work.pop()
        return "name", "page"

    monkeypatch.setattr(saving, "_made", make)

    async def ask() -> None:
        transport = httpx.ASGITransport(desk.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://panel") as client:
            where = saving.report_address(JOB)
            waiting = [asyncio.create_task(client.get(where)) for _ in range(60)]
            assert await asyncio.to_thread(begun.wait, 30)
            try:
                heard = await asyncio.wait_for(client.get(address(JOB, "sum")), 20)
            finally:
                go_on.set()
            assert heard.status_code == 200
            assert {(await one).text for one in waiting} == {"page"}

    asyncio.run(ask())


def test_a_report_that_nobody_waits_for_any_more_is_not_made(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    monkeypatch.setattr(saving, "_made", lambda *_: made.append(_))

    async def leave() -> None:
        came = iter([{"type": "http.request", "body": b""}, {"type": "http.disconnect"}])

        async def receive() -> Any:
            return next(came)

        async def send(message: Any) -> None:
            sent.append(message)

        where = saving.report_address(JOB)
        scope = {"type": "http", "method": "GET", "path": unquote(where), "raw_path": b"",
                 "query_string": b"", "headers": [], "root_path": ""}  # fmt: skip
        await desk.app(scope, receive, send)

    sent: list[Any] = []
    asyncio.run(leave())
    assert sent[0]["status"] == saving.NOBODY and not made
