"""Sets of Ableton Live as Live 10, 11 and 12 write them, as far as that could be established.

Structure, order of elements, tabs, line ends and the root's attributes follow sets that Live 10.1,
11.3 and 12.4 have written (what stands around a track's name and colour, that is; devices, clips
and mixers are reduced to a few elements that hold traps: names, annotations and colours of others).
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

ROOTS = {
    10: 'MajorVersion="5" MinorVersion="10.0_377" SchemaChangeCount="6" '
    'Creator="Ableton Live 10.1.43" Revision="0e617fc8048569557b05b35c5dcc68f74fed435a"',
    11: 'MajorVersion="5" MinorVersion="11.0_11300" SchemaChangeCount="3" '
    'Creator="Ableton Live 11.3.13" Revision="b376a4ffe2734bb43bb06f3a36871bb868ae2231"',
    12: 'MajorVersion="5" MinorVersion="12.0_12402" SchemaChangeCount="5" '
    'Creator="Ableton Live 12.4.3" Revision="e3d8be4d07c71dbd4de9e4183bf90652f680375b"',
}


@dataclass(frozen=True)
class AlsTrack:
    """A track; without a user's name Live shows one that it makes."""

    name: str
    element: str = "AudioTrack"
    user_name: str | None = None
    annotation: str = ""
    colour: int = 7


def xml(version: int, tracks: Sequence[AlsTrack]) -> bytes:
    """The XML of a set."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<Ableton {ROOTS[version]}>", "\t<LiveSet>"]
    if version >= 11:
        lines += ['\t\t<NextPointeeId Value="25168" />']
    lines += ['\t\t<OverwriteProtectionNumber Value="2819" />', '\t\t<LomId Value="0" />']
    lines += ["\t\t<Tracks>"]
    for number, track in enumerate(tracks):
        lines += _track(version, number, track)
    lines += ["\t\t</Tracks>"]
    master = "MainTrack" if version >= 12 else "MasterTrack"
    lines += [f"\t\t<{master}>", *_name("Master", "", "the user's words on the master", 3)]
    lines += [_colour(version, 3, 13), f"\t\t</{master}>", '\t\t<Annotation Value="of the set" />']
    return "\n".join([*lines, "\t</LiveSet>", "</Ableton>", ""]).encode()


def write(path: Path, version: int, tracks: Sequence[AlsTrack]) -> Path:
    """A set on disk, compressed."""
    path.write_bytes(gzip.compress(xml(version, tracks)))
    return path


def _track(version: int, number: int, track: AlsTrack) -> list[str]:
    panel = ' SelectedToolPanel="7" SelectedTransformationName="" SelectedGeneratorName=""'
    content = "IsContentSelected" if version == 10 else "IsContentSelectedInDocument"
    user = track.name if track.user_name is None else track.user_name
    indent = "\t\t\t\t"
    return [
        f'\t\t\t<{track.element} Id="{12 + number}"{panel if version >= 12 else ""}>',
        f'{indent}<LomId Value="0" />',
        f'{indent}<{content} Value="false" />',
        f"{indent}<TrackDelay>",
        f'{indent}\t<Value Value="0" />',
        f"{indent}</TrackDelay>",
        *_name(track.name, user, track.annotation, 4),
        _colour(version, 4, track.colour),
        f"{indent}<AutomationEnvelopes>",
        f"{indent}\t<Envelopes />",
        f"{indent}</AutomationEnvelopes>",
        f'{indent}<TrackGroupId Value="-1" />',
        f'{indent}<ViewData Value="{{}}" />',
        f"{indent}<DeviceChain>",
        f"{indent}\t<Mixer>",
        f'{indent}\t\t<UserName Value="" />',
        f'{indent}\t\t<Annotation Value="a device&apos;s own info text" />',
        f"{indent}\t</Mixer>",
        f'{indent}\t<MidiClip Id="0" Time="0">',
        f'{indent}\t\t<Name Value="{_value(track.name)}" />',
        f'{indent}\t\t<Annotation Value="" />',
        _colour(version, 6, track.colour),
        f"{indent}\t</MidiClip>",
        f"{indent}</DeviceChain>",
        f"\t\t\t</{track.element}>",
    ]


def _name(name: str, user: str, annotation: str, depth: int) -> list[str]:
    indent = "\t" * depth
    return [
        f"{indent}<Name>",
        f'{indent}\t<EffectiveName Value="{_value(name)}" />',
        f'{indent}\t<UserName Value="{_value(user)}" />',
        f'{indent}\t<Annotation Value="{_value(annotation)}" />',
        f'{indent}\t<MemorizedFirstClipName Value="" />',
        f"{indent}</Name>",
    ]


def _colour(version: int, depth: int, place: int) -> str:
    if version == 10:
        return "\t" * depth + f'<ColorIndex Value="{140 + place}" />'
    return "\t" * depth + f'<Color Value="{place}" />'


def _value(text: str) -> str:
    return escape(text, {'"': "&quot;", "\n": "&#x0A;", "\t": "&#x09;"})
