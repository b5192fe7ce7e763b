"""Every OSC message between a DAW side and the server, and the options of a job: OSC version 1.

Each message is an immutable dataclass whose fields, in order, are its OSC arguments: `str` is `s`,
`int` is `i`, `float` is `f`. Fields with a default may be left out by the sender; a field that is
a tuple takes all arguments that remain, one by one or as groups of a nested dataclass.
`encode` and `decode`, their checks and the page `docs/osc.md` are derived from these classes; there
is no other list of messages.

Decoding is lenient about number types, since many OSC programs have only one: whole floats pass as
integers, integers as floats. Extra arguments are ignored. Anything else raises `bad_message`.

Times are seconds of project time, levels dB, scores and shares 0 to 1.
"""

from __future__ import annotations

import difflib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Self, get_args, get_origin, get_type_hints

from stemlens_bridge import jsontext, osc
from stemlens_bridge.annotations import AnnotationPolicy
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.jsontext import is_number
from stemlens_bridge.keys import MAX_SEAL_BYTES
from stemlens_bridge.tempo import TempoMap

VERSION = 1
PORT = 9420
MAX_JOB_ID = 64
MAX_TEXT = 512  # characters of a name or a track's id
MAX_GAIN_DB = 200.0
MAX_TIME_S = 1e7  # four months; float32 on the wire then still tells seconds
BURST, PAUSE_S = 64, 0.02  # over UDP at most so many datagrams, then such a pause
STATES = ("open", "queued", "running", "done", "failed", "cancelled")
TAKEN_OVER = "another client has opened one"  # why a live mix was closed
FINAL_STATES = ("done", "failed", "cancelled")
UNKNOWN = -1000.0  # for a mute or solo effect that is not measured yet
KINDS = ("track", "bus", "return", "rest")
VALUES = ("shapley", "banzhaf", "owen", "lime", "mute", "solo")
MASTERS = ("auto", "off", "curve", "rest")
UNITS = ("points", "log-odds")
SEPARATIONS = ("auto", "off", "rest")
EFFECTS = ("decibel", "mute", "share")
MAX_PARTS = 100
LEAST_HOP_S = 0.25
VERDICTS = ("heard", "weak", "not heard")
SOUNDS = ("only", "without", "crossfade")  # that explain a tag
SPANS = ("passage", "whole")

# A stem's share takes up to 100 bytes or so; results are split so that a datagram stays below the
# usual Ethernet frame and is never fragmented.
MAX_RESULT_BYTES = 1_400 - MAX_SEAL_BYTES

