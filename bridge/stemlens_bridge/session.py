"""Session and Stem: what a DAW side hands over for one analysis, checked, before audio is read.

A session's stems are a cut of the routing: every path to the master passes exactly one of them, so
that they add up to the mix. On disk a session is a folder of stems, a list of files, or a folder
with a `session.json`.

`session.json` (schema `stemlens.session/1`, documented in `docs/session.md`) is what a DAW script
writes beside its bounces. Its facts are data here (`SESSION_KEYS`, `STEM_KEYS`): from them it is
checked, and every complaint names the file, the place in it and what is allowed there.

Nothing is opened here but `session.json` itself; audio is the server's business.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stemlens_bridge import jsontext
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.jsontext import is_number
from stemlens_bridge.protocol import KINDS, MAX_GAIN_DB, MAX_TEXT, MAX_TIME_S, Options
from stemlens_bridge.stemfolder import AUDIO_ENDINGS, audio_files, sorted_out, stem_ids
from stemlens_bridge.tempo import TempoMap

SCHEMA = "stemlens.session/1"
FILE_NAME = "session.json"

# key: (JSON type in words, whether it must be there, what it means)
SESSION_KEYS: dict[str, tuple[str, bool, str]] = {
    "schema": ("text", False, f'"{SCHEMA}"'),
    "project": ("text", False, "the project's name; the folder's name without it"),
    "daw": ("text", False, "the program that wrote the session"),
    "tempo": (
        "tempo",
        False,
        'beats per minute, or a list of changes `{"start_s", "bpm", "numerator", "denominator"}` '
        "in the order of time; bpm counts quarter notes",
    ),
    "start_s": ("number", False, "where the bounce starts in project time, seconds"),
    "stems": ("list", True, "the stems; none for a mix that is to be separated"),
    "mix": ("text", False, "the bounce of the master; relative to this file"),
    "mix_bypassed": (
        "flag",
        False,
        "the master's effects were off, so the stems must add up to it",
    ),
}
STEM_KEYS: dict[str, tuple[str, bool, str]] = {
    "path": ("text", True, "the audio file; relative to session.json"),
    "id": ("text", False, "the DAW's id of the track; the file's name without it"),
    "name": ("text", False, "the track's name; the id without it"),
    "gain_db": ("number", False, "gain still to be applied to the file, dB (0 if post-fader)"),
    "kind": ("text", False, f"one of {', '.join(KINDS)}; track without it"),
    "group": ("text", False, "the folder or bus that the track belongs to"),
    "fader_db": ("number", False, "the track's fader at the bounce, dB"),
    "pan": ("number", False, "the track's pan at the bounce, −1 (left) to 1 (right)"),
    "sidechains": ("list of texts", False, "ids of stems whose effects listen to this one"),
    "feeds": ("list of texts", False, "ids of returns that this stem feeds by sends"),
    "inside": ("list of texts", False, "ids of the tracks that are part of this bus"),
    "separator": ("text", False, "the model that made this stem out of a mix"),
    "trust": ("number", False, "how far a separated stem may be believed, 0 to 1"),
    "doubt": ("text", False, "why it may be believed no further"),
}


@dataclass(frozen=True, slots=True)
class Stem:
    """One stem: the DAW's id and name of its track, its file, and what else the DAW knows."""

    id: str
    name: str
    path: Path
    gain_db: float = 0.0
    kind: str = "track"
    group: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for text in (self.id, self.name, self.group or ""):
            require_text(text, MAX_TEXT)
        require_text(str(self.path))
        if not abs(self.gain_db) <= MAX_GAIN_DB:
            raise StemlensError(
                "session_invalid",
                f"The stem {self.name!r} has a gain of {self.gain_db:g} dB; up to "
                f"{MAX_GAIN_DB:g} dB either way make sense.",
            )

    @property
    def told_facts(self) -> dict[str, Any]:
        """What a DAW knows of it beside id, name, file and gain, as messages and files have it."""
        return {"kind": self.kind, "group": self.group, **self.facts}


