"""Fetching, converting and keeping weights, above all when something goes wrong."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemlens.tagging import tf_checkpoint, weights
from stemlens_bridge.errors import StemlensError

# ---- checkpoints, written here as TensorFlow writes them --------------------------------------


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def block(entries):
    """A table block in which keys share prefixes with their predecessors, and its trailer."""
    out, last = b"", b""
    for key, value in entries:
        shared = next((n for n in range(len(last)) if key[n : n + 1] != last[n : n + 1]), len(last))
        out += varint(shared) + varint(len(key) - shared) + varint(len(value))
        out += key[shared:] + value
        last = key
    return out + struct.pack("<II", 0, 1) + b"\0" + b"\0" * 4


def checkpoint(tensors):
    """(.index, .data) of float32 tensors; two data blocks where there is more than one tensor."""
    data, entries = b"", [(b"", b"\x08\x01")]
    for name, tensor in sorted(tensors.items()):
        dimensions = b"".join(
            b"\x12" + varint(len(d)) + d for d in (b"\x08" + varint(n) for n in tensor.shape)
        )
        entry = b"\x08\x01\x12" + varint(len(dimensions)) + dimensions
        entry += b"\x20" + varint(len(data)) + b"\x28" + varint(tensor.nbytes) + b"\x35abcd"
        entries.append((name.encode(), entry))
        data += tensor.astype("<f4").tobytes()
    table, leaves, half = b"", [], len(entries) // 2
    for part in (entries[:half], entries[half:]):
        leaf = block(part)
        leaves.append((part[-1][0], varint(len(table)) + varint(len(leaf) - 5)))
        table += leaf
    meta, root = block([]), block(leaves)
    handles = varint(len(table)) + varint(len(meta) - 5)
    handles += varint(len(table) + len(meta)) + varint(len(root) - 5)
    footer = handles.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
    return table + meta + root + footer, data


TENSORS = {
    "conv2d/kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "conv2d/kernel/Adam": np.ones((2, 3, 4), np.float32),
    "conv2d_1/bias": np.linspace(-1, 1, 300).astype(np.float32),
    "beta1_power": np.array(0.5, np.float32),
}
INDEX, DATA = checkpoint(TENSORS)


def test_reads_what_was_written():
    found = tf_checkpoint.read(INDEX, DATA)
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        np.testing.assert_array_equal(found[name], tensor)


@pytest.mark.parametrize(
    ("index", "data"),
    [
        (b"", DATA),
        (INDEX[:-1], DATA),  # no magic number
        (INDEX[-48:], DATA),  # a footer alone
        (INDEX[10:], DATA),  # everything shifted
        (INDEX, DATA[:-1]),
        (INDEX, b""),
    ],
)
def test_broken_checkpoints_are_refused(index, data):
    with pytest.raises(StemlensError) as caught:
        tf_checkpoint.read(index, data)
    assert caught.value.code == "weights_damaged"


@given(st.integers(0, len(INDEX) - 1), st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_a_changed_byte_is_refused_or_harmless(position, value):
    broken = INDEX[:position] + bytes([value]) + INDEX[position + 1 :]
    try:
        found = tf_checkpoint.read(broken, DATA)
    except StemlensError as error:
        assert error.code == "weights_damaged"
    else:
        assert all(tensor.nbytes <= len(DATA) for tensor in found.values())


# ---- the cache folder, with a small wheel in place of the real one ----------------------------


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, whatever the machine's own one holds."""
    place = tmp_path / "cache" / "models"
    monkeypatch.setattr(weights, "folder", lambda: place)
    return place


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A wheel like the real one, with tiny networks, that is taken for the real one."""
    file = tmp_path / "fetched" / weights.WHEEL
    file.parent.mkdir()
    with zipfile.ZipFile(file, "w") as archive:
        for model in weights.MODELS.values():
            archive.writestr(f"{model.folder}/.index", INDEX)
            archive.writestr(f"{model.folder}/.data-00000-of-00001", DATA)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    monkeypatch.setattr(weights, "WHEEL_SHA256", digest)
    monkeypatch.setattr(weights, "WHEEL_BYTES", file.stat().st_size)
    return file


@pytest.fixture
def pip(tmp_path, monkeypatch, wheel):
    """Puts a program in pip's place; it finds --dest in `dest` and the wheel in `wheel`."""

    def install(program):
        package = tmp_path / "other_pip" / "pip"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(
            "import os, shutil, sys, tempfile, time\n"
            "dest = sys.argv[sys.argv.index('--dest') + 1]\n"
            f"wheel, here = {str(wheel)!r}, {str(tmp_path)!r}\n" + program
        )
        monkeypatch.setenv("PYTHONPATH", str(package.parent), prepend=os.pathsep)

    return install