LETTERS = {str: "s", int: "i", float: "f"}
_HINTS: dict[type[Any], dict[str, Any]] = {}
TO_SERVER: dict[str, type[Message]] = {}
TO_CLIENT: dict[str, type[Message]] = {}


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the protocol; `address` is its OSC address."""

    address: ClassVar[str]

    def encode(self) -> bytes:
        """This message as an OSC packet."""
        types, arguments = _flatten(self)
        return osc.encode(self.address, types, arguments)

    @classmethod
    def from_arguments(cls, arguments: list[osc.Argument]) -> Self:
        """The message with these arguments; raises `bad_message` where they do not fit."""
        message: Self = _unflatten(cls, arguments, cls.address)
        return message


def decode(message: bytes) -> Message:
    """The message in one OSC message (not a bundle: see `osc.messages`).

    Raises `bad_message` or `unknown_address`.
    """
    address, arguments = osc.decode(message)
    kind = TO_SERVER.get(address) or TO_CLIENT.get(address)
    if kind is None:
        near = difflib.get_close_matches(address, [*TO_SERVER, *TO_CLIENT], n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise StemlensError("unknown_address", f"There is no message {address[:80]}{hint}")
    return kind.from_arguments(arguments)


def _hints(cls: type[Any]) -> dict[str, Any]:
    if cls not in _HINTS:
        _HINTS[cls] = get_type_hints(cls)
    return _HINTS[cls]


def _flatten(item: Any) -> tuple[str, list[osc.Argument]]:
    types, arguments = "", []
    hints = _hints(type(item))
    for spec in fields(item):
        value = getattr(item, spec.name)
        if get_origin(hints[spec.name]) is not tuple:
            types += LETTERS[hints[spec.name]]
            arguments.append(value)
            continue
        member = get_args(hints[spec.name])[0]
        for element in value:
            if member in LETTERS:
                types += LETTERS[member]
                arguments.append(element)
            else:
                inner_types, inner = _flatten(element)
                types += inner_types
                arguments += inner
    return types, arguments


def _unflatten(cls: type[Any], arguments: list[osc.Argument], address: str) -> Any:
    values: dict[str, Any] = {}
    position = 0
    hints = _hints(cls)
    for spec in fields(cls):
        hint = hints[spec.name]
        if get_origin(hint) is tuple:
            values[spec.name] = _group(get_args(hint)[0], arguments[position:], address, spec)
            position = len(arguments)
        elif position < len(arguments):
            values[spec.name] = _checked(hint, arguments[position], address, spec.name)
            position += 1
        elif spec.default is MISSING:
            raise osc.bad_message(f"{address} lacks the argument {spec.name}")
    return cls(**values)


def _group(
    member: type[Any], arguments: list[osc.Argument], address: str, spec: Field[Any]
) -> tuple[Any, ...]:
    if member in LETTERS:
        return tuple(_checked(member, argument, address, spec.name) for argument in arguments)
    size = len(fields(member))
    if len(arguments) % size:
        raise osc.bad_message(f"{address} has an incomplete group in {spec.name}")
    return tuple(
        _unflatten(member, arguments[start : start + size], address)
        for start in range(0, len(arguments), size)
    )


def _checked(kind: type[Any], argument: osc.Argument, address: str, name: str) -> Any:
    if kind is str:
        if isinstance(argument, str):
            return argument
    elif isinstance(argument, int | float) and math.isfinite(argument):
        if kind is float:
            return float(argument)
        if argument == int(argument) and -(2**31) <= argument < 2**31:
            return int(argument)
    expected = {str: "a text", int: "a whole number", float: "a finite number"}[kind]
    raise osc.bad_message(f"the argument {name} of {address} must be {expected}")


def _register(table: dict[str, type[Message]], address: str) -> Any:
    def decorate(cls: type[Message]) -> type[Message]:
        cls.address = address
        table[address] = cls
        return cls

    return decorate


def _to_server(address: str) -> Any:
    return _register(TO_SERVER, address)


def _to_client(address: str) -> Any:
    return _register(TO_CLIENT, address)


# ---------------------------------------------------------------------------- client → server


@_to_server("/stemlens/ping")
@dataclass(frozen=True, slots=True)
class Ping(Message):
    """Is a server there? Answered by `/stemlens/pong`."""

    reply_port: int = 0


@_to_server("/stemlens/health")
@dataclass(frozen=True, slots=True)
class Health(Message):
    """How is the server? Answered by `/stemlens/healthy`."""

    reply_port: int = 0


@_to_server("/stemlens/job/open")
@dataclass(frozen=True, slots=True)
class JobOpen(Message):
    """Begins a job under an id that the client chooses (up to 64 characters).

    `options` is JSON of `Options`. With `reply_port` 0 answers and results go to the sender's own
    port, else to that port on the sender's host. Sent again it changes nothing but that.
    """

    job: str
    daw: str
    project: str
    reply_port: int
    options: str = "{}"


@_to_server("/stemlens/job/stem")
@dataclass(frozen=True, slots=True)
class JobStem(Message):
    """One stem: the DAW's id of its track, its name, and its file on the server's machine.

    `gain_db` is gain still to be applied to the file (0 for post-fader stems); `facts` is JSON of
    what else the DAW knows (kind, group, fader_db, sidechains, pan).
    """

    job: str
    track: str
    name: str
    path: str
    gain_db: float = 0.0
    facts: str = "{}"


@_to_server("/stemlens/job/mix")
@dataclass(frozen=True, slots=True)
class JobMix(Message):
    """The bounce of the master, if there is one."""

    job: str
    path: str


@_to_server("/stemlens/job/submit")
@dataclass(frozen=True, slots=True)
class JobSubmit(Message):
    """Everything was sent: that many stems (and mixes). From now on the job's content is fixed."""

    job: str
    stems: int
    mix: int = 0


@_to_server("/stemlens/job/status")
@dataclass(frozen=True, slots=True)
class JobStatus(Message):
    """Asks for the job's state."""

    job: str


@_to_server("/stemlens/job/cancel")
@dataclass(frozen=True, slots=True)
class JobCancel(Message):
    """Stops a job, whether it waits or runs."""

    job: str


@_to_server("/stemlens/job/first")
@dataclass(frozen=True, slots=True)
class JobFirst(Message):
    """Puts a job that waits before all others, because someone looks at it. Answered by its state.

    Otherwise jobs that were submitted are done before those of watched folders. What runs already
    is not interrupted.
    """

    job: str


