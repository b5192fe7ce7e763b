"""Intended words on their way through the server: refused at once, or answered by verdicts."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.server import ServerProcess

from stemlens_bridge import cli
from stemlens_bridge.client import Client
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.findings import Findings
from stemlens_bridge.protocol import Options, Verdict
from stemlens_bridge.session import Session


def test_an_unknown_word_is_refused_when_the_job_is_opened(
    server: ServerProcess, stems: Path
) -> None:
    with Client(server.address) as client, pytest.raises(StemlensError) as refused:
        client.submit(Session.read(stems), Options(intended="sad, rok"), "unknown word")
    assert refused.value.code == "bad_options" and "'rock'" in refused.value.message


def test_verdicts_arrive_and_are_the_same_as_in_the_file(
    server: ServerProcess, stems: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session.read(stems)
    with Client(server.address, "tcp") as client:
        client.submit(session, Options(intended="rock, Sad, energetic"), "meant")
        results = client.follow("meant")
    assert [verdict.tag for verdict in results.of(Verdict)] == ["rock", "sad", "energetic"]
    told, kept = Findings.from_results(results, session), Findings.read(Path(results.path))
    assert [(v.tag, v.verdict, v.sentence) for v in told.verdicts] == [
        (v.tag, v.verdict, v.sentence) for v in kept.verdicts
    ]
    assert told.to_dict()["verdicts"][0]["verdict"] in ("heard", "weak", "not heard")
    assert len(results.to_dict()["verdicts"]) == 3
    where = ["--server", f"{server.address[0]}:{server.address[1]}"]
    words = ["--intended", "rock, Sad, energetic"]
    assert cli.main(["submit", str(stems), *where, *words]) == 0
    shown = capsys.readouterr().out
    assert "Heard as you mean it?" in shown and max(map(len, shown.splitlines())) <= 80
