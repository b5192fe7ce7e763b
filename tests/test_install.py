"""A built wheel and an editable install both have everything that is not code."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import pythonosc

from stemlens_bridge import __version__
from stemlens_bridge.cli import COMMANDS
from stemlens_bridge.resources import NAMES, folder

ROOT = Path(__file__).parents[1]


def test_a_checkout_has_presets_and_scripts() -> None:
    for name in NAMES:
        assert folder(name) == ROOT / name


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with a base install: the wheel and python-osc."""
    built = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(built)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    (wheel,) = built.glob("*.whl")
    place = tmp_path_factory.mktemp("venv")
    venv.create(place)
    python = place / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python)]  # whose own takes seconds to make
    install = ["install", "--no-deps", "--no-index", "--no-compile", str(wheel)]
    subprocess.run([*pip, *install], check=True, capture_output=True)
    (packages,) = place.rglob("site-packages")
    shutil.copytree(Path(pythonosc.__file__).parent, packages / "pythonosc")
    return python


def said(python: Path, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [str(python), *arguments], capture_output=True, text=True, cwd="/", check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def test_a_wheel_has_presets_and_scripts(bare: Path) -> None:
    show = "from stemlens_bridge.resources import *; print(*(folder(name) for name in NAMES))"
    places = said(bare, "-c", show).split()
    assert len(places) == len(NAMES)
    for place in places:
        assert "site-packages" in place and any(Path(place).iterdir())


def test_without_the_extra_the_command_says_what_is_missing(bare: Path) -> None:
    stemlens = bare.with_name("stemlens")
    assert subprocess.run([stemlens, "--version"], check=True, capture_output=True).stdout
    assert "stemlens[server]" in said(bare, "-m", "stemlens", "analyze", "x", code=1)
    assert "serve" in said(bare, "-m", "stemlens", "--help")


def test_the_scripts_have_the_version_of_the_package() -> None:
    version = folder("reaper_scripts") / "Stemlens" / "lib" / "version.lua"
    assert f'"{__version__}"' in version.read_text()


def test_a_base_install_has_all_that_daws_need(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "reaper.ini").touch()
    where = ("--resource-path", str(tmp_path))
    said(bare, "-m", "stemlens_bridge.cli", "reaper", "install", *where)
    assert (tmp_path / "Scripts" / "Stemlens" / "Stemlens_Analyze session.lua").is_file()
    said(bare, "-m", "stemlens_bridge.cli", "reaper", "uninstall", *where)
    show = (
        "from pathlib import Path; import stemlens_bridge as b; "
        "print(*sorted(p.name for p in Path(b.__file__).parent.rglob('*.lua')))"
    )
    lua = said(bare, "-c", show).split()
    ours = sorted(path.name for path in (ROOT / "bridge").rglob("*.lua"))
    assert set(lua) >= set(ours) and ours
    for command in COMMANDS:
        said(bare, "-m", "stemlens_bridge.cli", command, "--help")