@_to_server("/stemlens/job/results")
@dataclass(frozen=True, slots=True)
class JobResults(Message):
    """Asks for all results once more, or only for some messages of one revision, by their seq."""

    job: str
    revision: int = 0
    seqs: tuple[int, ...] = ()


@_to_server("/stemlens/subscribe")
@dataclass(frozen=True, slots=True)
class Subscribe(Message):
    """Asks for states and results of every job; to be renewed each 60 s."""

    reply_port: int


@_to_server("/stemlens/live/open")
@dataclass(frozen=True, slots=True)
class LiveOpen(Message):
    """Opens a live mix: from now on fader moves of a job are answered with the tags of the mix.

    The job must have been submitted and may still run. 12 s of it are listened to: from `start_s`
    in project time where that lies in the session, else those whose tags are most like the whole
    session's. There is one live mix at a time: who opens one takes over from whoever had one.
    Answered by `/stemlens/live/opened`; sent again by the same client it changes nothing, and is
    also answered by the last `/stemlens/live/done`.
    """

    job: str
    reply_port: int = 0
    start_s: float = -MAX_TIME_S


@_to_server("/stemlens/live/gain")
@dataclass(frozen=True, slots=True)
class LiveGain(Message):
    """A fader was moved: by so many dB from where it was at the bounce.

    `job` may be "" for the one that is open, `track` the track's id, or its name where only one
    stem has it. `seq` numbers a client's moves, from 1 upwards; a move that comes later than a
    newer one of the same fader changes nothing. With 0 it counts as newer than all before. The
    answer carries the newest seq; what was under way for older ones is dropped.
    """

    job: str
    track: str
    db: float
    seq: int = 0


@_to_server("/stemlens/live/mute")
@dataclass(frozen=True, slots=True)
class LiveMute(Message):
    """A track was muted (1) or is heard again (0); else as `/stemlens/live/gain`."""

    job: str
    track: str
    muted: int
    seq: int = 0


@dataclass(frozen=True, slots=True)
class LiveTrack:
    """Where a track's fader stands, in dB from where it was at the bounce, and its mute, 0 or 1."""

    track: str
    db: float
    muted: int


@_to_server("/stemlens/live/state")
@dataclass(frozen=True, slots=True)
class LiveState(Message):
    """The whole mixer at once; tracks that are not named are as they were at the bounce.

    Over UDP this is the safer way: a move that is lost is made up for by the next state, whichever
    fader it was.
    """

    job: str
    seq: int
    tracks: tuple[LiveTrack, ...] = ()


@_to_server("/stemlens/live/close")
@dataclass(frozen=True, slots=True)
class LiveClose(Message):
    """Ends the live mix. Answered by `/stemlens/live/closed`."""

    job: str


@_to_server("/stemlens/try")
@dataclass(frozen=True, slots=True)
class Try(Message):
    """Tries edits of stems of an analysed job: renders them, hears the mix with them, and says what
    they change.

    `request` is an id that the client chooses (up to 64 characters); the same again is answered
    with what is known of it, so that what was lost is simply asked for again. `edits` is a JSON
    list of objects `stem` (a track's id, or its name), `preset`, `amount` and `parameters`; several
    are played together. `options` is JSON of `TryOptions`. Answered by `/stemlens/trial/…`
    messages, at the sender or at `reply_port` of its host.
    """

    job: str
    request: str
    edits: str
    options: str = "{}"
    reply_port: int = 0


@_to_server("/stemlens/suggest")
@dataclass(frozen=True, slots=True)
class Suggest(Message):
    """Looks for edits that bring a job's mix nearer to a goal: "+metal =happy", or a goal's name.

    `options` is JSON of `SuggestOptions`; the rest is as in `/stemlens/try`. Each suggestion is a
    trial, the best first; there may be none.
    """

    job: str
    request: str
    goal: str
    options: str = "{}"
    reply_port: int = 0


@_to_server("/stemlens/explain")
@dataclass(frozen=True, slots=True)
class Explain(Message):
    """Makes audible what makes a job's mix sound like a tag: what the tagger heard.

    The job must be done. `request` is an id that the client chooses (up to 64 characters), as in
    `/stemlens/try`. `options` is JSON of `ExplainOptions`. Answered by `/stemlens/trial/progress`,
    then by `/stemlens/explanation` for each sound, `/stemlens/explanation/tracks`, and
    `/stemlens/trial/done`, or by `/stemlens/trial/failed`.
    """

    job: str
    request: str
    tag: str
    options: str = "{}"
    reply_port: int = 0


