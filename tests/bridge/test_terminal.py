"""A command that is stopped, and a reader that goes away."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from stemlens_bridge import cli, terminal

SHOW = """
import sys
from stemlens_bridge import terminal
from stemlens_bridge.errors import StemlensError
session = {"project": "Song", "duration_s": 3.0, "stems": [{"id": "a", "name": "Bass"}]}
result = {"session": session, "tagger": {"name": "t"}, "tags": [], "warnings": []}
try:
    terminal.show(result | {"method": {"value": "shapley"}})
except StemlensError as error:
    sys.exit(error.code)
print("and on", file=sys.stderr)
"""


def test_a_name_from_elsewhere_tells_the_terminal_nothing() -> None:
    hostile = "Bass\n\x1b]0;title\x07\x9b2J\u202e\udcff 歌 é"
    assert terminal.plain(hostile) == r"Bass\n\x1b]0;title\x07\x9b2J\u202e\udcff 歌 é"


def test_a_reader_that_has_gone_ends_nothing() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SHOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    with process.stderr as told:
        assert told.read() == "and on\n"
    assert process.wait() == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="has no /dev/full")
def test_a_full_disk_behind_the_output_is_told() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", SHOW], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (done.returncode, done.stderr) == (1, "output_failed\n")


def stopped(*_: object) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_while_the_bridge_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "import_module", stopped)
    assert cli.main(["ping"]) == 130
    assert capsys.readouterr().err == "stemlens-bridge: stopped\n"


def test_ctrl_c_while_the_analysis_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from stemlens.__main__ import main

    monkeypatch.setattr(sys, "argv", ["stemlens", "analyze"])
    monkeypatch.setattr(importlib.util, "find_spec", stopped)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "stemlens: stopped\n"