GOOD_PIP = "open(here + '/calls', 'a').write('x')\ntime.sleep(0.5)\nshutil.copy(wheel, dest)\n"
FILES = {f"{n}.safetensors{suffix}" for n in weights.MODELS for suffix in ("", ".sha256")}


def contents(place):
    return {file.name for file in place.iterdir()} - {"pull.lock"} if place.exists() else set()


def refused(code, name="mtt-vgg", **arguments):
    with pytest.raises(StemlensError) as caught:
        weights.pull(name, **arguments)
    assert caught.value.code == code
    return caught.value.message


def assert_names_the_way_out(message, name="mtt-vgg"):
    assert weights.WHEEL in message
    assert f"stemlens models pull {name} --wheel FILE" in message


def test_one_wheel_brings_all_models(cache, wheel):
    assert not weights.is_there("mtt-vgg")
    assert weights.pull("mtt-vgg", wheel=wheel) == cache / "mtt-vgg.safetensors"
    assert contents(cache) == FILES
    assert all(weights.is_there(name) for name in weights.MODELS)
    assert weights.load("msd-musicnn").keys() == {"conv2d/kernel", "conv2d_1/bias"}
    kernel = weights.load("msd-musicnn")["conv2d/kernel"]
    np.testing.assert_array_equal(kernel, TENSORS["conv2d/kernel"])


def test_load_pulls_what_is_missing_with_pip(cache, pip):
    pip(GOOD_PIP)
    assert weights.load("msd-vgg")
    assert contents(cache) == FILES


def test_progress_rises_from_0_to_1(cache, pip):
    pip(
        "loading = tempfile.mkdtemp() + '/part'\n"
        "for part in range(4):\n"
        "    with open(loading, 'ab') as file: file.write(b'x' * (os.stat(wheel).st_size // 5))\n"
        "    time.sleep(0.3)\n"
        "os.remove(loading)\n"
        "shutil.copy(wheel, dest)\n"
    )
    seen: list[float] = []
    weights.pull("msd-vgg", progress=seen.append)
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0.0, 1.0)
    assert any(0.1 < fraction < 0.9 for fraction in seen)


def test_another_wheel_is_refused(cache, wheel, tmp_path):
    other = tmp_path / weights.WHEEL
    other.write_bytes(wheel.read_bytes()[:-1] + b"!")
    message = refused("weights_damaged", wheel=other)
    assert str(other) in message
    assert weights.WHEEL_SHA256 in message
    assert contents(cache) == set()
    assert str(tmp_path / "no.whl") in refused("weights_missing", wheel=tmp_path / "no.whl")


def test_pip_bringing_another_wheel_is_refused(cache, pip):
    pip(f"open(dest + '/{weights.WHEEL}', 'w').write('hello')\n")
    refused("weights_damaged")
    assert contents(cache) == set()


def test_the_real_wheel_is_pinned():
    assert weights.WHEEL_SHA256.startswith("f38a4890")
    assert weights.REQUIREMENT == "musicnn==0.1.0"


def test_an_environment_without_pip(cache, tmp_path, monkeypatch):
    venv.create(tmp_path / "bare", with_pip=False)
    bin_folder = "Scripts" if os.name == "nt" else "bin"
    python = next((tmp_path / "bare" / bin_folder).glob("python*"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(weights, "sys", SimpleNamespace(executable=str(python)))
    message = refused("weights_missing")
    assert "no pip" in message
    assert_names_the_way_out(message)
    assert contents(cache) == set()


def test_no_interpreter_to_run_pip_with(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "sys", SimpleNamespace(executable=str(tmp_path / "none")))
    assert_names_the_way_out(refused("weights_missing"))
    assert contents(cache) == set()


def test_no_network(cache, monkeypatch):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # discard: nobody listens
    monkeypatch.setenv("PIP_RETRIES", "0")
    message = refused("weights_missing")
    assert_names_the_way_out(message)
    assert "pip" in message
    assert contents(cache) == set()


def test_pips_last_error_is_passed_on(cache, pip):
    pip(
        "print('WARNING: retrying'); print('ERROR: first')\n"
        "print('ERROR: the disk is on fire', file=sys.stderr)\n"
        "print('[notice] a new version'); sys.exit(1)\n"
    )
    message = refused("weights_missing")
    assert "the disk is on fire" in message
    assert "first" not in message
    assert_names_the_way_out(message)


def test_a_stalled_pip_is_ended(cache, pip, tmp_path, monkeypatch):
    pip(
        "open(here + '/pid', 'w').write(str(os.getpid()))\n"
        "open(tempfile.mkdtemp() + '/part', 'w').write('x')\n"
        "time.sleep(600)\n"
    )
    monkeypatch.setattr(weights, "STALLED_S", 1.0)
    message = refused("weights_missing")
    assert "nothing for 1 s" in message
    assert_names_the_way_out(message)
    assert contents(cache) == set()
    if os.name == "posix":
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), 0)