@_to_server("/stemlens/trial/cancel")
@dataclass(frozen=True, slots=True)
class TrialCancel(Message):
    """Gives a request up. Answered by `/stemlens/trial/failed` with the code `cancelled`."""

    job: str
    request: str


@_to_server("/stemlens/verify")
@dataclass(frozen=True, slots=True)
class Verify(Message):
    """Did a promise hold? Compares what a trial promised with what a new bounce scores.

    `job` is the analysis of the new bounce, `before` the job on which `request` was tried, `rank`
    that of the trial that was carried out. Submit the new bounce with the option `same_level_as`
    set to `before`, so that both are heard at the same level. Answered by
    `/stemlens/trial/verified`.
    """

    job: str
    before: str
    request: str
    rank: int = 0
    reply_port: int = 0


# ---------------------------------------------------------------------------- server → client


@_to_client("/stemlens/pong")
@dataclass(frozen=True, slots=True)
class Pong(Message):
    """The server's version and the version of this protocol."""

    version: str
    protocol: int


@_to_client("/stemlens/healthy")
@dataclass(frozen=True, slots=True)
class Healthy(Message):
    """How the server is, as a JSON object: `version`, `uptime_s`, `worker` ("starting", "ready",
    "busy"), `running` (null, or the job with its `stage`, `fraction`, `since_s` and `left_s`),
    `jobs` (how many are in each state), `panel` (its URL, or null), `key` (the file with the key
    for other machines, or null), `free_gb` (of the disk with its data), `data` and `log`
    (its file, or null)."""

    report: str


@_to_client("/stemlens/job/state")
@dataclass(frozen=True, slots=True)
class JobState(Message):
    """A job's state and how many of its stems have arrived: acknowledges open, stem, mix, submit.

    The states are open, queued, running, done, failed, cancelled.
    """

    job: str
    state: str
    stems: int


@_to_client("/stemlens/job/progress")
@dataclass(frozen=True, slots=True)
class JobProgress(Message):
    """At least once a second while a job runs.

    `left_s` is how long the stage will still take, as far as its pace tells; −1: not known.
    """

    job: str
    stage: str
    fraction: float
    left_s: float = -1.0


@_to_client("/stemlens/tag")
@dataclass(frozen=True, slots=True)
class TagScore(Message):
    """The score of a tag for the sum of the stems, best first.

    `baseline` is the score of silence; `mix_score` that of the mix, −1 without one.
    """

    job: str
    revision: int
    seq: int
    tag: str
    score: float
    baseline: float
    mix_score: float


@dataclass(frozen=True, slots=True)
class Share:
    """A stem's share of a tag with its interval, and what muting or soloing the stem does (−1000:
    not measured yet)."""

    track: str
    value: float
    low: float
    high: float
    mute: float
    solo: float


@_to_client("/stemlens/attributions")
@dataclass(frozen=True, slots=True)
class Attributions(Message):
    """The shares of a tag; several messages for a tag where they would not fit one datagram."""

    job: str
    revision: int
    seq: int
    tag: str
    shares: tuple[Share, ...] = ()


@_to_client("/stemlens/annotation")
@dataclass(frozen=True, slots=True)
class Annotation(Message):
    """What to write on a track, and its colour as `#RRGGBB`.

    `label` is the strongest of it in a few plain characters ("rock 21 of 63 points"), for DAWs that
    can show no more than a name.
    """

    job: str
    revision: int
    seq: int
    track: str
    text: str
    color: str
    label: str = ""


@_to_client("/stemlens/marker")
@dataclass(frozen=True, slots=True)
class Marker(Message):
    """A named span of project time that belongs to a track, or to none: then `track` is empty."""

    job: str
    revision: int
    seq: int
    track: str
    start_s: float
    end_s: float
    text: str


@_to_client("/stemlens/verdict")
@dataclass(frozen=True, slots=True)
class Verdict(Message):
    """Whether the mix is heard as one of the tags that were intended: `verdict` is "heard", "weak"
    or "not heard", `sentence` says it in words, with what speaks for it and against it."""

    job: str
    revision: int
    seq: int
    tag: str
    verdict: str
    score: float
    sentence: str


@_to_client("/stemlens/warning")
@dataclass(frozen=True, slots=True)
class Warning_(Message):
    """Something the user should know before trusting the result."""

    job: str
    code: str
    message: str


@_to_client("/stemlens/job/revision")
@dataclass(frozen=True, slots=True)
class JobRevision(Message):
    """Ends a revision that is not the last: its seq ran from 1 to `messages`."""

    job: str
    revision: int
    messages: int


