"""The page that is sent around, as text; `test_browser` opens it."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from lxml import html
from support.reports import RATE, session, suggestion
from typer.testing import CliRunner

from stemlens import audio, cli
from stemlens.over_time import OverTime
from stemlens.report.page import embedded, report
from stemlens.report.sounds import (
    KBPS,
    Recording,
    Recordings,
    all_wanted,
    passage,
    planned,
    size,
)
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.wording import clock

BAND = {"drums": "Drums", "pads": "Pads", "bass": "Bass"}
MB = 1_000_000


def opened(page: str) -> Any:
    return html.document_fromstring(page.split("?>")[-1])


def clips(page: str) -> dict[str, np.ndarray]:
    """What plays at each address of a page, mono, without its job's part."""
    tree = opened(page)
    files = [base64.b64decode(one.text) for one in tree.xpath("//script[@data-clip]")]
    (table,) = tree.xpath("//script[@id='sl-sounds']/text()")
    return {
        where.split("/", 3)[3]: soundfile.read(io.BytesIO(files[one["clip"]]), always_2d=True)[0]
        for where, one in json.loads(table).items()
    }


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], OverTime]:
    return session(tmp_path_factory.mktemp("short"), BAND, 6.0)


def test_what_is_heard_is_what_the_stems_are(short: tuple[dict[str, Any], OverTime]) -> None:
    document, over_time = short
    heard = clips(report(document, over_time, max_mb=8))
    stems = [soundfile.read(stem["path"])[0] for stem in document["session"]["stems"]]
    assert {
        "sum",
        "stem/drums",
        "stem/bass",
        "explained/rock/only",
        "explained/rock/without",
    } <= set(heard)
    parts = {
        "stem/drums": [0],
        "sum": [0, 1, 2],
        "explained/rock/only": [0, 2],
        "explained/rock/without": [1],
    }
    for where, some in parts.items():
        wanted = 10 ** (-6 / 20) * sum(stems[n] for n in some)
        got = heard[where][: 2 * len(wanted) : 2].mean(axis=1)  # 32 kHz, the least that MP3 does
        assert len(heard[where]) == pytest.approx(2 * len(wanted), abs=2)
        assert np.corrcoef(got, wanted[: len(got)])[0, 1] > 0.95
        if not where.startswith("explained"):
            assert np.std(got) == pytest.approx(np.std(wanted), rel=0.1)
    loudness = {where: audio.loudness(heard[where].astype(np.float32), 32_000) for where in parts}
    assert loudness["explained/rock/only"] == pytest.approx(loudness["sum"], abs=0.3)
    assert loudness["explained/rock/without"] == pytest.approx(loudness["sum"], abs=0.3)
    assert loudness["stem/drums"] < loudness["sum"] - 1


def test_what_would_clip_turns_all_down_so_that_they_compare(tmp_path: Path) -> None:
    document, over_time = session(tmp_path, BAND, 3.0)
    plain = clips(report(document, over_time, max_mb=8))
    document["session"]["session_gain_db"] = 11.0
    page = report(document, over_time, max_mb=8)
    loud = clips(page)
    (down_db,) = map(float, re.findall(r"All are turned down by (\d\.\d) dB", page))
    changed = [20 * np.log10(np.std(loud[where]) / np.std(plain[where])) for where in plain]
    assert changed == pytest.approx(len(plain) * [11 - down_db], abs=0.15) and down_db > 2
    assert 0.9 < max(np.abs(one).max() for one in loud.values()) < 1.03
    assert "so that it does not clip" not in page


def test_a_click_does_not_make_the_page_silent(tmp_path: Path) -> None:
    """Brought to the loudness of all stems it would be far beyond full scale."""
    document, over_time = session(tmp_path, BAND, 3.0)
    click = np.zeros(3 * RATE)
    click[RATE] = 0.9
    soundfile.write(tmp_path / "pads.wav", click, RATE)
    page = report(document, over_time, max_mb=8)
    assert "All are turned down by 6.0 dB" in page
    (table,) = opened(page).xpath("//script[@id='sl-sounds']/text()")
    said = {where.split("/", 3)[3]: one["said"] for where, one in json.loads(table).items()}
    assert re.search(r"Pads; \d+\.\d dB quieter than that", said["explained/rock/without"])
    assert [where for where in said if "quieter" in said[where]] == [
        where for where in said if where.endswith("/without")
    ]


