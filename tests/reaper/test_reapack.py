"""The package index of the scripts, against ReaPack's format; and that it is up to date."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from stemlens_bridge import resources
from stemlens_bridge.reaper import reapack
from stemlens_bridge.reaper.reapack import Problem

SCRIPTS = resources.folder("reaper_scripts")
HEADER = "-- @description A & B\n-- @version 1.2\n-- @author Me\n-- @about What it does.\n"


def write(folder: Path, **files: str) -> Path:
    """Scripts in a category; keys are names with __ for a slash."""
    for name, text in files.items():
        path = folder / "Cat" / f"{name.replace('__', '/')}.lua"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def made(folder: Path, base: str = "https://host/raw/abc", former: str = "") -> ElementTree.Element:
    text = reapack.index(reapack.packages(folder, base), former)
    return ElementTree.fromstring(text.encode())


# ---------------------------------------------------------------------------- our own index


def test_the_committed_index_is_what_the_headers_say() -> None:
    assert reapack.main(["--check"]) == 0


def test_our_index_is_one_reapack_can_read() -> None:
    root = ElementTree.parse(SCRIPTS / "index.xml").getroot()
    assert root.tag == "index" and root.get("version") == "1" and root.get("name") == "Stemlens"
    provided = set()
    for category in root:
        assert category.tag == "category" and category.get("name")
        for package in category:
            assert package.tag == "reapack" and package.get("type") == "script"
            assert (package.findtext("metadata/description") or "").startswith("{\\rtf1")
            for version in package.iter("version"):
                assert version.get("name") and version.get("author")
                for source in version.iter("source"):
                    url = source.text or ""
                    assert url.startswith("https://") and " " not in url
                    path = PurePosixPath(category.get("name", ""), source.get("file", ""))
                    assert unquote(url).endswith(path.as_posix())
                    provided.add(path)
    present = {PurePosixPath(p.relative_to(SCRIPTS).as_posix()) for p in SCRIPTS.rglob("*.lua")}
    assert provided <= present
    assert present - provided == {PurePosixPath("Stemlens/Stemlens.lua")}  # it only describes


def test_each_action_is_in_the_action_list_and_no_part_is() -> None:
    (package,) = reapack.packages(SCRIPTS)
    for path, source in package.files:
        assert (source.main == "main") == (path.parent == PurePosixPath("Stemlens"))


# ---------------------------------------------------------------------------- any index


def test_a_package_with_parts(tmp_path: Path) -> None:
    write(
        tmp_path,
        a=HEADER + "-- @provides\n--   [nomain] lib/*.lua\n--   [main=midi_editor,main] b.lua\n",
        b="-- @noindex\n",
        lib__one="-- @noindex\n",
        lib__two="-- @noindex\n",
    )
    package = made(tmp_path).find("category/reapack")
    assert package is not None
    assert (package.get("name"), package.get("desc")) == ("a.lua", "A & B")
    sources = {
        (source.get("file"), source.get("main"), source.text) for source in package.iter("source")
    }
    base = "https://host/raw/abc/Cat"
    assert sources == {
        (None, "main", f"{base}/a.lua"),
        ("b.lua", "main midi_editor", f"{base}/b.lua"),
        ("lib/one.lua", None, f"{base}/lib/one.lua"),
        ("lib/two.lua", None, f"{base}/lib/two.lua"),
    }


def test_a_package_may_name_itself_and_other_folders(tmp_path: Path) -> None:
    write(tmp_path, sub__a=HEADER + "-- @provides\n--   [nomain windows] .\n--   /Cat/b.lua\n")
    write(tmp_path, b="-- @noindex\n")
    sources = list(made(tmp_path).iter("source"))
    assert [(s.get("file"), s.get("main"), s.get("platform")) for s in sources] == [
        (None, None, "windows"),
        ("../b.lua", None, None),
    ]


def test_a_version_that_was_published_stays(tmp_path: Path) -> None:
    first = reapack.index(reapack.packages(write(tmp_path, a=HEADER), "https://host/v{version}"))
    newer = HEADER.replace("1.2", "1.3") + "-- @changelog New ]]> & better\n"
    found = reapack.packages(write(tmp_path, a=newer), "https://host/v{version}")
    second = reapack.index(found, first)
    versions = ElementTree.fromstring(second.encode()).findall("category/reapack/version")
    assert [version.get("name") for version in versions] == ["1.2", "1.3"]
    assert [version.findtext("source") for version in versions] == [
        "https://host/v1.2/Cat/a.lua",
        "https://host/v1.3/Cat/a.lua",
    ]
    assert versions[1].findtext("changelog") == "New ]]> & better"
    assert reapack.index(found, second) == second


def test_check_sees_what_changed_whatever_the_address(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, a=HEADER)
    folder = str(tmp_path)
    assert reapack.main([folder, "--check"]) == 1
    assert reapack.main([folder, "--base-url", "https://host/1a/"]) == 0
    assert reapack.main([folder, "--check"]) == 0
    write(tmp_path, a=HEADER.replace("What it does", "What it did"))
    assert reapack.main([folder, "--check"]) == 1
    assert "make it anew" in capsys.readouterr().err
    (tmp_path / "index.xml").write_text("<index")
    assert reapack.main([folder, "--check"]) == 1
    assert "no XML" in capsys.readouterr().err
    assert reapack.main([str(tmp_path / "nowhere")]) == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEADER.replace("-- @author", "\n-- @author"), "@author is not part of the header"),
        ("\n" + HEADER, "@description is not part of the header"),
        ("local x = 1\n" + HEADER, "is not part of the header"),
        (HEADER.replace("-- @about", "--\n-- @about"), "is not part of the header"),
        (HEADER + "-- @version 1.3\n", "@version twice"),
        (HEADER + "-- @licence GPL\n", "no tag @licence"),
        (HEADER + "-- @metapackage yes\n", "@metapackage takes no value"),
        (HEADER.replace("1.2", "v1.2"), "must begin with a number"),
        (HEADER.replace("1.2", "1.65536"), "65535"),
        (HEADER.replace("-- @version 1.2\n", ""), "lacks @version"),
        (HEADER.replace(" Me", ""), "@author has no value"),
        ("return 1\n", "lacks @description, @version"),
        ("-- @noindex\n", "no package provides it"),
        (HEADER + "-- @provides lib/*.lua\n", "fits no file"),
        (HEADER + "-- @provides [main=mixer] .\n", "cannot have [main=mixer]"),
        (HEADER + "-- @provides . > other.lua\n", "not used here"),
        (HEADER + "-- @metapackage\n", "provides no file"),
    ],
)
def test_a_header_that_reapack_would_misread_is_refused(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(Problem) as caught:
        reapack.packages(write(tmp_path, a=text))
    assert says in str(caught.value)


def test_a_file_belongs_to_one_package(tmp_path: Path) -> None:
    provides = HEADER + "-- @provides [nomain] lib.lua\n"
    write(tmp_path, a=provides, b=provides, lib="-- @noindex\n")
    with pytest.raises(Problem, match=r"provided by Cat/a\.lua and by Cat/b\.lua"):
        reapack.packages(tmp_path)


def test_a_script_needs_a_category(tmp_path: Path) -> None:
    (tmp_path / "a.lua").write_text(HEADER)
    with pytest.raises(Problem, match="category"):
        reapack.packages(tmp_path)


def test_values_over_several_lines(tmp_path: Path) -> None:
    text = (
        "-- @about\n--   # Title\n--\n--   One {two}\n--   three – `four`.\n--\n--   - item 鼓\n"
        "-- @version 1\ncode()\n"
    )
    tags = reapack.header(text, "a.lua")
    assert tags["about"] == "# Title\n\nOne {two}\nthree – `four`.\n\n- item 鼓"
    shown = reapack.rtf(tags["about"])
    assert "\\b\\fs32 Title\\par" in shown
    assert "One \\{two\\} three \\u8211? four.\\par" in shown
    assert "\\bullet  item \\u-24813?" in shown and shown.isascii()
    assert shown.count("{") - shown.count("\\{") == shown.count("}") - shown.count("\\}")