def test_an_interrupted_pull_leaves_nothing(cache, pip, tmp_path):
    pip("open(tempfile.mkdtemp() + '/part', 'w').write('x' * 100)\ntime.sleep(600)\n")

    def interrupt(fraction):
        if fraction > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        weights.pull("mtt-vgg", progress=interrupt)
    assert contents(cache) == set()


def test_what_a_killed_pull_left_is_cleared_away(cache, wheel):
    (cache / "pulling").mkdir(parents=True)
    (cache / "pulling" / "part").write_text("x")
    weights.pull("mtt-vgg", wheel=wheel)
    assert contents(cache) == FILES


def test_a_full_disk_leaves_no_half_file(cache, wheel, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    message = refused("weights_missing", wheel=wheel)
    assert "No space left" in message
    assert str(cache) in message
    assert contents(cache) == set()
    assert not weights.is_there("mtt-vgg")


def test_a_cache_folder_that_cannot_be_made(tmp_path, wheel, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(weights, "folder", lambda: tmp_path / "file" / "models")
    message = refused("weights_missing", wheel=wheel)
    assert str(tmp_path / "file") in message
    assert "writable" in message


@pytest.mark.parametrize("damage", ["truncated", "changed", "emptied"])
def test_a_damaged_file_is_noticed_and_replaced(cache, wheel, damage):
    file = weights.pull("mtt-vgg", wheel=wheel)
    content = file.read_bytes()
    middle = len(content) // 2
    changed = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    file.write_bytes({"truncated": content[:-4], "changed": changed, "emptied": b""}[damage])
    other = weights.path("msd-vgg").stat().st_mtime_ns

    with pytest.raises(StemlensError) as caught:
        weights.load("mtt-vgg")
    assert caught.value.code == "weights_damaged"
    assert "stemlens models pull mtt-vgg" in caught.value.message
    assert str(file) in caught.value.message

    weights.pull("mtt-vgg", wheel=wheel)
    assert weights.load("mtt-vgg")
    assert file.read_bytes() == content
    assert weights.path("msd-vgg").stat().st_mtime_ns == other  # undamaged: left alone


def test_what_is_there_is_not_fetched_again(cache, wheel, pip, tmp_path):
    weights.pull("mtt-vgg", wheel=wheel)
    pip(GOOD_PIP)
    weights.pull("msd-musicnn")
    weights.load("msd-vgg")
    assert not (tmp_path / "calls").exists()


def test_processes_that_start_together_fetch_once(cache, pip, tmp_path):
    pip(GOOD_PIP)
    program = (
        "import sys; from pathlib import Path; from stemlens.tagging import weights\n"
        "weights.folder = lambda: Path(sys.argv[1])\n"
        "weights.WHEEL_SHA256 = sys.argv[2]\n"
        "print(sorted(weights.load(sys.argv[3])))\n"
    )
    arguments = [sys.executable, "-c", program, str(cache), weights.WHEEL_SHA256]
    started = [
        subprocess.Popen([*arguments, name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for name in ("msd-musicnn", "mtt-vgg", "msd-musicnn")
    ]
    for process in started:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output.decode()
        assert output.split() == b"['conv2d/kernel', 'conv2d_1/bias']".split()
    assert (tmp_path / "calls").read_text() == "x"
    assert contents(cache) == FILES


def test_waiting_for_another_process_ends(cache, wheel, monkeypatch):
    cache.mkdir(parents=True)
    monkeypatch.setattr(weights, "WAIT_S", 0.2)
    with weights.filelock.FileLock(cache / "pull.lock"):
        assert "Another process" in refused("weights_missing", wheel=wheel)


def test_unknown_names(cache):
    for ask in (weights.path, weights.is_there, weights.pull, weights.load):
        with pytest.raises(StemlensError) as caught:
            ask("mtt-vg")
        assert caught.value.code == "tagger_unknown"
        assert "nearest is mtt-vgg" in caught.value.message
    assert not Path(cache).exists()


# ---- the real weights -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("msd-musicnn", 790_000),
        ("mtt-musicnn", 790_000),
        ("msd-vgg", 605_000),
        ("mtt-vgg", 605_000),
    ],
)
def test_the_published_networks(name, parameters):
    """0.79 million parameters in musicnn, as its paper says, and 0.6 million in VGG."""
    found = weights.load(name)
    assert sum(tensor.size for tensor in found.values()) == pytest.approx(parameters, rel=0.01)
    for key, tensor in found.items():
        assert tensor.dtype == np.float32
        assert np.isfinite(tensor).all(), key
        if key.endswith("moving_variance"):
            assert (tensor >= 0).all(), key