@_to_client("/stemlens/job/done")
@dataclass(frozen=True, slots=True)
class JobDone(Message):
    """Ends the last revision; `path` is the JSON result on the server's machine."""

    job: str
    revision: int
    path: str
    messages: int


@_to_client("/stemlens/live/progress")
@dataclass(frozen=True, slots=True)
class LiveProgress(Message):
    """While a live mix is being opened."""

    job: str
    stage: str
    fraction: float


@_to_client("/stemlens/live/opened")
@dataclass(frozen=True, slots=True)
class LiveOpened(Message):
    """A live mix is open and listens from `start_s` to `end_s` of project time.

    The tags at the bounce follow under seq 0.
    """

    job: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class LiveScore:
    """The score of a tag."""

    tag: str
    score: float


@_to_client("/stemlens/live/tags")
@dataclass(frozen=True, slots=True)
class LiveTags(Message):
    """The scores of all tags for the mix as it is after the move `seq`, best first.

    Several messages where they would not fit one datagram.
    """

    job: str
    seq: int
    tags: tuple[LiveScore, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveEffect:
    """What a track does to a tag, with its interval."""

    track: str
    value: float
    low: float
    high: float


@_to_client("/stemlens/live/effects")
@dataclass(frozen=True, slots=True)
class LiveEffects(Message):
    """What each track that sounds does to one of the best tags in the mix after the move `seq`.

    By `kind`: "decibel", what one dB up on its fader would do; "mute", what muting it would do;
    "share", its share (Shapley value), sent again each time that it is known better. Several
    messages where they would not fit one datagram.
    """

    job: str
    seq: int
    kind: str
    tag: str
    effects: tuple[LiveEffect, ...] = ()


@_to_client("/stemlens/live/done")
@dataclass(frozen=True, slots=True)
class LiveDone(Message):
    """All answers to the move `seq` were sent, so many messages in all before this one."""

    job: str
    seq: int
    messages: int


@_to_client("/stemlens/live/closed")
@dataclass(frozen=True, slots=True)
class LiveClosed(Message):
    """The live mix is no longer open, and why; to be opened again when a fader is moved."""

    job: str
    why: str


@_to_client("/stemlens/trial/progress")
@dataclass(frozen=True, slots=True)
class TrialProgress(Message):
    """At least once a second while a request is at work; the first acknowledges it."""

    job: str
    request: str
    stage: str
    fraction: float


@_to_client("/stemlens/trial")
@dataclass(frozen=True, slots=True)
class Trial(Message):
    """What was tried: one of the trials of a request.

    `rank` counts suggestions from 1, best first; what was asked for by `/stemlens/try` has 0.
    `edits` says how many stems it edits. `words` says what to do in the DAW's own terms, `sentence`
    what it does to the tags. `loudness_db` and `spectrum_db` are how much louder the mix is with it
    and how far its spectrum moves; `audible` puts that in words. `heard` is 0 where the tagger
    cannot hear an edit by its nature. `verify` is 1 where only a new bounce can tell: an edited
    stem keys a sidechain or feeds another track. `gain` with `low` and `high` is how much nearer it
    comes to the goal, in scores, with its 95 % interval (0 without a goal). The mix before and
    after lies in `before_path` and `after_path` on the server's machine, at the same loudness (""
    where nothing was rendered).
    """

    job: str
    request: str
    seq: int
    rank: int
    edits: int
    words: str
    sentence: str
    loudness_db: float
    spectrum_db: float
    audible: str
    heard: int
    verify: int
    gain: float
    low: float
    high: float
    before_path: str
    after_path: str


@_to_client("/stemlens/trial/edit")
@dataclass(frozen=True, slots=True)
class TrialEdit(Message):
    """One edited stem of a trial.

    `loudness_db` is the gain at the end that makes the stem as loud as it was (0 where its loudness
    is the point). `actions` is a JSON list of what a DAW can do itself to get exactly this (see
    docs/edits.md): objects with `do` "level" (`db`), "eq" (`bands` with `shape`, `hz`, `db`, `q`),
    or "take": play the rendered file instead. `path` is the rendered stem, which starts where the
    stem does, "" where none was rendered. `verify` says why only a new bounce can tell, or "".
    """

    job: str
    request: str
    seq: int
    rank: int
    track: str
    preset: str
    amount: float
    words: str
    loudness_db: float
    actions: str
    path: str
    verify: str


@_to_client("/stemlens/trial/tag")
@dataclass(frozen=True, slots=True)
class TrialTag(Message):
    """What a trial does to a tag: its score before and after, and the change with its 95 %
    interval over the segments of the session.

    Those of the goal come first, then what moves most. Where the session is too short for an
    interval, `low` is −1 and `high` 1.
    """

    job: str
    request: str
    seq: int
    rank: int
    tag: str
    before: float
    after: float
    change: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ChangedShare:
    """A stem's share before and after, and the interval of what it is after."""

    track: str
    before: float
    after: float
    low: float
    high: float


@_to_client("/stemlens/trial/shares")
@dataclass(frozen=True, slots=True)
class TrialShares(Message):
    """How a trial changes every stem's share of a tag, where that was asked for (`attributions`);
    several messages for a tag where they would not fit one datagram."""

    job: str
    request: str
    seq: int
    rank: int
    tag: str
    shares: tuple[ChangedShare, ...] = ()


@_to_client("/stemlens/suggestion")
@dataclass(frozen=True, slots=True)
class Suggestion(Message):
    """The answer to `/stemlens/suggest` in one sentence, and how many trials follow from it (0:
    nothing that was tried helps). `tried` is how many edits were tried, `taggings` what it cost."""

    job: str
    request: str
    seq: int
    goal: str
    sentence: str
    trials: int
    tried: int
    taggings: int


@_to_client("/stemlens/explanation")
@dataclass(frozen=True, slots=True)
class Explanation(Message):
    """One sound that explains a tag.

    `kind` is "only" (the stems that make the tag, alone), "without" (the mix without them) or
    "crossfade" (from the one to the other); `span` is "passage" (where the tag is strongest) or
    "whole". It is to be heard from `start_s` to `end_s` of project time. `score` is what the tagger
    says of it in that span, −1 where that was not measured (a crossfade). `path` is the file on the
    server's machine; `sentence` says what it is. Which stems play, `/stemlens/explanation/tracks`
    tells.
    """

    job: str
    request: str
    seq: int
    tag: str
    kind: str
    span: str
    start_s: float
    end_s: float
    score: float
    path: str
    sentence: str


@_to_client("/stemlens/explanation/tracks")
@dataclass(frozen=True, slots=True)
class ExplanationTracks(Message):
    """Which stems play in the sounds of a kind, by their ids; several messages where they would not
    fit one datagram.

    `kind` is "only" or "without". A "crossfade" goes from the ones to the others.
    """

    job: str
    request: str
    seq: int
    tag: str
    kind: str
    tracks: tuple[str, ...] = ()


@_to_client("/stemlens/trial/done")
@dataclass(frozen=True, slots=True)
class TrialDone(Message):
    """Ends a request: its seq ran from 1 to `messages`; `path` is the JSON of it all on the
    server's machine (schema `stemlens.trials/1`, of an explanation `stemlens.explanation/1`)."""

    job: str
    request: str
    path: str
    messages: int


@_to_client("/stemlens/trial/failed")
@dataclass(frozen=True, slots=True)
class TrialFailed(Message):
    """A request came to nothing: an error code and a sentence that says what to do."""

    job: str
    request: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What was promised of a tag (its change, with interval) and what a new bounce really changed.

    `held` is 1 where the real change is within a point, or a quarter, of what was promised."""

    tag: str
    promised: float
    low: float
    high: float
    real: float
    held: int


@_to_client("/stemlens/trial/verified")
@dataclass(frozen=True, slots=True)
class Verified(Message):
    """Whether a promise held: the tags of the goal and those that were to move most; `sentence`
    says it in words."""

    job: str
    before: str
    request: str
    rank: int
    sentence: str
    tags: tuple[Kept, ...] = ()


@_to_client("/stemlens/error")
@dataclass(frozen=True, slots=True)
class Error(Message):
    """What went wrong, by a code of the list below and a sentence that says what to do."""

    job: str
    code: str
    message: str


# ---------------------------------------------------------------------------- options


@dataclass(frozen=True, slots=True)
class Options:
    """What a job, or an analysis without a server, can be asked for.

    tagger: a name of `stemlens models list`.
    value: what a share is: "shapley", "banzhaf", "owen" (by the groups of the stems), "lime"
        (audioLIME's regression, docs/values.md), or just the effect of "mute" or "solo".
    unit: what is shared out: "points" of the score, or its "log-odds", which do not saturate.
    budget: how many taggings may be spent; null: 16384. Shares that take more are estimated.
    time_s: for how many seconds may be tagged; what is known then is the result. null: no limit.
    precision: when estimates are good enough: half the width of the widest 95 % interval of the
        tags shown. null: 0.01 (one point) where the budget is too small for exact shares, else 0.
    seed: of the random choice of coalitions; the same seed gives the same estimates.
    parts: for "lime", into how many equal parts of time each stem is cut.
    features: for "lime", how many parts of stems may have a share at most; null: all of them.
    hop_s: how finely shares over time are told, from 0.25 s; null: once for each segment that the
        tagger listens to. A hop of a quarter of a segment takes four times as long, and budget,
        time_s and precision hold for each of the four passes over the session.
    intended: the tags as which the mix is meant to be heard, "rock, sad"; each gets a verdict.
    steady: also say how far scores and shares move when the session is a little higher or lower,
        faster or slower, louder or softer; that takes as long as several analyses.
    tags: how many of the best tags are shown and sent; all are in the result file.
    session_loudness: the loudness in LUFS to which the sum is brought, or "off".
    silence: below which power a stem counts as silent, in the tagger's unit; null: its default.
    master: what is done about the master bus: "off"; "curve": its gain over time is applied to all
        stems; "rest": what it adds plays as a stem; "auto": by how far the mix is from the stems.
    start_s: where the session starts in project time.
    tempo: beats per minute, or a list of tempo changes as in docs/session.md; kept in the result.
    mix_bypassed: the mix was bounced with the master's effects off, so the stems must add up to it.
    same_level_as: a job of the same session from before: all stems get the gain that they got
        there, so that both can be compared; null: by `session_loudness`.
    separator: what makes stems of a lone mix: a name of `stemlens models list`.
    separate: "auto": a session that is only a mix is separated; "rest": also what the mix has
        beyond the stems, each part of it as a stem; "off": neither.
    annotations: which shares become annotations and markers.
    """

    tagger: str = "msd-musicnn"
    value: str = "shapley"
    unit: str = "points"
    budget: int | None = None
    time_s: float | None = None
    precision: float | None = None
    seed: int = 0
    parts: int = 1
    features: int | None = None
    hop_s: float | None = None
    intended: str = ""
    steady: bool = False
    tags: int = 10
    session_loudness: float | str = -14.0
    silence: float | None = None
    master: str = "auto"
    start_s: float = 0.0
    tempo: TempoMap | None = None
    mix_bypassed: bool = False
    same_level_as: str | None = None
    separator: str = "htdemucs"
    separate: str = "auto"
    annotations: AnnotationPolicy = field(default_factory=AnnotationPolicy)

    def __post_init__(self) -> None:
        require_option(self.value in VALUES, "value", self.value, f"one of {', '.join(VALUES)}")
        require_option(self.unit in UNITS, "unit", self.unit, f"one of {', '.join(UNITS)}")
        require_option(_whole(self.budget), "budget", self.budget, "a whole number of 0 or more")
        require_option(_at_least_0(self.time_s), "time_s", self.time_s, "a time of 0 s or more")
        require_option(
            _at_least_0(self.precision), "precision", self.precision, "a score of 0 or more"
        )
        require_option(0 <= self.seed < 2**32, "seed", self.seed, "from 0 to 4294967295")
        most = MAX_PARTS if self.value == "lime" else 1
        allowed = f"from 1 to {most}" if most > 1 else "1 where the value is not lime"
        require_option(1 <= self.parts <= most, "parts", self.parts, allowed)
        require_option(
            self.features is None
            or (self.value == "lime" and _whole(self.features) and self.features > 0),
            "features",
            self.features,
            "a whole number above 0, with the value lime",
        )
        require_option(
            self.hop_s is None or (is_number(self.hop_s) and self.hop_s >= LEAST_HOP_S),
            "hop_s",
            self.hop_s,
            f"a time of {LEAST_HOP_S:g} s or more",
        )
        require_option(1 <= self.tags <= 1000, "tags", self.tags, "between 1 and 1000")
        require_option(
            self.session_loudness == "off"
            or (is_number(self.session_loudness) and -70 <= float(self.session_loudness) <= 0),
            "session_loudness",
            self.session_loudness,
            "a loudness from -70 to 0 LUFS, or 'off'",
        )
        require_option(_at_least_0(self.silence), "silence", self.silence, "a power of 0 or more")
        require_option(
            abs(self.start_s) <= MAX_TIME_S, "start_s", self.start_s, "a time in seconds"
        )
        require_option(
            self.master in MASTERS, "master", self.master, f"one of {', '.join(MASTERS)}"
        )
        require_option(
            self.same_level_as is None or isinstance(self.same_level_as, str),
            "same_level_as",
            self.same_level_as,
            "the id of a job",
        )
        require_option(self.separator != "", "separator", self.separator, "the name of a separator")
        separations = ", ".join(SEPARATIONS)
        require_option(
            self.separate in SEPARATIONS, "separate", self.separate, f"one of {separations}"
        )

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Options:
        """Options from JSON's dict; raises `bad_options` for unknown keys and impossible values."""
        values = dict(given)
        try:
            values["tempo"] = TempoMap.from_plain(values.get("tempo"))
        except ValueError as error:
            raise StemlensError("bad_options", f"The option tempo cannot be: {error}.") from error
        policy = values.pop("annotations", None)
        if policy is not None:
            values["annotations"] = policy_from(policy)
        options: Options = build_options(cls, values)
        return options

    @classmethod
    def from_json(cls, text: str) -> Options:
        """Options from their JSON form; raises `bad_options`."""
        return cls.from_dict(options_object(text))

    def to_dict(self) -> dict[str, Any]:
        """The options as JSON's dict, from which `from_dict` makes them again."""
        tempo = None if self.tempo is None else self.tempo.to_plain()
        return {**asdict(self), "tempo": tempo}

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), separators=(",", ":"))


