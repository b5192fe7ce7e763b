"""Ardour's headless program (`ardour7-lua`), run on private copies of sessions.

It runs Lua with a whole Ardour inside and no window. Each run has a folder of settings of its own
(a copy of the user's, so that plugins are found where they are, with an export format added), so
that neither the user's settings nor the list of recent sessions change. What a script has to say
it writes into a file of its own, a word a line: what comes out of the program is the chatter of
Ardour's threads, which write into each other's lines.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from stemlens_bridge import luatext
from stemlens_bridge.errors import StemlensError

NAMES = ("ardour9-lua", "ardour8-lua", "ardour7-lua", "ardour-lua")
POLL_S = 0.1
SILENCE_LIMIT_S = 180.0  # without a word and without a byte written, Ardour is taken to hang
MAX_CHANNELS = 256  # of Ardour's export formats
TRIES = 5

FORMAT_ID = "c1f0c7e2-0a3d-4be5-8d47-2f4a2f1f7b11"
PRESET_ID = "7b9d0c7e-51f5-4c39-9a77-6d1f53a3f0a1"
FORMAT = f"""<?xml version="1.0" encoding="UTF-8"?>
<ExportFormatSpecification name="stemlens" id="{FORMAT_ID}" with-cue="false" with-toc="false"
 with-mp4chaps="false" command="" analyse="false" soundcloud-upload="false">
  <Encoding id="F_W64" type="T_Sndfile" extension="w64" name="W64" has-sample-format="true"
   channel-limit="{MAX_CHANNELS}"/>
  <SampleRate rate="1"/>
  <SRCQuality quality="SRC_SincBest"/>
  <EncodingOptions>
    <Option name="sample-format" value="SF_Float"/>
    <Option name="dithering" value="D_None"/>
    <Option name="tag-metadata" value="false"/>
    <Option name="tag-support" value="false"/>
    <Option name="broadcast-info" value="false"/>
  </EncodingOptions>
  <Processing>
    <Normalize enabled="false" loudness="no" dbfs="0" lufs="-23" dbtp="-1"/>
    <Silence>
      <Start><Trim enabled="false"/><Add enabled="false">
        <Duration format="Timecode" hours="0" minutes="0" seconds="0" frames="0"/></Add></Start>
      <End><Trim enabled="false"/><Add enabled="false">
        <Duration format="Timecode" hours="0" minutes="0" seconds="0" frames="0"/></Add></End>
    </Silence>
  </Processing>
</ExportFormatSpecification>
"""
PRESET = f"""<?xml version="1.0" encoding="UTF-8"?>
<ExportPreset id="{PRESET_ID}" name="stemlens">
  <ExportFormat id="{FORMAT_ID}"/>
  <ExportFilename>
    <Folder relative="1" path="export"/>
    <Field name="label" enabled="0"/>
    <Field name="session" enabled="0"/>
    <Field name="snapshot" enabled="0"/>
    <Field name="timespan" enabled="1"/>
    <Field name="revision" enabled="0"/>
    <Field name="time" enabled="0" value="T_None"/>
    <Field name="date" enabled="0" value="D_None"/>
  </ExportFilename>
</ExportPreset>
"""

# Exporting corrupts Ardour 7.3's memory, whatever the format and in its own export tool too: a
# second export in one process always crashes, and after one export every third process or so does,
# nearly always once the file is complete. So the last word is said before the end, and what crashed
# earlier is tried again.
EXPORT = f"""
local function say(word)
  local said = io.open(job.said, "ab")
  said:write(word, "\\n")
  said:close()