def test_a_long_session_of_noise_stays_within_the_limit(tmp_path: Path) -> None:
    many = {f"s{n}": f"Stem number {n} <&>" for n in range(14)}
    document, over_time = session(tmp_path, many, 46.0)
    page = report(document, over_time, max_mb=0.8)
    assert 0.5 * MB < len(page.encode()) <= 0.8 * MB
    told = opened(page).xpath("string(//section[@id='made'])")
    assert "Left out to keep the page small: " in told and "Stem number 13 <&>" in told
    assert "the passage from 1:12 to 1:32" in told  # it starts at 1:00, and its middle is best


def test_four_minutes_of_fourteen_stems_have_all_their_sounds() -> None:
    """By arithmetic: an MP3 of a constant rate is as large whatever it is of."""
    stems = {f"s{n}": Recording(Path(), 0.0, 0.0) for n in range(14)}
    shares = [{"stem": stem, "value": 0.1, "low": 0.1, "high": 0.1} for stem in stems]
    rows = [{"id": stem, "name": stem, "kind": "track"} for stem in stems]
    tags = [
        {"tag": f"t{k}", "attributions": [
            {**one, "mute": 0.0, "solo": 0.0} if n <= k else {**one, "value": 0.0, "low": 0.0,
             "high": 0.0, "mute": 0.0, "solo": 0.0} for n, one in enumerate(shares)
        ]} for k in range(10)
    ]  # fmt: skip
    document = {"session": {"id": "j", "stems": rows}, "method": {}, "tags": tags}
    mix = Recording(Path(), 0.0, 0.0)
    found = Recordings(stems, mix, 44_100, 240.0, whole=True)
    wanted = all_wanted(document, found, (100.0, 120.0))
    kept, kbps = planned(wanted, 7.2 * MB)
    assert kbps == KBPS[0] and all(one in kept for one in wanted if one.must)
    assert sum(size(clip, kbps) for clip in {one.clip for one in kept}) <= 7.2 * MB
    short = planned(wanted, 4 * MB)
    assert short[1] == KBPS[-1] and len(short[0]) < len(kept)


def test_stems_that_are_gone_or_changed_are_told_and_the_rest_is_heard(tmp_path: Path) -> None:
    document, over_time = session(tmp_path, BAND, 3.0)
    soundfile.write(tmp_path / "pads.wav", np.zeros(RATE), RATE)  # a second
    page = report(document, over_time, max_mb=8)
    assert "the files are gone or have changed: Pads." in page
    assert set(clips(page)) >= {"stem/drums", "explained/rock/only"}
    assert not {"sum", "stem/pads", "explained/rock/without"} & set(clips(page))
    for stem in document["session"]["stems"]:
        Path(stem["path"]).unlink()
    page = report(document, over_time, max_mb=8)
    assert "This page has no sounds." in page and "gone or have changed: Drums, Pads, Bass" in page
    assert not opened(page).xpath("//audio | //button[@data-play]")


def test_what_must_not_be_read_is_not_heard(short: tuple[dict[str, Any], OverTime]) -> None:
    document, over_time = short

    def check(path: str) -> None:
        if path.endswith("drums.wav"):
            raise StemlensError("path_not_allowed", "no")

    page = report(document, over_time, max_mb=8, check=check)
    assert "stem/drums" not in clips(page) and "stem/bass" in clips(page)


def test_a_stem_may_be_called_as_anything_is_called_here(tmp_path: Path) -> None:
    document, over_time = session(tmp_path, {"mix": "Mix", "sum": "Sum"}, 3.0, mix_score=0.4)
    document["session"]["mix"]["path"] = document["session"]["stems"][1]["path"]
    heard = clips(report(document, over_time, max_mb=8))
    levels = {where: float(np.std(heard[where])) for where in ("mix", "stem/mix", "sum")}
    assert levels["sum"] > 1.2 * levels["stem/mix"] and not np.array_equal(
        heard["mix"], heard["stem/mix"]
    )


def test_a_rest_of_the_master_is_no_file_to_be_played(tmp_path: Path) -> None:
    document, over_time = session(tmp_path, BAND, 3.0)
    document["session"]["stems"][1]["kind"] = "rest"
    heard = clips(report(document, over_time, max_mb=8))
    assert "stem/pads" not in heard and "sum" in heard
    assert "explained/rock/only" not in heard  # all that play make it