def policy_from(given: Any) -> AnnotationPolicy:
    """An annotation policy from JSON's or TOML's dict; raises `bad_options`."""
    if isinstance(given, Mapping):
        given = {
            key: tuple(value) if isinstance(value, list) else value for key, value in given.items()
        }
    policy: AnnotationPolicy = build_options(AnnotationPolicy, given, "annotations.")
    return policy


def read_policy(path: Path) -> AnnotationPolicy:
    """An annotation policy from a TOML file; raises `bad_options` naming the file.

    The keys are those of `AnnotationPolicy`, at the top or in a table `[annotations]`.
    """
    try:
        with path.open("rb") as file:
            given = tomllib.load(file)
        return policy_from(given.get("annotations", given))
    except OSError as error:
        raise StemlensError("bad_options", f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise StemlensError("bad_options", f"{path} is not TOML: {error}.") from error
    except StemlensError as error:
        raise StemlensError("bad_options", f"{path}: {error}") from error


def require_option(good: bool, key: str, value: Any, allowed: str) -> None:
    """Raises `bad_options` for an option that is not `good`, saying what it must be."""
    if not good:
        raise StemlensError("bad_options", f"The option {key} is {value!r}; it must be {allowed}.")


def _at_least_0(value: float | None) -> bool:
    return value is None or (is_number(value) and value >= 0)


def _whole(value: int | None) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value is None or (whole and 0 <= value < 2**63)


def options_object(text: str) -> dict[str, Any]:
    """The object that options are, in JSON; raises `bad_options`."""
    try:
        given = jsontext.read(text or "{}")
    except ValueError as error:
        raise StemlensError("bad_options", f"The options are not JSON: {error}.") from error
    if not isinstance(given, dict):
        raise StemlensError("bad_options", "The options must be a JSON object.")
    return given


def build_options(cls: type[Any], given: Any, prefix: str = "") -> Any:
    """An options dataclass from JSON's dict; raises `bad_options` naming `prefix` and the key."""
    if not isinstance(given, Mapping):
        raise StemlensError("bad_options", f"The option {prefix.rstrip('.')} must be an object.")
    defaults = cls()
    known = {spec.name: getattr(defaults, spec.name) for spec in fields(cls)}
    for key, value in given.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"known: {', '.join(known)}."
            raise StemlensError(
                "bad_options", f"There is no option {(prefix + key)[:80]!a}; {hint}"
            )
        _check_type(prefix + key, value, known[key])
    try:
        return cls(**given)
    except ValueError as error:
        raise StemlensError("bad_options", f"The option {prefix}{error}.") from error


def _check_type(key: str, value: Any, default: Any) -> None:
    """Whether a JSON value can stand where `default` stands; fuller checks are the classes' own."""
    if isinstance(default, bool):
        require_option(isinstance(value, bool), key, value, "true or false")
    elif isinstance(default, int):
        require_option(isinstance(value, int) and not isinstance(value, bool), key, value, "whole")
    elif isinstance(default, float) and key != "session_loudness":
        require_option(is_number(value), key, value, "a number")
    elif isinstance(default, str):
        require_option(isinstance(value, str), key, value, "a text")
    elif isinstance(default, tuple):
        require_option(
            isinstance(value, tuple) and all(isinstance(item, str) for item in value),
            key,
            value,
            "a list of texts",
        )
