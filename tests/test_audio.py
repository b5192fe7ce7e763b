"""Reading, resampling, aligning and measuring audio: facts of the field and ugly files."""

import io
import math
import os
import struct
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from stemlens import audio
from stemlens_bridge.errors import StemlensError

RATES = [8000, 11025, 16000, 22050, 44100, 48000, 88200, 96000, 192000]
FORMATS = {  # name: (extension, arguments of soundfile.write)
    "wav16": ("wav", {"subtype": "PCM_16"}),
    "wav24": ("wav", {"subtype": "PCM_24"}),
    "wav32": ("wav", {"subtype": "PCM_32"}),
    "wav float": ("wav", {"subtype": "FLOAT"}),
    "wav double": ("wav", {"subtype": "DOUBLE"}),
    "wav extensible": ("wav", {"format": "WAVEX", "subtype": "PCM_24"}),
    "rf64": ("wav", {"format": "RF64", "subtype": "PCM_24"}),
    "w64": ("w64", {"format": "W64", "subtype": "PCM_24"}),
    "aiff16": ("aif", {"format": "AIFF", "subtype": "PCM_16"}),
    "aiff24": ("aiff", {"subtype": "PCM_24"}),
    "caf": ("caf", {"subtype": "PCM_24"}),
    "flac16": ("flac", {"subtype": "PCM_16"}),
    "flac24": ("flac", {"subtype": "PCM_24"}),
    "ogg vorbis": ("ogg", {"subtype": "VORBIS"}),
    "ogg opus": ("ogg", {"subtype": "OPUS"}),
    "mp3 constant": ("mp3", {"bitrate_mode": "CONSTANT", "compression_level": 0.0}),
    "mp3 variable": ("mp3", {"bitrate_mode": "VARIABLE", "compression_level": 0.1}),
}
STEP = {"16": 2**-15, "24": 2**-23, "extensible": 2**-23, "rf64": 2**-23, "w64": 2**-23}
STEP |= {"caf": 2**-23, "32": 2**-24, "float": 0.0, "double": 0.0}


def sine(rate: int, seconds: float, hz: float = 1000.0, dbfs: float = -6.0) -> np.ndarray:
    """A stereo sine `[frames, 2]`; its level is that of its peak."""
    wave = 10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)
    return np.stack([wave, wave], axis=1).astype(np.float32)


def noise(frames: int, channels: int = 2, seed: int = 0, level: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal((frames, channels))).astype(np.float32)


def music(frames: int, rate: int = 48000) -> np.ndarray:
    """Something that codecs keep well: a rising tone, another one on each side, fading in."""
    t = np.arange(frames) / rate
    wave = [np.sin(2 * np.pi * (hz * t + 400 * t**2)) for hz in (200, 300)]
    return (0.4 * np.stack(wave, axis=1) * np.minimum(1, t * 20)[:, np.newaxis]).astype(np.float32)


def encoded(name: str, samples: np.ndarray, rate: int = 48000) -> bytes:
    extension, options = FORMATS[name]
    file = io.BytesIO()
    soundfile.write(file, samples, rate, **({"format": extension.upper()} | options))
    return file.getvalue()


@pytest.fixture(scope="module")
def whole() -> dict[str, bytes]:
    return {name: encoded(name, music(48000)) for name in FORMATS}


def save(folder: Path, name: str, content: bytes) -> Path:
    path = folder / f"{name.replace(' ', '_')}.{FORMATS.get(name, ('wav',))[0]}"
    path.write_bytes(content)
    return path


def refuses(path: Path | str, code: str, **options: float) -> str:
    """The message of the one error that `read` raises; it begins with the file's name."""
    with pytest.raises(StemlensError) as caught:
        audio.read(path, **options)
    assert caught.value.code == code, caught.value.message
    assert caught.value.message.startswith(str(path))
    return caught.value.message


# ------------------------------------------------------------------------------- whole files