def test_the_passage_is_the_highlight_or_where_the_best_tags_are_best(tmp_path: Path) -> None:
    document, over_time = session(tmp_path, {"a": "A"}, 90.0)
    start_s, end_s = passage(document, over_time)
    assert end_s - start_s == 20 and 28 < start_s < 62
    document["highlight"] = {"start_s": 70.0, "end_s": 95.0}
    assert passage(document, over_time) == (10.0, 35.0)
    del document["highlight"]
    assert passage(document, None) == (35.0, 55.0)


HOSTILE = '</script><script>alert("1")</script><b>'


def test_whatever_users_wrote_stays_text(tmp_path: Path) -> None:
    names = {"a": HOSTILE, "b": "גיטרה", "c": "' onclick='alert(2)"}
    document, over_time = session(tmp_path, names, 3.0, tags=("rock", HOSTILE))
    document["session"]["project"] = HOSTILE
    document["session"]["id"] = "</script>"
    document["warnings"] = [{"code": "x", "message": f"{HOSTILE} is odd."}]
    page = report(document, over_time, max_mb=8)
    tree = opened(page)
    runs = [one for one in tree.xpath("//script") if not one.get("type")]
    assert len(runs) == 1 and not tree.xpath("//*[@onclick]")
    assert not tree.xpath("//bdi//b | //button//b | //h1//b | //summary//b")
    assert HOSTILE in tree.xpath("string(//h1)") and "\u2068גיטרה\u2069" in page
    assert clips(page)
    assert json.loads(embedded({"a": "</script>&\u2028"})) == {"a": "</script>&\u2028"}
    assert not set("<>&\u2028") & set(embedded({"a": "</script>&\u2028"}))


def test_every_kind_of_result_has_a_page(tmp_path: Path) -> None:
    document, over_time = session(tmp_path, BAND, 3.0, mix_score=0.4, residual_db=-12.0)
    document["session"]["stems"][0]["trust"] = 0.4
    document["interactions"] = [
        {"tag": "rock", "stems": ["drums", "bass"], "value": -0.06, "low": -0.07, "high": -0.05}
    ]
    page = report(document, over_time, max_mb=0)
    assert "This page has no sounds." in page and len(page.encode()) < 0.2 * MB
    for words in (
        "To the tagger this mix sounds most of all like rock (50 of 100, silence 5)",
        "estimated from some of all combinations",
        "at −12 dB: a stem is missing",
        "Drums 40 %",
        "Drums and Bass together: 6 points less than one by one.",
        "Nothing was tried on this session yet",
        "φ<sub>i</sub>",
    ):
        assert words in page
    assert 'class="sl-whisker"' in page
    for value in ("banzhaf", "owen", "lime", "mute", "solo"):
        document["method"] |= {"value": value, "unit": "log-odds", "exact": value == "owen"}
        page = report(document, None, max_mb=0)
        assert "was not kept with this result" in page and "log-odds" in page
        assert ("shares are exact" in page) == (value == "owen")
    document["tags"] = []
    assert "like nothing that it knows" in report(document, None, max_mb=0)


LISTENING = "To the tagger this mix sounds "


@pytest.mark.parametrize(
    ("scores", "lead", "kinds"),
    [
        (  # rock is first of all, and has least above silence
            {"rock": (0.31, 0.20), "jazz": (0.16, 0.01), "female vocalists": (0.07, 0.05)},
            "most of all like jazz (16 of 100) and rock (31 of 100, silence 20).",
            "Genre: rock, jazz.",
        ),
        (
            {"female vocalists": (0.07, 0.05), "sad": (0.03, 0.0), "rock": (0.21, 0.2)},
            "only faintly like sad (3 of 100) and female vocalists (7 of 100, silence 5).",
            None,
        ),
        ({"rock": (0.21, 0.2)}, "like nothing that it knows.", None),
    ],
)
def test_only_tags_that_are_heard_are_what_it_sounds_like(
    tmp_path: Path, scores: dict[str, tuple[float, float]], lead: str, kinds: str | None
) -> None:
    document, _ = session(tmp_path, {"a": "A"}, 3.0, tags=tuple(scores))
    for tag in document["tags"]:
        tag["score"], tag["baseline"] = scores[tag["tag"]]
    tree = opened(report(document, None, max_mb=0))
    assert tree.xpath("string(//p[@class='sl-lead'])") == LISTENING + lead
    (*said, _caption) = tree.xpath("//section[@id='what']/*[self::p or self::figure]")
    assert [one.text_content() for one in said] == ([] if kinds is None else [kinds])
    faint = next(tag for tag in document["tags"] if tag["tag"] in ("rock", "female vocalists"))
    told = tree.xpath(f"string(//details[@data-about='{faint['tag']}'])")
    nothing = faint["score"] - faint["baseline"] < 0.02
    assert ("That is hardly more than silence scores" in told) is nothing