end
AudioEngine:set_backend("None (Dummy)", "", "")
local session = load_session(job.folder, job.snapshot)
if not session then say("not loaded") quit() end
say("loaded")
local export = session:simple_export()
export:set_folder(job.target)
export:set_name(job.name)
export:set_range(job.start, job["end"])
if not export:set_preset("{PRESET_ID}") then say("no preset") quit() end
say(export:run_export() and "exported" or "not exported")
quit()
"""


def find(given: str | None = None) -> str:
    """Ardour's headless program: the one that is given, or the newest on the PATH.

    Raises `daw_unreachable`.
    """
    for name in [given] if given else NAMES:
        found = shutil.which(name)
        if found:
            return found
    raise StemlensError(
        "daw_unreachable",
        f"{given} is not there or cannot be run."
        if given
        else "Ardour's headless program is not installed: none of "
        f"{', '.join(NAMES)} is on the PATH. It comes with Ardour (the package ardour of Debian); "
        "name it with --program.",
    )


def export(
    program: str,
    folder: Path,
    snapshot: str,
    samples: tuple[int, int],
    target: Path,
    expected_bytes: int,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> None:
    """Exports the master of the session in `folder` from sample to sample to `target` (.w64).

    Raises `bounce_failed` with Ardour's own reason. When it is interrupted Ardour ends with it.
    """
    work = folder.parent
    config = work / "config"
    _settings(program, config)
    said = work / "said.txt"
    job = {
        "said": str(said),
        "folder": str(folder),
        "snapshot": snapshot,
        "target": str(target.parent),
        "name": target.stem,
        "start": samples[0],
        "end": samples[1],
    }
    script = work / "export.lua"
    given = luatext.dumps(job).strip()
    script.write_text(f"local job = (function() {given} end)()\n{EXPORT}", encoding="utf-8")
    environment = {**os.environ, "XDG_CONFIG_HOME": str(config)}
    for tries_left in reversed(range(TRIES)):
        said.write_bytes(b"")
        target.unlink(missing_ok=True)
        log = work / "log.txt"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [program, str(script)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
            )
        try:
            _follow(process, (said, log), target, expected_bytes, on_progress)
            return
        except StemlensError:
            crashed = process.returncode is not None and process.returncode < 0
            if not tries_left or not (crashed or b"not exported" in said.read_bytes()):
                raise
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def _follow(
    process: subprocess.Popen[bytes],
    heard: tuple[Path, Path],
    target: Path,
    expected_bytes: int,
    on_progress: Callable[[float], None],
) -> None:
    """Waits for the last word of an export; raises `bounce_failed`."""
    seen, changed = (-1, -1), time.monotonic()
    while True:
        ended = process.poll() is not None
        said, log = (path.read_bytes().decode("utf-8", "replace") for path in heard)
        words = said.split("\n")[:-1]  # complete lines
        if "exported" in words:
            return
        if ended or set(words) - {"loaded"}:
            raise _failed(words, log, process.returncode)
        written = target.stat().st_size if target.exists() else 0
        on_progress(min(1.0, written / expected_bytes))
        if (len(log), written) != seen:
            seen, changed = (len(log), written), time.monotonic()
        elif time.monotonic() - changed > SILENCE_LIMIT_S:
            raise StemlensError(
                "bounce_failed",
                f"Ardour has done nothing for {SILENCE_LIMIT_S:.0f} s while it bounced and was "
                "ended. Perhaps a plugin waits for an answer; try the session in Ardour itself.",
            )
        time.sleep(POLL_S)


def _failed(words: list[str], log: str, code: int | None) -> StemlensError:
    errors = [
        line for line in log.splitlines() if "[ERROR]" in line and "Ignored format" not in line
    ]
    reason = f" Ardour says: {errors[-1].split('[ERROR]:')[-1].strip()}." if errors else ""
    if "not loaded" in words:
        return StemlensError("bounce_failed", f"Ardour could not open the session.{reason}")
    if set(words) - {"loaded"}:
        return StemlensError("bounce_failed", f"Ardour could not bounce the session.{reason}")
    how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    return StemlensError(
        "bounce_failed",
        f"Ardour ended while it bounced ({how}).{reason} Perhaps a plugin crashed; try Session > "
        "Export in Ardour itself.",
    )


def user_config(program: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Where the user's settings for this Ardour lie, whether they are there or not."""
    version = "".join(letter for letter in Path(program).name if letter.isdigit()) or "7"
    if sys.platform == "darwin":
        home = Path.home() / "Library" / "Preferences"
        return home / f"Ardour{version}"
    base = environment.get("XDG_CONFIG_HOME") or environment.get("LOCALAPPDATA")
    home = Path(environment.get("HOME") or Path.home())
    return (Path(base) if base else home / ".config") / f"ardour{version}"


def _settings(program: str, config: Path) -> None:
    users = user_config(program)
    own = config / users.name
    (own / "export").mkdir(parents=True, exist_ok=True)
    for name in ("config", "plugin_metadata", "curated_plugin_order"):
        if (users / name).is_file():
            shutil.copy2(users / name, own / name)
        elif (users / name).is_dir():
            shutil.copytree(users / name, own / name, dirs_exist_ok=True)
    if (own / "config").is_file():  # no control surface takes this Ardour for the user's
        text = (own / "config").read_text(encoding="utf-8", errors="surrogateescape")
        text = re.sub(r'(<Protocol\b[^>]*\bactive=)"1"', r'\1"0"', text)
        (own / "config").write_text(text, encoding="utf-8", errors="surrogateescape")
    (own / "export" / "stemlens.format").write_text(FORMAT, encoding="utf-8")
    (own / "export" / "stemlens.preset").write_text(PRESET, encoding="utf-8")
