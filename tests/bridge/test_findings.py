"""What a DAW side is handed, from a file and from messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stemlens_bridge import luatext
from stemlens_bridge.ardour.wanted import KINDS, Wanted
from stemlens_bridge.client import Results
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.findings import Findings
from stemlens_bridge.protocol import Annotation, Attributions, Marker, Share, TagScore, Verdict
from stemlens_bridge.session import Session, Stem

RESULT: dict[str, Any] = {
    "schema": "stemlens.analysis/1",
    "session": {
        "id": "j", "project": "Song", "daw": "reaper", "start_s": 4.0, "tempo": 120.0,
        "stems": [{"id": "{A}", "name": "Gtr", "kind": "track"}],
    },
    "tags": [
        {
            "tag": "rock", "kind": "genre", "score": 0.63, "baseline": 0.01, "mix_score": None,
            "attributions": [
                {"stem": "{A}", "value": 0.2, "low": 0.2, "high": 0.2, "mute": -0.1, "solo": 0.3}
            ],
        }
    ],
    "annotations": [{"track": "{A}", "text": "rock …", "label": "rock 20", "color": "#E69F00"}],
    "markers": [{"track": "{A}", "tag": "rock", "start_s": 4.0, "end_s": 7.0, "text": "Gtr: …"}],
    "warnings": [{"code": "end_dropped", "message": "The last …"}],
    "intent": [
        {"tag": "rock", "verdict": "heard", "score": 0.63, "sentence": "rock is heard."},
        {"tag": "sad", "verdict": "not heard", "score": 0.04, "sentence": "sad is not heard."},
    ],
}  # fmt: skip


def test_a_file_and_the_messages_say_the_same(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(RESULT))
    read = Findings.read(path)
    session = Session("Song", "reaper", (Stem("{A}", "Gtr", path),), start_s=4.0, tempo=read.tempo)
    results = Results("j", revision=1)
    results.messages = {
        1: TagScore("j", 1, 1, "rock", 0.63, 0.01, -1.0),
        2: Attributions("j", 1, 2, "rock", (Share("{A}", 0.2, 0.2, 0.2, -0.1, 0.3),)),
        3: Annotation("j", 1, 3, "{A}", "rock …", "#E69F00", "rock 20"),
        4: Marker("j", 1, 4, "{A}", 4.0, 7.0, "Gtr: …"),
        5: Verdict("j", 1, 5, "rock", "heard", 0.63, "rock is heard."),
        6: Verdict("j", 1, 6, "sad", "not heard", 0.04, "sad is not heard."),
    }
    heard = Findings.from_results(results, session)
    assert (heard.notes, heard.markers, heard.stems) == (read.notes, read.markers, read.stems)
    assert heard.tags[0].shares == read.tags[0].shares
    assert heard.verdicts == read.verdicts
    assert heard.heard_as_meant == "meant as rock (heard), sad (not heard)"
    assert Wanted.from_findings(heard, KINDS).marks == (
        (4.0, "stemlens: Gtr: …"),
        (4.0, "stemlens: meant as rock (heard), sad (not heard)"),
    )
    assert "stemlens.findings/1" in luatext.dumps(read.to_dict())


def test_what_the_master_bus_adds_is_a_stem_but_no_track() -> None:
    session = Session("Song", "reaper", (Stem("{A}", "Gtr", Path("a.wav")),))
    results = Results("j", revision=1)
    shares = (Share("{A}", 0.2, 0.2, 0.2, 0, 0), Share("master-rest", 0.1, 0.1, 0.1, 0, 0))
    results.messages = {
        1: TagScore("j", 1, 1, "rock", 0.63, 0.01, -1.0),
        2: Attributions("j", 1, 2, "rock", shares),
    }
    heard = Findings.from_results(results, session)
    assert [(stem.id, stem.kind) for stem in heard.stems] == [
        ("{A}", "track"),
        ("master-rest", "rest"),
    ]
    assert [stem.id for stem in heard.tracks] == ["{A}"]
    assert [share.stem for share in heard.tags[0].shares] == ["{A}", "master-rest"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not JSON"),
        ("[]", "is not a result"),
        ('{"schema": "stemlens.analysis/1"}', "incomplete"),
        (json.dumps({**RESULT, "tags": 3}), "damaged"),
        (json.dumps({**RESULT, "annotations": [{"track": "{A}", "text": None}]}), "text is None"),
        (json.dumps(RESULT).replace("#E69F00", "red"), "color is 'red'"),
        (json.dumps(RESULT).replace('"end_s": 7.0', '"end_s": NaN'), "end_s is nan"),
        (json.dumps(RESULT).replace('"id": "{A}"', '"id": []'), "id is"),
    ],
)
def test_what_is_no_result_is_told(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(StemlensError, match=why) as caught:
        Findings.read(path)
    assert caught.value.code == "result_invalid"
    with pytest.raises(StemlensError, match="cannot be read"):
        Findings.read(tmp_path / "none.json")