def test_verdicts_trials_and_moments_are_told_where_a_result_has_them(tmp_path: Path) -> None:
    document, over_time = session(tmp_path, {"a": "<b>A"}, 3.0)
    document["intent"] = [
        {"plain": "sad", "verdict": "weak", "sentence": "Sad is weak: <b>A says otherwise."}
    ]
    document["intended"] = {"sentence": "Weak: sad.", "pulls": []}
    document["moments"] = [{"start_s": 62.0, "end_s": 63.0, "text": "<b>A: +31 rock"}]
    document["sections"] = [
        {"start_s": 60.0, "end_s": 61.5, "text": "sad"},
        {"start_s": 61.5, "end_s": 63.0, "text": "louder, <b>A enters"},
    ]
    document["highlight"] = {"start_s": 60.0, "end_s": 66.0, "text": "rock, sad"}
    document["peaks"] = [{"tag": "sad", "sentence": "Sad peaks twice."}]
    document["steadiness"] = {"tags": [{"tag": "sad", "sentence": "Sad is steady."}]}
    document["suggestions"] = [suggestion("<b>A")]
    page = report(document, over_time, max_mb=8)
    assert "sad: <b>weak</b>" in page and "Suggested: 1 change." in page
    assert "1. Quieter on &lt;b&gt;A" in page and "+10.0" in page
    tree = opened(page)
    _, section, moment = tree.xpath("//ul[@class='sl-moments']/li")
    assert "louder, <b>A enters" in section.text_content()
    told = tree.xpath("string(//details[@data-about='sad'])")
    assert "Sad peaks twice." in told and "Sad is steady." in told
    assert "Highlight: 1:00 to 1:06: rock, sad" in " ".join(
        tree.xpath("string(//*[@id='when'])").split()
    )
    assert moment.text_content().split(maxsplit=1) == ["1:02", "<b>A: +31 rock"]
    assert moment.xpath(".//button/@data-from") == ["2.00"]
    sides = {key: document["session"]["stems"][0]["path"] for key in ("before_path", "after_path")}
    document["suggestions"] = [{**suggestion("A"), **sides}]
    assert {"trial/r/1/a", "trial/r/1/b"} <= set(clips(report(document, over_time, max_mb=8)))
    goal = {"words": "more rock", "weights": []}
    told = {"goal": goal, "suggestion": {"sentence": "One helps."}, "trials": [], "warnings": []}
    assert "One helps." in report(document, None, max_mb=0, tried_so_far=[("r", told)])


def test_which_kinds_have_no_moments_is_said_and_how_they_have(tmp_path: Path) -> None:
    document, _ = session(tmp_path, {"a": "A"}, 3.0)
    document["tags"][1]["kind"], document["tags"][2]["kind"] = "era", "instrument"
    document["moments"] = []

    def said(*kinds: str, **policy: Any) -> str:
        document["policy"] = {"kinds": [*kinds], "min_score": 10.0, **policy}
        return " ".join(opened(report(document, None, max_mb=0)).xpath("//*[@id='when']/p/text()"))

    assert (
        "Moments are told of the song's top tag, genres and moods with 10 points or more, and so "
        "none of sad and piano. For that, analyse it with --policy FILE, where FILE says "
        'kinds = ["top", "genre", "mood", "era", "instrument"].'
    ) in said("top", "genre", "mood")
    assert "of genres with 10 points or more, and so none of sad and piano." in said("genre")
    assert "Moments are told" not in said("genre", "era", "instrument")
    document["tags"][3]["score"] = 0.155
    low = said("genre", "era", min_score=16.5)
    assert 'and so none of piano and <i>odd</i> & "quoted". For that, ' in low
    assert low.endswith('says kinds = ["genre", "era", "instrument"] and min_score = 15.0.')
    document["tags"][0]["kind"] = "era"  # as the song's top tag may be
    assert "none of sad and piano" in said("top", "genre", "mood")
    document["policy"] = None
    assert "Moments are told" not in report(document, None, max_mb=0)