@pytest.mark.parametrize("name", [name for name in FORMATS if name[:3] not in ("ogg", "mp3")])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_lossless_formats_come_back_within_their_quantisation(name, channels, tmp_path):
    samples = noise(3001, channels)
    clip = audio.read(save(tmp_path, name, encoded(name, samples)))
    assert clip.samples.dtype == np.float32 and clip.samples.shape == (3001, channels)
    assert (clip.sample_rate, clip.time_reference_s) == (48000, None)
    step = next(step for part, step in STEP.items() if part in name)
    assert np.abs(clip.samples - samples).max() <= step


@pytest.mark.parametrize("name", [name for name in FORMATS if name[:3] in ("ogg", "mp3")])
def test_lossy_formats_keep_length_level_and_place(name, whole, tmp_path):
    clip = audio.read(save(tmp_path, name, whole[name]))
    assert clip.samples.shape == (48000, 2)
    left = audio.residual(clip.samples, music(48000), 48000)
    assert left.residual_db < -20 and left.lag_s == 0.0 and abs(left.gain_db) < 0.3


@pytest.mark.parametrize("rate", RATES)
def test_every_rate_from_8_to_192_khz_is_read(rate, tmp_path):
    path = save(tmp_path, "wav16", encoded("wav16", noise(rate // 10), rate))
    clip = audio.read(path)
    assert clip.sample_rate == rate and clip.duration_s == pytest.approx(0.1, abs=1 / rate)


@pytest.mark.parametrize("frames", [1, 3, 1151, 1152, 1153, 4096, 4097])
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "ogg opus"])
def test_whole_files_of_any_length_are_whole(name, frames, tmp_path):
    path = save(tmp_path, name, encoded(name, noise(frames)))
    assert len(audio.read(path).samples) == frames == audio.probe(path).frames


def test_floats_beyond_full_scale_are_not_clipped(tmp_path):
    path = save(tmp_path, "wav float", encoded("wav float", noise(100, level=4.0)))
    assert np.array_equal(audio.read(path).samples, noise(100, level=4.0))


def test_a_probe_tells_what_reading_finds(whole, tmp_path):
    for name, content in whole.items():
        path = save(tmp_path, name, content)
        header, clip = audio.probe(path), audio.read(path)
        assert (header.frames, header.channels) == clip.samples.shape
        assert header.sample_rate == clip.sample_rate and header.duration_s == clip.duration_s


@pytest.mark.parametrize(
    "name", ["Überblendung ☂ 東京.wav", "a" * 240 + ".wav", "two  spaces.WAV", "wav.raw", "none"]
)
def test_any_file_name_will_do(name, whole, tmp_path):
    path = tmp_path / name
    path.write_bytes(whole["wav16"])
    assert len(audio.read(path).samples) == 48000


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are always Unicode there")
def test_a_name_that_is_not_utf8_is_read_and_can_be_told(whole, tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav")
    Path(path).write_bytes(whole["wav16"])
    assert len(audio.read(path).samples) == 48000
    Path(path).write_bytes(whole["wav16"][:-100])
    with pytest.raises(StemlensError) as caught:
        audio.read(path)
    assert "caf?.wav" in caught.value.message.encode("utf-8").decode()


# ------------------------------------------------------------------ what streaming writers leave


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000])
def test_a_wav_from_a_pipe_is_read_to_its_end(size, whole, tmp_path):
    content = bytearray(whole["wav16"])
    data = content.index(b"data")
    content[4:8] = content[data + 4 : data + 8] = struct.pack("<I", size)
    expected = audio.read(save(tmp_path, "wav16", whole["wav16"])).samples
    assert np.array_equal(audio.read(save(tmp_path, "pipe", content)).samples, expected)


