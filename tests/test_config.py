"""The configuration file, by the real command."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stemlens.cli import app
from stemlens_bridge.errors import StemlensError


def shown(*words: str) -> str:
    done = CliRunner().invoke(app, ["serve", *words, "--print-config"])
    if isinstance(done.exception, StemlensError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def written(folder: Path, text: str) -> str:
    path = folder / "config.toml"
    path.write_text(text)
    return str(path)


def test_without_a_file_every_option_is_shown_as_a_comment_with_what_it_means() -> None:
    text = shown()
    assert tomllib.loads(text) == {}
    assert "#port = 9420" in text and "# UDP and TCP; 0: any." in text


def test_the_command_line_goes_before_the_file_and_the_file_before_the_default(
    tmp_path: Path,
) -> None:
    file = written(tmp_path, 'port = 9500\npanel = false\nwatch = ["/a b", "/ü"]\nmemory_gb = 4\n')
    assert tomllib.loads(shown("--config", file)) == {
        "port": 9500,
        "panel": False,
        "watch": ["/a b", "/ü"],
        "memory_gb": 4.0,
    }
    assert tomllib.loads(shown("--config", file, "--port", "9600", "--panel"))["port"] == 9600


def test_what_is_shown_can_be_read_again(tmp_path: Path) -> None:
    first = shown("--port", "9700", "--watch", "/x", "--hang-s", "7.5")
    assert shown("--config", written(tmp_path, first)) == first


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "did you mean port?"),
        ("port = 70000", "70000"),
        ('port = "many"', "port is"),
        ("port = true", "no flag"),
        ("panel = 1", "true or false"),
        ('watch = "/a"', "a list"),
        ("[port]\na = 1", "one value"),
        ("port = = 1", "not TOML"),
    ],
)
def test_what_is_wrong_is_told_with_the_file_and_the_option(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(StemlensError, match=said.replace("?", r"\?")) as caught:
        shown("--config", written(tmp_path, text))
    assert caught.value.code == "config_invalid" and "config.toml" in caught.value.message


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(StemlensError, match="cannot be read"):
        shown("--config", str(tmp_path / "none.toml"))