@dataclass(frozen=True, slots=True)
class Session:
    """One session as files: its stems, perhaps a mix, and facts of the project.

    Without stems it is a mix that is to be separated.
    """

    project: str
    daw: str
    stems: tuple[Stem, ...]
    mix: Path | None = None
    start_s: float = 0.0
    tempo: TempoMap | None = None
    mix_bypassed: bool = False

    def __post_init__(self) -> None:
        for text in (self.project, self.daw):
            require_text(text, MAX_TEXT)
        if not abs(self.start_s) <= MAX_TIME_S:
            raise StemlensError("session_invalid", f"start_s is {self.start_s:g} s.")
        if not self.stems and self.mix is None:
            raise StemlensError(
                "session_invalid", f"The session {self.project} has no stems and no mix."
            )
        seen: set[str] = set()
        for stem in self.stems:
            if stem.id in seen:
                raise StemlensError(
                    "session_invalid",
                    f"The session {self.project} has two stems with the id {stem.id!r}; "
                    "give each its own.",
                )
            seen.add(stem.id)

    @classmethod
    def read(
        cls, *places: str | os.PathLike[str], mix: str | os.PathLike[str] | None = None
    ) -> Session:
        """The session at the given places: one folder, one `session.json`, or audio files.

        A folder that holds a `session.json` is read by that; otherwise its audio files are the
        stems (see `stemfolder`). `mix` takes the place of a mix that was found; alone, and where
        a folder holds nothing else, it is to be separated. Raises `session_invalid`,
        `audio_missing` or `audio_unreadable`.
        """
        if not places and mix is not None:
            path = Path(mix).absolute()
            return cls(project=path.stem, daw="files", stems=(), mix=path)
        session = _read([Path(place).absolute() for place in places])
        return session if mix is None else replace(session, mix=Path(mix).absolute())

    @property
    def source(self) -> str:
        """multitrack, or separated where all stems were made out of a mix."""
        made = self.stems and all("separator" in stem.facts for stem in self.stems)
        return "separated" if made else "multitrack"

    def options(self, options: Options) -> Options:
        """`options` with the facts that the session itself knows: its start, its tempo, its mix."""
        return replace(
            options,
            start_s=self.start_s or options.start_s,
            tempo=options.tempo if self.tempo is None else self.tempo,
            mix_bypassed=self.mix_bypassed or options.mix_bypassed,
        )

    def write(self, path: Path, *, beside: bool = False) -> None:
        """Writes the session as a `session.json` that reads back as itself, with absolute paths.

        `beside`: stems that lie beside the file are named without their folder, so that the folder
        may move. Raises `output_failed`.
        """

        def place(file: Path) -> str:
            return file.name if beside and file.parent == path.parent else str(file.absolute())

        stems = [
            {
                "path": place(stem.path),
                "id": stem.id,
                "name": stem.name,
                "gain_db": stem.gain_db,
                **stem.told_facts,
            }
            for stem in self.stems
        ]
        given = {
            "schema": SCHEMA,
            "project": self.project,
            "daw": self.daw,
            "tempo": None if self.tempo is None else self.tempo.to_plain(),
            "start_s": self.start_s,
            "mix": None if self.mix is None else str(self.mix.absolute()),
            "mix_bypassed": self.mix_bypassed,
            "stems": stems,
        }
        jsontext.write(path, given)


def _read(places: Sequence[Path]) -> Session:
    if not places:
        raise StemlensError("session_invalid", "No stems and no mix were given.")
    # os.path takes what may not be looked at for no folder, where Path raises
    whole = [p for p in places if os.path.isdir(p) or p.suffix.lower() == ".json"]
    if not whole:
        return from_files(places)
    if len(places) > 1:
        raise StemlensError(
            "session_invalid",
            f"{whole[0]} is a whole session; give one session at a time, or only audio files.",
        )
    if not os.path.isdir(whole[0]):
        return from_json(whole[0])
    described = whole[0] / FILE_NAME
    return from_json(described) if os.path.isfile(described) else from_folder(whole[0])


def from_files(files: Sequence[Path]) -> Session:
    """A session whose stems are the given audio files."""
    stems = tuple(
        Stem(id=own, name=own, path=path) for own, path in zip(stem_ids(files), files, strict=True)
    )
    return Session(project=files[0].parent.name, daw="files", stems=stems)


def from_folder(folder: Path) -> Session:
    """A session whose stems are the audio files in a folder."""
    files = audio_files(folder)
    if not files:
        raise StemlensError(
            "session_invalid",
            f"The folder {folder} has no audio files. Export the tracks as separate files "
            f"({', '.join(ending[1:] for ending in AUDIO_ENDINGS)}) into it.",
        )
    export = sorted_out(files)
    stems = tuple(
        Stem(id=own, name=name, path=path)
        for own, name, path in zip(stem_ids(export.stems), export.names, export.stems, strict=True)
    )
    return Session(project=folder.name, daw="files", stems=stems, mix=export.mix)


