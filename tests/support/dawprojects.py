"""DAWproject files as programs write them, built for tests, and the format's own schema."""

# ruff: noqa: E501
from __future__ import annotations

import zipfile
from pathlib import Path

from lxml import etree

SCHEMA = Path(__file__).parents[1] / "dawproject" / "Project.xsd"
DATE = (2024, 2, 29, 12, 34, 56)

# Nested groups, an effect track and a master; ids as "id0", quarter notes, four blanks.
BITWIG = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Project version="1.0">
    <Application name="Bitwig Studio" version="5.1"/>
    <Transport>
        <Tempo max="666.000000" min="20.000000" unit="bpm" value="120.000000" id="id0" name="Tempo"/>
        <TimeSignature denominator="4" numerator="4" id="id1"/>
    </Transport>
    <Structure>
        <Track contentType="tracks" loaded="true" id="id2" name="Drums" color="#d92e24">
            <Channel audioChannels="2" destination="id20" role="submix" solo="false" id="id3">
                <Volume max="2.0" min="0.0" unit="linear" value="1.0" id="id4" name="Volume"/>
            </Channel>
            <Track contentType="audio" loaded="true" id="id5" name="Kick &amp; Snare" color="#d92e24">
                <Channel audioChannels="2" destination="id3" role="regular" id="id6"/>
            </Track>
        </Track>
        <Track contentType="audio" loaded="true" id="id7" name="Bass" color="#a2eabf" comment="DI &#x2014; re-amp?&#10;mute in verse"/>
        <Track contentType="notes" loaded="true" id="id8" name="Pad" comment=""/>
        <Track contentType="audio" loaded="true" id="id9" name="Gtr"/>
        <Track contentType="audio" loaded="true" id="id10" name="Gtr"/>
        <Track contentType="audio" loaded="true" id="id11" name="Reverb">
            <Channel audioChannels="2" destination="id20" role="effect" id="id12"/>
        </Track>
        <Track contentType="audio notes" loaded="true" id="id19" name="Master">
            <Channel audioChannels="2" role="master" id="id20"/>
        </Track>
    </Structure>
    <Arrangement id="id30">
        <Lanes timeUnit="beats" id="id31">
            <Lanes track="id7" id="id32"><Clips id="id33"/></Lanes>
        </Lanes>
        <TempoAutomation unit="bpm" timeUnit="beats" id="id40">
            <Target parameter="id0"/>
            <RealPoint value="120.000000" interpolation="hold" time="0.000000"/>
            <RealPoint value="60.000000" interpolation="linear" time="8.000000"/>
            <RealPoint value="120.000000" interpolation="hold" time="16.000000"/>
        </TempoAutomation>
    </Arrangement>
    <Scenes/>
</Project>
"""

# A byte order mark, CRLF and tabs, seconds, markers of the user's, buses as channels of their own.
STUDIO_ONE = (
    "\ufeff"
    + """<?xml version="1.0" encoding="UTF-8"?>
<Project version="1.0">
\t<Application name="Studio One" version="6.5.1.96553"/>
\t<Transport>
\t\t<Tempo unit="bpm" value="96"/>
\t\t<TimeSignature numerator="6" denominator="8"/>
\t</Transport>
\t<Structure>
\t\t<Track id="{11}" name='Lead Vocal "A"' contentType="audio" color="#FFAA00"><Channel id="c1" destination="c9" role="regular"/></Track>
\t\t<Track name="Bass" contentType="audio"/>
\t\t<Channel id="c5" name="Bass" role="submix"/>
\t\t<Channel id="c6" name="Vocal Bus" role="submix" destination="c9"/>
\t\t<Channel id="c9" name="Main" role="master"/>
\t</Structure>
\t<Arrangement>
\t\t<Lanes timeUnit="seconds"/>
\t\t<Markers timeUnit="seconds">
\t\t\t<Marker time="0" name="Verse"/>
\t\t\t<Marker time="24.5" name="Chorus" color="#00FF00"/>
\t\t</Markers>
\t</Arrangement>
</Project>""".replace("\n", "\r\n").replace('id="{11}"', 'id="t1"')
)


def song(path: Path, xml: str | bytes = BITWIG) -> Path:
    """A .dawproject file with `project.xml`, metadata and audio, packed in different ways."""
    data = xml.encode() if isinstance(xml, str) else xml
    with zipfile.ZipFile(path, "w") as archive:
        for name, content, method in (
            ("metadata.xml", b"<MetaData><Title>T</Title></MetaData>", zipfile.ZIP_DEFLATED),
            ("project.xml", data, zipfile.ZIP_DEFLATED),
            ("audio/Baß.wav", bytes(range(256)) * 64, zipfile.ZIP_STORED),
            ("plugins/1.clap-preset", b"state" * 500, zipfile.ZIP_DEFLATED),
        ):
            info = zipfile.ZipInfo(name, DATE)
            info.compress_type = method
            info.external_attr = 0o640 << 16
            info.comment = b"c" if name.startswith("audio") else b""
            archive.writestr(info, content)
        archive.comment = b"a song"
    return path


def project_xml(path: Path) -> bytes:
    """What is in a song's `project.xml`."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return archive.read("project.xml")


def require_valid(xml: bytes) -> etree._Element:
    """The parsed project, valid by the format's schema."""
    tree = etree.fromstring(xml)
    etree.XMLSchema(etree.parse(str(SCHEMA))).assertValid(tree)
    return tree
