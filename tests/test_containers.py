"""Container headers, built byte by byte: what is whole, what is cut off, and when it begins."""

import io
import struct

import pytest

from stemlens import containers

PCM_FORMAT = struct.pack("<HHIIHH", 1, 1, 48000, 96000, 2, 16)
SOUND = bytes(range(200))


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(content) if size is None else size) + content


def padded(name: bytes, content: bytes) -> bytes:
    return chunk(name, content) + b"\0" * (len(content) % 2)


def wav(*chunks: bytes, riff_size: int | None = None, magic: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return magic + struct.pack("<I", len(body) if riff_size is None else riff_size) + body


def bext(time_reference: int) -> bytes:
    return bytes(338) + struct.pack("<Q", time_reference) + bytes(602 - 346)


def inspect(content: bytes) -> containers.Container:
    container = containers.inspect(io.BytesIO(content))
    assert container is not None
    return container


FORMAT_CHUNK = chunk(b"fmt ", PCM_FORMAT)
DATA_CHUNK = chunk(b"data", SOUND)
PLAIN = wav(FORMAT_CHUNK, DATA_CHUNK)


def test_a_plain_wav_is_whole_and_has_no_time_reference():
    assert inspect(PLAIN) == containers.Container("WAV")


@pytest.mark.parametrize("end", range(13, len(PLAIN)))
def test_a_wav_is_cut_off_wherever_it_is_cut(end):
    assert inspect(PLAIN[:end]).truncated


@pytest.mark.parametrize(
    "content",
    [
        wav(FORMAT_CHUNK, DATA_CHUNK) + b"junk that some editor left here",
        wav(padded(b"JUNK", bytes(28)), FORMAT_CHUNK, padded(b"LIST", b"INFO!"), DATA_CHUNK),
        wav(FORMAT_CHUNK, DATA_CHUNK, padded(b"LIST", b"INFOIART\1\0\0\0x\0")),
        wav(FORMAT_CHUNK, chunk(b"data", SOUND[:-1])),  # odd, and its pad byte left out
        wav(FORMAT_CHUNK, DATA_CHUNK, b"id3 "),  # half a chunk after the sound
    ],
    ids=["trailing junk", "chunks before", "chunk after", "odd without pad", "half a chunk after"],
)
def test_chunks_around_the_samples_do_not_make_a_wav_cut_off(content):
    assert not inspect(content).truncated


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0x7FFFEFFC, 0x80000000])
def test_the_sizes_that_streaming_writers_leave_are_no_promise(size):
    content = wav(FORMAT_CHUNK, chunk(b"data", SOUND, size), riff_size=size)
    assert not inspect(content).truncated


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_an_unknown_size_is_patched_unless_the_file_was_finished(size):
    started = wav(FORMAT_CHUNK, chunk(b"data", SOUND, size), riff_size=size)
    assert inspect(started).patches == ((40, struct.pack("<I", len(SOUND))),)
    finished = wav(FORMAT_CHUNK, chunk(b"data", b""), padded(b"LIST", b"INFO"))
    assert inspect(finished).patches == ()


def test_rf64_keeps_the_real_size_in_ds64():
    def rf64(data_size: int) -> bytes:
        sizes = chunk(b"ds64", struct.pack("<QQQI", 0, data_size, 0, 0))
        data = chunk(b"data", SOUND, 0xFFFFFFFF)
        return wav(sizes, FORMAT_CHUNK, data, riff_size=0xFFFFFFFF, magic=b"RF64")

    assert not inspect(rf64(len(SOUND))).truncated
    assert inspect(rf64(len(SOUND) + 1)).truncated
    assert inspect(rf64(5 * 2**30)).truncated
    assert inspect(rf64(0)).patches == ((28, struct.pack("<Q", len(SOUND))),)