def from_json(path: Path) -> Session:
    """The session that a `session.json` describes."""
    try:
        given = jsontext.read(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise StemlensError("audio_missing", f"There is no file {path}.") from error
    except OSError as error:
        raise StemlensError("audio_unreadable", f"{path} cannot be read: {error}.") from error
    except ValueError as error:
        raise StemlensError("session_invalid", f"{path} is not JSON: {error}.") from error
    _check(given, SESSION_KEYS, str(path), "the session")
    if given.get("schema", SCHEMA) != SCHEMA:
        raise StemlensError(
            "session_invalid",
            f"{path} has the schema {given['schema']!r}; this Stemlens reads {SCHEMA!r}.",
        )
    folder = path.absolute().parent
    stems = tuple(
        _stem(item, folder, f"{path}", f"stem {number}")
        for number, item in enumerate(given["stems"], 1)
    )
    return Session(
        project=given.get("project") or folder.name,
        daw=given.get("daw") or "unknown",
        stems=stems,
        mix=folder / given["mix"] if given.get("mix") else None,
        start_s=float(given.get("start_s") or 0.0),
        tempo=TempoMap.from_plain(given.get("tempo")),
        mix_bypassed=bool(given.get("mix_bypassed")),
    )


def require_text(text: str, longest: int = 4096) -> None:
    """Raises `session_invalid` for text that cannot be sent and written: one that is too long, has
    a NUL in it or no UTF-8 form (a file name in another encoding)."""
    plain = text.encode("utf-8", "replace").decode()
    if len(text) > longest:
        raise StemlensError(
            "session_invalid", f"{plain[:40]!r}… has {len(text)} characters, more than {longest}."
        )
    if plain != text or "\x00" in text:
        raise StemlensError(
            "session_invalid", f"{plain!r} has characters that are no text; rename it."
        )


def stem_facts(facts: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Checks what a DAW says of a stem beside its file: the keys of `STEM_KEYS` from `kind` on.

    Raises `session_invalid`, with `where` in the sentence.
    """
    allowed = {
        key: spec for key, spec in STEM_KEYS.items() if key not in ("path", "id", "name", "gain_db")
    }
    _check(facts, allowed, where, "the stem's facts")
    if facts.get("kind") not in (None, *KINDS):
        raise StemlensError(
            "session_invalid",
            f"{where}: kind is {facts['kind']!r}; it must be one of {', '.join(KINDS)}.",
        )
    return dict(facts)


def _stem(item: Any, folder: Path, where: str, what: str) -> Stem:
    _check(item, STEM_KEYS, where, what)
    own = item.get("id") or Path(item["path"]).stem
    facts = {key: item[key] for key in item if key not in ("path", "id", "name", "gain_db")}
    facts = stem_facts({k: v for k, v in facts.items() if v is not None}, f"{where}, {what}")
    return Stem(
        id=own,
        name=item.get("name") or own,
        path=folder / item["path"],
        gain_db=float(item.get("gain_db") or 0.0),
        kind=facts.pop("kind", "track"),
        group=facts.pop("group", None),
        facts=facts,
    )


def _check(given: Any, allowed: Mapping[str, tuple[str, bool, str]], where: str, what: str) -> None:
    def complain(why: str) -> StemlensError:
        return StemlensError("session_invalid", f"{where}: {what} {why}.")

    if not isinstance(given, dict):
        raise complain("must be a JSON object")
    for key, value in given.items():
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(allowed)}"
            raise complain(f"has the unknown key {key!r}; {hint}")
        kind, needed, _ = allowed[key]
        if value is None and not needed:
            continue
        if not _FITS[kind](value):
            raise complain(f"has {key} = {value!r}; it must be a {kind}")
    for key, (_, needed, meaning) in allowed.items():
        if needed and key not in given:
            raise complain(f"lacks {key!r} ({meaning})")


def _is_tempo(value: Any) -> bool:
    try:
        return TempoMap.from_plain(value) is not None
    except ValueError:
        return False


_FITS: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str) and value != "",
    "number": is_number,
    "flag": lambda value: isinstance(value, bool),
    "tempo": lambda value: _is_tempo(value),
    "list": lambda value: isinstance(value, list),
    "list of texts": lambda value: (
        isinstance(value, list) and all(isinstance(item, str) for item in value)
    ),
}
