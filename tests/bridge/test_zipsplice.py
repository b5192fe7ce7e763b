"""A member replaced in a zip file, and nothing else touched."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
from support.dawprojects import song

from stemlens_bridge import zipsplice
from stemlens_bridge.zipsplice import read_member, write_with

NEW = b"new content " * 1000


def spliced(source: Path, name: str, data: bytes = NEW) -> bytes:
    target = io.BytesIO()
    write_with(source, target, name, data)
    return target.getvalue()


def raw_members(path: Path) -> dict[str, bytes]:
    """The members' local headers and packed data, as they lie in the file."""
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        begins = sorted((info.header_offset, info.filename) for info in archive.infolist())
        ends = [at for at, _ in begins[1:]] + [archive.start_dir]
        return {name: data[at:end] for (at, name), end in zip(begins, ends, strict=True)}


def check(source: Path, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "copy.zip"
    copy.write_bytes(spliced(source, name))
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(copy) as new:
        assert new.testzip() is None
        assert new.namelist() == old.namelist()
        assert new.read(name) == NEW
        assert new.comment == old.comment
    before, after = raw_members(source), raw_members(copy)
    assert before.pop(name) != after.pop(name)
    assert before == after


@pytest.mark.parametrize("name", ["metadata.xml", "project.xml", "plugins/1.clap-preset"])
def test_first_middle_and_last(tmp_path: Path, name: str) -> None:
    source = song(tmp_path / "a.zip")
    assert read_member(source, name, 2**20)
    check(source, tmp_path, name)


def test_the_same_content_is_the_same_file(tmp_path: Path) -> None:
    source = song(tmp_path / "a.zip")
    assert spliced(source, "project.xml", read_member(source, "project.xml", 2**20)) == (
        source.read_bytes()
    )


def test_a_file_written_as_a_stream(tmp_path: Path) -> None:
    """Java writes sizes behind the data, and marks that in the headers."""

    class Stream(io.RawIOBase):
        def __init__(self, path: Path) -> None:
            self.file = path.open("wb")

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            return self.file.write(data)  # type: ignore[arg-type]

        def close(self) -> None:
            self.file.close()

    source = tmp_path / "a.zip"
    with Stream(source) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("project.xml", "b", "c"):
            archive.writestr(name, name * 500)
    with zipfile.ZipFile(source) as archive:
        assert archive.infolist()[0].flag_bits & 8
    check(source, tmp_path, "project.xml")


def test_something_before_the_archive(tmp_path: Path) -> None:
    source = song(tmp_path / "a.zip")
    plain = source.read_bytes()
    source.write_bytes(b"#!stub\n" + plain)
    data = spliced(source, "project.xml")
    assert data.startswith(b"#!stub\nPK")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None


def test_archives_that_need_long_positions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond 4 GiB positions and sizes are written as zip64; here from 100 bytes on."""
    source = song(tmp_path / "a.zip")
    monkeypatch.setattr(zipsplice, "LIMIT_32", 100)
    data = spliced(source, "project.xml")
    assert b"PK\6\6" in data and b"PK\6\7" in data
    copy = tmp_path / "b.zip"
    copy.write_bytes(data)
    with zipfile.ZipFile(copy) as archive, zipfile.ZipFile(source) as old:
        assert archive.testzip() is None
        for info in archive.infolist():
            expected = NEW if info.filename == "project.xml" else old.read(info.filename)
            assert archive.read(info) == expected
    monkeypatch.undo()
    short = tmp_path / "c.zip"
    short.write_bytes(spliced(copy, "project.xml", b"other"))
    assert b"PK\6\6" not in short.read_bytes()
    check(short, tmp_path, "project.xml")


def test_a_directory_that_lies(tmp_path: Path) -> None:
    source = song(tmp_path / "a.zip")
    data = bytearray(source.read_bytes())
    last = data.rindex(b"PK\1\2")
    struct.pack_into("<L", data, last + 42, 3)
    source.write_bytes(data)
    with pytest.raises(zipsplice.StemlensError, match="damaged"):
        spliced(source, "project.xml")