@pytest.mark.parametrize("reference", [0, 1, 158_760_000, 2**32 + 7])
@pytest.mark.parametrize("after", [False, True], ids=["before the samples", "after the samples"])
def test_the_time_reference_is_64_bits_at_byte_338_of_bext(reference, after):
    chunks = [chunk(b"bext", bext(reference)), FORMAT_CHUNK, DATA_CHUNK]
    content = wav(*(chunks[1:] + chunks[:1] if after else chunks))
    assert inspect(content).time_reference == reference


def test_a_bext_chunk_that_is_too_short_says_nothing():
    assert inspect(wav(chunk(b"bext", bytes(345)), FORMAT_CHUNK, DATA_CHUNK)).time_reference is None


def test_aiff_sizes_are_big_endian():
    common = b"COMM" + struct.pack(">IHIH", 18, 1, 100, 16) + b"\x40\x0e\xac\x44" + bytes(6)
    for promised, truncated in ((len(SOUND), False), (len(SOUND) + 1, True), (0, False)):
        sound = b"SSND" + struct.pack(">I", promised) + SOUND
        body = b"AIFF" + common + sound
        content = b"FORM" + struct.pack(">I", promised and len(body)) + body
        container = inspect(content)
        assert (container.name, container.truncated) == ("AIFF", truncated)
        patched = ((content.index(b"SSND") + 4, struct.pack(">I", len(SOUND))),)
        assert container.patches == (() if promised else patched)


def test_a_file_of_a_million_empty_chunks_keeps_nobody_waiting():
    class Counted(io.BytesIO):
        reads = 0

        def read(self, count: int | None = -1) -> bytes:
            self.reads += 1
            return super().read(count)

    file = Counted(wav(chunk(b"JUNK", b"") * 1_000_000))
    containers.inspect(file)
    assert file.reads < 20_000


def test_a_caf_that_ends_before_its_samples_is_cut_off():
    content = b"caff\0\1\0\0desc" + struct.pack(">Q", 32) + bytes(32)
    assert inspect(content[:-1]).truncated
    assert not inspect(content).truncated  # nothing promises more


def test_a_chunk_larger_than_any_file_is_walked_over_calmly():
    content = b"caff\0\1\0\0free" + struct.pack(">Q", 2**64 - 100) + bytes(32)
    assert inspect(content).truncated


def test_a_flac_without_frames_is_whole_only_if_it_announces_none():
    def flac(announced: int) -> bytes:
        return b"fLaC\x80\0\0\x22" + bytes(13) + announced.to_bytes(5, "big") + bytes(16)

    assert inspect(flac(1)).truncated
    assert not inspect(flac(0)).truncated
    assert inspect(flac(0)[:-1]).truncated


def test_an_mp3_with_a_xing_header_tells_its_length():
    def mp3(tag: bytes, flags: int) -> bytes:
        return b"\xff\xfb\x90\x64" + bytes(32) + tag + struct.pack(">I", flags) + bytes(400)

    id3 = b"ID3\4\0\0\0\0\1\0" + bytes(128)
    for before in (b"", id3):
        assert not inspect(before + mp3(b"Xing", 15)).hide_size
        assert not inspect(before + mp3(b"Info", 1)).hide_size
        assert inspect(before + mp3(b"Xing", 2)).hide_size
        assert inspect(before + mp3(bytes(4), 1)).hide_size
    assert inspect(id3).truncated and inspect(id3[:50]).truncated
    assert not inspect(id3 + mp3(b"Xing", 15)).truncated


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF",
        b"# a text\n",
        "a text in UTF-16".encode("utf-16"),
        b"RIFF\x10\0\0\0AVI LIST" + bytes(50),
        b"RIFF\x10\0\0\0WEBPVP8 " + bytes(50),
        b"\x89PNG\r\n\x1a\n" + bytes(50),
        b"\xff\xf1\x50\x80" + bytes(50),  # AAC
        bytes(1000),
    ],
)
def test_what_is_no_audio_container_is_none(content):
    assert containers.inspect(io.BytesIO(content)) is None