def test_fine_shares_over_time_draw_no_more_than_can_be_seen(tmp_path: Path) -> None:
    """But no peak is lost of it, and what is told is of all of it."""
    document, over_time = session(tmp_path, BAND, 3.0)
    document["session"]["duration_s"] = 602.75
    count, peak = 2400, 1003  # of eight segments the fourth
    grown = OverTime(
        60 + 0.25 * np.arange(count),
        3.0,
        np.random.RandomState(1).uniform(0, 0.2, (count, 4)),
        np.zeros((count, 4)),
        np.random.RandomState(2).uniform(-0.1, 0.1, (count, 3, 4)),
        over_time.stems,
        over_time.tags,
    )
    grown.scores[peak], grown.scores[peak + 1] = 0.9, 0.0
    grown.attributions[peak, 0] = 0.8
    page = report(document, grown, max_mb=0)
    assert len(page.encode()) < 0.5 * MB
    tree = opened(page)
    at = clock(60 + 0.25 * peak)
    for row in tree.xpath("//table[@class='sl-course']/tbody/tr"):
        assert [cell.text for cell in row.xpath("./td")[1:]] == ["90", at]
        strengths = [float(one) for one in row.xpath(".//rect/@fill-opacity")]
        assert max(strengths) == 0.95 and sorted(strengths)[-2] < 0.4
    (said,) = tree.xpath("//figure[table/@class='sl-course']/figcaption/text()")
    assert "Of each 8 segments the strongest is drawn." in said
    scores, shares, *_ = tree.xpath("//details[@data-about='rock']//div[@class='sl-time']/svg")
    line = [float(one.split(",")[1]) for one in scores.xpath("./polyline/@points")[0].split()]
    assert len(line) == 600 and min(line) == 10
    label = scores.get("aria-label")
    assert f"highest at {at} with 90 of 100, lowest at {clock(60 + 0.25 * peak + 0.25)}" in label
    assert "Drums from −10 to +80" in shares.get("aria-label")
    tops = [float(one) for one in re.findall(r"V([-0-9.]+)H", "".join(shares.xpath("./path/@d")))]
    assert len(tops) == 3 * 300 and min(tops) < 10 and sorted(tops)[3] > 30


def test_the_page_needs_no_torch_and_no_matplotlib() -> None:
    code = (
        "import sys, stemlens.report.page, stemlens.report.csvfile\n"
        "print({'torch', 'matplotlib', 'pedalboard', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_nothing_in_the_page_is_fetched(short: tuple[dict[str, Any], OverTime]) -> None:
    page = report(*short, max_mb=8)
    bare = re.sub(r"<script type=.*?</script>", "", page, flags=re.S)
    assert not re.findall(r"https?://|//[a-z]+\.|url\(|@import", bare)
    assert [one.get("href")[0] for one in opened(page).xpath("//a")] == ["#"] * 6
    (policy,) = opened(page).xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "eval" not in policy


def test_the_command_makes_all_of_it_of_a_saved_result(tmp_path: Path) -> None:
    document, _ = session(tmp_path, BAND, 3.0)
    result, page, table = (tmp_path / name for name in ("r.json", "page.html", "shares.csv"))
    result.write_text(json.dumps(document))
    told = [str(result), "-o", str(page), "--csv", str(table), "--report-mb", "0.3"]
    done = CliRunner().invoke(cli.app, ["report", *told])
    assert done.exit_code == 0, done.output
    assert len(page.read_bytes()) <= 0.3 * MB and table.read_bytes().count(b"\r\n") == 13
    assert "was not kept with this result" in page.read_text()
    assert CliRunner().invoke(cli.app, ["report", str(result)]).exit_code == 2
    page.unlink()
    result.write_text(json.dumps({**document, "schema": "stemlens.trials/1"}))
    failed = CliRunner().invoke(cli.app, ["report", *told])
    assert isinstance(failed.exception, StemlensError) and not page.exists()