def test_an_rf64_from_a_pipe_is_read_to_its_end(whole, tmp_path):
    content = bytearray(whole["rf64"])
    ds64 = content.index(b"ds64")
    content[ds64 + 8 : ds64 + 32] = bytes(24)
    expected = audio.read(save(tmp_path, "rf64", whole["rf64"])).samples
    assert np.array_equal(audio.read(save(tmp_path, "pipe", content)).samples, expected)


@pytest.mark.parametrize("size", [b"\xff" * 8, b"\xff" * 7 + b"\x7f"])
@pytest.mark.parametrize("name", ["w64", "caf"])
def test_64_bit_containers_from_a_pipe_are_read_to_their_end(name, size, whole, tmp_path):
    content = bytearray(whole[name])
    if name == "w64":
        at = content.index(b"data") + 16
    else:
        at, size = content.index(b"data") + 4, size[:1] * 8
        del content[at + 8 + 4 + 48000 * 6 :]
    content[at : at + 8] = size
    expected = audio.read(save(tmp_path, name, whole[name])).samples
    assert np.array_equal(audio.read(save(tmp_path, "pipe", content)).samples, expected)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_in_blocks_is_the_file(name, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "_BLOCK", 10_000)
    path = save(tmp_path, name, whole[name])
    blocks = list(audio.blocks(path))
    assert {len(block) for block in blocks[:-1]} == {10_000}
    assert np.array_equal(np.concatenate(blocks), audio.read(path).samples)
    with pytest.raises(StemlensError, match="export it again"):
        list(audio.blocks(save(tmp_path, name, whole[name][: len(whole[name]) // 2])))


def test_a_flac_that_tells_no_length_is_read_to_its_end(whole, tmp_path):
    content = bytearray(whole["flac16"])
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path = save(tmp_path, "flac16", content)
    assert len(audio.read(path).samples) == audio.probe(path).frames == 48000
    assert sum(map(len, audio.blocks(path))) == 48000
    refuses(path, "audio_too_long", max_duration_s=0.9)


@pytest.mark.parametrize("name", ["mp3 constant", "mp3 variable"])
def test_an_mp3_without_a_length_is_not_cut_to_a_guess(name, tmp_path):
    # libsndfile alone guesses by the first frame's bit rate and drops half of this one.
    samples = np.concatenate([noise(48000, level=0.3), np.zeros((96000, 2), np.float32)])
    samples = samples[::-1] if "constant" in name else samples
    content = encoded(name, samples)
    without_info = content[content.index(content[:2], 4) :]
    assert b"Info" not in without_info and b"Xing" not in without_info
    path = save(tmp_path, name, without_info)
    frames = len(audio.read(path).samples)
    assert 144000 <= frames <= 144000 + 3 * 1152 and audio.probe(path).frames == frames


# --------------------------------------------------------------------------------- ugly files


@pytest.mark.parametrize("cut", [-1, -50, 0.999, 0.9, 0.5, 0.1])
@pytest.mark.parametrize("name", FORMATS)
def test_a_cut_off_file_is_called_truncated(name, cut, whole, tmp_path):
    content = whole[name]
    kept = content[: cut if isinstance(cut, int) else int(len(content) * cut)]
    assert "export it again" in refuses(save(tmp_path, name, kept), "audio_truncated")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kept", [1, 3, 11, 20, 60])
def test_the_first_bytes_of_a_file_are_one_clear_error(name, kept, whole, tmp_path):
    path = save(tmp_path, name, whole[name][:kept])
    with pytest.raises(StemlensError) as caught:
        audio.read(path)
    assert caught.value.code in ("audio_truncated", "audio_not_audio")
    assert path.name in caught.value.message


def test_a_flac_that_ends_between_two_frames_is_truncated(whole, tmp_path):
    content = whole["flac16"]
    first = content.index(b"\xff\xf8")
    second = content.rindex(content[first : first + 4])
    assert second > first
    assert "promised" in refuses(save(tmp_path, "flac16", content[:second]), "audio_truncated")


def test_a_flac_that_ends_before_its_first_frame_is_truncated(whole, tmp_path):
    content = whole["flac16"][: whole["flac16"].index(b"\xff\xf8")]
    refuses(save(tmp_path, "flac16", content), "audio_truncated")


@pytest.mark.parametrize("name", ["flac16", "ogg vorbis", "ogg opus", "mp3 constant"])
@pytest.mark.parametrize("where", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("damage", [1, 30, 3000])
def test_damage_in_the_middle_never_gives_half_a_result(name, where, damage, whole, tmp_path):
    content = bytearray(whole[name])
    start = int(len(content) * where)
    content[start : start + damage] = b"Z" * damage
    path = save(tmp_path, name, content)
    try:
        assert len(audio.read(path).samples) == 48000
    except StemlensError as error:
        assert error.code == "audio_truncated"


def test_a_missing_file(tmp_path):
    refuses(tmp_path / "none.wav", "audio_missing")
    (tmp_path / "file").write_bytes(b"x")
    refuses(tmp_path / "file" / "none.wav", "audio_missing")
    refuses("bad\0name.wav", "audio_missing")


def test_an_empty_file(tmp_path):
    refuses(save(tmp_path, "wav16", b""), "audio_empty")


@pytest.mark.parametrize("name", ["wav16", "wav float", "rf64", "w64", "aiff16", "caf"])
def test_a_file_without_frames(name, tmp_path):
    refuses(save(tmp_path, name, encoded(name, np.zeros((0, 2)))), "audio_empty")


def test_a_finished_wav_without_frames_does_not_play_its_other_chunks(tmp_path):
    content = encoded("wav16", np.zeros((0, 2))) + b"LIST" + struct.pack("<I", 26) + bytes(26)
    content = content[:4] + struct.pack("<I", len(content) - 8) + content[8:]
    refuses(save(tmp_path, "wav16", content), "audio_empty")


@pytest.mark.parametrize("extension", ["wav", "flac", "mp3", "ogg", "aiff", "raw", "txt"])
@pytest.mark.parametrize(
    "content",
    [b"Take 3 is the good one.\n" * 50, "Take 3".encode("utf-16"), bytes(5000), b"x"],
    ids=["text", "utf-16", "zeros", "one byte"],
)
def test_what_is_not_audio(extension, content, tmp_path):
    path = tmp_path / f"stem.{extension}"
    path.write_bytes(content)
    refuses(path, "audio_not_audio")


def test_ogg_streams_in_a_row_are_not_cut_to_the_first(whole, tmp_path):
    content = whole["ogg vorbis"] * 2
    refuses(save(tmp_path, "ogg vorbis", content), "audio_not_audio")


def test_a_wav_of_an_unknown_codec_is_not_audio(whole, tmp_path):
    content = bytearray(whole["wav16"])
    content[20:22] = b"\x99\x99"
    message = refuses(save(tmp_path, "wav16", content), "audio_not_audio")
    assert "object" not in message and "WAV" in message


@pytest.mark.parametrize("rate", [4000, 384000])
def test_rates_that_no_stem_has(rate, tmp_path):
    path = save(tmp_path, "wav16", encoded("wav16", noise(100), rate))
    assert f"{rate} Hz" in refuses(path, "audio_not_audio")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["wav float", "wav double"])
def test_a_sample_that_is_no_number_is_named_with_its_time(name, bad, tmp_path):
    samples = noise(48000)
    samples[12000, 1] = bad
    path = save(tmp_path, name, encoded(name, samples))
    assert "at 0.250 s" in refuses(path, "audio_not_finite")


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_beyond_the_limit_is_told_by_its_header(name, whole, tmp_path, monkeypatch):
    path = save(tmp_path, name, whole[name])
    assert len(audio.read(path, max_duration_s=1.0).samples) == 48000
    monkeypatch.setattr(audio._Forward, "read", None)  # decoding anything would fail now
    assert "0.99 s" in refuses(path, "audio_too_long", max_duration_s=0.99)
    with pytest.raises(StemlensError):
        audio.probe(path, max_duration_s=0.99)


def test_a_folder(tmp_path):
    assert "folder" in refuses(tmp_path, "audio_unreadable")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_pipes_and_devices_are_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    refuses(tmp_path / "pipe.wav", "audio_unreadable")  # opening it would wait for ever
    refuses("/dev/zero", "audio_unreadable")


@pytest.mark.parametrize("call", ["open", "stat"])
def test_no_permission(call, whole, tmp_path, monkeypatch):
    path = save(tmp_path, "wav16", whole["wav16"])

    def denied(*_: object, **__: object) -> None:  # simulated: for root nothing is forbidden
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, call, denied)
    assert "permission" in refuses(path, "audio_unreadable")


# ------------------------------------------------------------------------- channels and rates


def test_mono_is_the_mean_and_stereo_is_both_sides():
    one, two, three = noise(100, 1), noise(100, 2), noise(100, 3)
    assert np.array_equal(audio.to_mono(one), one[:, 0])
    assert np.allclose(audio.to_mono(two), two.mean(axis=1))
    assert np.array_equal(audio.to_stereo(one), np.repeat(one, 2, axis=1))
    assert audio.to_stereo(two) is two
    folded = audio.to_stereo(three)
    assert folded.shape == (100, 2) and np.allclose(folded, three.mean(axis=1, keepdims=True))
    assert audio.to_mono(three).dtype == folded.dtype == np.float32


@pytest.mark.parametrize("to_rate", [16000, 44100, 48000])
@pytest.mark.parametrize("from_rate", RATES)
def test_resampling_keeps_a_tones_level_and_place(from_rate, to_rate):
    resampled = audio.resample(sine(from_rate, 0.48), from_rate, to_rate)
    expected = sine(to_rate, 0.48)
    assert resampled.dtype == np.float32 and resampled.shape == expected.shape
    middle = slice(to_rate // 10, 4 * to_rate // 10)
    assert np.abs(resampled[middle] - expected[middle]).max() < 5e-4


@pytest.mark.parametrize("to_rate", [16000, 44100, 96000])
def test_resampling_does_not_move_a_click(to_rate):
    click = np.zeros(48000, np.float32)
    click[24000] = 1.0
    assert np.argmax(audio.resample(click, 48000, to_rate)) == to_rate // 2


@pytest.mark.parametrize("frames", [0, 1, 3, 1000])
def test_resampling_the_shortest_clips(frames):
    for shape in ((frames,), (frames, 2)):
        resampled = audio.resample(np.ones(shape, np.float32), 44100, 16000)
        assert len(resampled) == round(frames * 16000 / 44100)
        assert resampled.ndim == len(shape)


# ---------------------------------------------------------------------------------- alignment


def test_stems_start_together_unless_all_carry_a_time_reference():
    assert audio.offsets([]) == []
    assert audio.offsets([None, 7.0]) == [0.0, 0.0]
    assert audio.offsets([3600.5, 3600.0, 3601.0]) == [0.5, 0.0, 1.0]


@pytest.mark.parametrize("start", [-7, -3, 0, 2, 8, 99])
def test_what_lies_outside_is_left_out(start):
    place = np.zeros(10, np.float32)
    audio.add_at(place, np.arange(1, 5, dtype=np.float32), start)
    expected = {start + at: at + 1 for at in range(4) if 0 <= start + at < 10}
    assert {at: value for at, value in enumerate(place) if value} == expected


def test_broadcast_wavs_of_different_rates_align_to_the_sample(tmp_path):
    """One click at 10:00:01 o'clock, in stems that begin at 10:00:00 and 10:00:00.75."""
    clips = []
    for rate, start_s in ((44100, 36000.0), (48000, 36000.75)):
        samples = np.zeros((rate * 2, 1), np.float32)
        samples[round((36001 - start_s) * rate)] = 1.0
        content = encoded("wav float", samples, rate)
        bext = bytes(338) + struct.pack("<Q", round(start_s * rate)) + bytes(256)
        content = content[:12] + b"bext" + struct.pack("<I", len(bext)) + bext + content[12:]
        clips.append(audio.read(save(tmp_path, f"stem{rate}", content)))
    assert [clip.time_reference_s for clip in clips] == [36000.0, 36000.75]
    starts = audio.offsets([clip.time_reference_s for clip in clips])
    waves = [audio.resample(audio.to_mono(clip.samples), clip.sample_rate, 48000) for clip in clips]
    together = np.zeros(round(48000 * 2.75), np.float32)
    for wave, start in zip(waves, starts, strict=True):
        audio.add_at(together, wave, round(start * 48000))
    assert np.argmax(together) == 48000 and together[48000] > 1.8


# -------------------------------------------------------------------------------- measurement


@pytest.fixture
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("rate", [16000, 44100, 48000, 96000])
@pytest.mark.parametrize("dbfs", [-23.0, -33.0])
def test_loudness_of_a_sine_by_ebu_tech_3341(rate, dbfs, no_warnings):
    assert audio.loudness(sine(rate, 5, 1000, dbfs), rate) == pytest.approx(dbfs, abs=0.1)


def test_quiet_parts_are_gated_by_ebu_tech_3341(no_warnings):
    parts = [sine(48000, 10, 1000, -36), sine(48000, 30, 1000, -23), sine(48000, 10, 1000, -36)]
    assert audio.loudness(np.concatenate(parts), 48000) == pytest.approx(-23.0, abs=0.1)


def test_a_mono_clip_plays_3_db_louder_than_it_measures(no_warnings):
    mono = sine(48000, 2, 1000, -23)[:, :1]
    assert audio.loudness(mono, 48000) == pytest.approx(-26.0, abs=0.1)
    assert audio.loudness(audio.to_stereo(mono), 48000) == pytest.approx(-23.0, abs=0.1)
    assert audio.loudness(np.repeat(mono, 6, axis=1), 48000) == pytest.approx(-23.0, abs=0.1)


def test_a_short_clip_is_measured_in_one_block_of_400_ms(no_warnings):
    full = audio.loudness(sine(48000, 0.4), 48000)
    assert audio.loudness(sine(48000, 0.1), 48000) == pytest.approx(full - 6.02, abs=0.3)
    assert audio.loudness(np.ones((3, 2), np.float32), 48000) < full - 20


@pytest.mark.parametrize("frames", [0, 3, 48000, 100001])
def test_silence_has_no_loudness(frames, no_warnings):
    assert audio.loudness(np.zeros((frames, 2), np.float32), 44100) is None
    assert audio.loudness(noise(frames, level=1e-5), 44100) is None


def test_what_mono_takes_away(no_warnings):
    both = noise(48000, 1)
    silent = np.zeros_like(both)
    assert audio.mono_loss_db(np.hstack([both, both])) == pytest.approx(0.0, abs=1e-9)
    assert audio.mono_loss_db(both) == pytest.approx(0.0, abs=1e-9)
    assert audio.mono_loss_db(np.hstack([both, silent])) == pytest.approx(3.0103, abs=1e-3)
    assert audio.mono_loss_db(noise(480000)) == pytest.approx(3.01, abs=0.05)
    assert audio.mono_loss_db(np.hstack([both, -both])) == audio.MONO_LOSS_CAP_DB
    assert audio.mono_loss_db(np.hstack([both, -0.5 * both])) == pytest.approx(10.0, abs=1e-3)
    assert audio.mono_loss_db(np.hstack([silent, silent])) == 0.0
    assert audio.mono_loss_db(both[:0]) == 0.0
    assert audio.mono_loss_db(np.hstack([both, silent])) < audio.MONO_LOSS_WARN_DB


def delayed(samples: np.ndarray, lag: int) -> np.ndarray:
    """The same length, `lag` frames later (or earlier); what leaves at one end is lost."""
    moved = np.zeros_like(samples)
    audio.add_at(moved, samples, lag)
    return moved


@settings(max_examples=30, deadline=None)
@given(
    lag=st.integers(-4000, 4000),
    gain_db=st.floats(-30, 30),
    polarity=st.sampled_from([1, -1]),
    tail=st.integers(0, 5000),
    cut=st.booleans(),
)
def test_a_delayed_and_scaled_sum_nulls(lag, gain_db, polarity, tail, cut):
    stem_sum = noise(20000, seed=3)
    gain = np.float32(polarity * 10 ** (gain_db / 20))
    if cut:  # both are cut from something that goes on before and after
        mix = gain * noise(30000)[5000 - lag : 25000 - lag]
        stem_sum = noise(30000)[5000:25000]
    else:
        mix = np.zeros((20000 + tail, 2), np.float32)
        audio.add_at(mix, gain * stem_sum, lag)
    found = audio.residual(mix, stem_sum, 8000)
    assert found.residual_db < -60
    assert found.lag_s == lag / 8000 and found.polarity == polarity
    assert found.gain_db == pytest.approx(gain_db, abs=1e-3)


def test_the_residual_is_what_the_stems_do_not_explain():
    stem_sum, missing = noise(96000, seed=1), noise(96000, seed=2)
    for level_db in (-40.0, -20.0, 0.0):
        mix = stem_sum + np.float32(10 ** (level_db / 20)) * missing
        expected = 10 * math.log10(1 / (1 + 10 ** (-level_db / 10)))
        found = audio.residual(mix, stem_sum, 48000)
        assert found.residual_db == pytest.approx(expected, abs=0.1) and found.lag_s == 0
    assert audio.residual(stem_sum, missing, 48000).residual_db > -0.1


def test_a_loop_is_not_taken_for_its_next_turn():
    loop = np.tile(noise(12000), (8, 1))
    assert audio.residual(delayed(loop, 37), loop, 48000).lag_s == 37 / 48000


def test_stems_that_live_in_the_sides_alone_are_found_too():
    sides = noise(48000) * np.float32([1, 0])
    sides[:, 1] = -sides[:, 0]
    found = audio.residual(delayed(sides, 480), sides, 48000)
    assert found.lag_s == 0.01 and found.residual_db < -60


def test_a_tail_that_only_the_mix_has_counts():
    stem_sum = noise(48000)
    mix = np.concatenate([stem_sum, noise(48000, level=0.01, seed=5)])
    assert audio.residual(mix, stem_sum, 48000).residual_db == pytest.approx(-20, abs=0.2)


def test_a_long_session_is_correlated_in_blocks_without_gaps(monkeypatch):
    monkeypatch.setattr(audio, "_BLOCK", 64)  # long is relative
    for position in range(20, 980):
        click = np.zeros((1000, 2), np.float32)
        click[position] = 1.0
        lag = position % 41 - 20
        assert audio.residual(delayed(click, lag), click, 10).lag_s == lag / 10


def test_silence_nulls_only_with_silence():
    silent, sounding = np.zeros((1000, 2), np.float32), noise(900)
    assert audio.residual(silent, silent[:10], 48000).residual_db == audio.FLOOR_DB
    for found in (
        audio.residual(silent, sounding, 48000),
        audio.residual(sounding, silent, 48000),
    ):
        assert found == audio.Residual(0.0, 0.0, 0.0)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_the_residual_of_a_few_samples_is_finite(frames):
    found = audio.residual(noise(frames), noise(frames, seed=1), 48000)
    assert all(math.isfinite(value) for value in (found.residual_db, found.lag_s, found.gain_db))
    assert audio.residual(noise(frames), noise(frames), 48000).residual_db == audio.FLOOR_DB
