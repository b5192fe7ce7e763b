"""What an Ardour session file says, where no Ardour is needed to tell."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from stemlens_bridge import routing
from stemlens_bridge.ardour import closed, record, session_file, snapshot
from stemlens_bridge.ardour.wanted import Wanted
from stemlens_bridge.errors import StemlensError

TEMPO = """<TempoMap superclocks-per-second="282240000"><Tempos>
<Tempo npm="120" enpm="120" note-type="4" sclock="0"/>
<Tempo npm="90" enpm="90" note-type="8" sclock="564480000"/>
<Tempo npm="60" enpm="120" note-type="4" sclock="1128960000"/>
<Tempo npm="120" enpm="120" note-type="4" sclock="1693440000"/></Tempos>
<Meters><Meter note-value="4" divisions-per-bar="4" sclock="0"/>
<Meter note-value="8" divisions-per-bar="6" sclock="564480000"/></Meters></TempoMap>"""


def route(
    own: int,
    name: str,
    flags: str = "AudioTrack",
    to: str = "Master",
    more: str = "",
    channels: int = 2,
    width: float = 1,
) -> str:
    def ports(what: str, other: str) -> str:
        return "".join(
            f'<Port type="audio" name="{name}/audio_{what} {at}">'
            + (f'<Connection other="{other}/audio_in {at}"/>' if other else "")
            + "</Port>"
            for at in range(1, channels + 1)
        )

    audio = f' audio-playlist="{own}9"' if flags == "AudioTrack" else ""
    return f"""<Route id="{own}" name="{name}" active="1"{audio}>
<PresentationInfo order="{own}" flags="{flags}" color="0"/>
<IO direction="Input">{ports("in", "")}</IO><IO direction="Output">{ports("out", to)}</IO>
<MuteMaster muted="0"/><Automation/>
<Pannable><Controllable name="pan-azimuth" value="0.5"/>
<Controllable name="pan-width" value="{width}"/></Pannable>
<Processor type="trim" active="1"><Controllable name="trimcontrol" value="1"/></Processor>
<Processor type="amp" active="1"><Controllable name="gaincontrol" value="1"/></Processor>
{more}
<Processor type="main-outs" active="1"><PannerShell bypassed="0"/></Processor></Route>"""


def session(folder: Path, routes: str, more: str = "", version: int = 7002) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{folder.name}.ardour"
    playlists = "".join(
        f'<Playlist id="{own}9"><Region length="a282240000@a0" muted="0"/></Playlist>'
        for own in range(1, 9)
    )
    path.write_text(
        f"""<?xml version="1.0" encoding="UTF-8"?>
<Session version="{version}" sample-rate="48000" id-counter="900">
<Locations>
    <Location id="3" name="session" start="a0" end="a2822400000" flags="IsSessionRange"/>
    <Location id="4" name="Chorus" start="b3840" end="b3840" flags="IsMark"/>
</Locations>
<Routes>{route(0, "Master", "MasterOut", "")}{routes}</Routes>
<Playlists>{playlists}</Playlists>{TEMPO}{more}</Session>""",
        encoding="utf-8",
    )
    return path


def test_times_in_beats_follow_the_tempo_map(tmp_path: Path) -> None:
    read = session_file.read(session(tmp_path / "S", route(1, "A")))
    tempo = read.tempo
    assert tempo is not None
    # four beats at 120; then 90 eighths a minute are 45 quarters a minute
    assert tempo.beats(2.0) == pytest.approx(4)
    assert tempo.beats(4.0) == pytest.approx(4 + 2 * 45 / 60)
    # a ramp from 60 to 120 over two seconds: three beats
    assert tempo.beats(6.0) - tempo.beats(4.0) == pytest.approx(3, abs=0.02)
    assert (tempo.changes[1].numerator, tempo.changes[1].denominator) == (6, 8)
    assert [(mark.name, mark.start_s) for mark in read.marks] == [("Chorus", 1.0)]
    assert (read.start_s, read.end_s) == (0.0, 10.0)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("an insert", '<Processor type="port" name="Insert" active="1"/>'),
        ("a plugin", '<Processor type="lv2" name="Reverb" active="1"/>'),
        ("a VCA", '<Slavable><Master number="1"/></Slavable>'),
        ("a turned phase", '<Controllable name="phase" phase-invert="01"/>'),
        (
            "automation",
            '<Pannable><Automation><AutomationList automation-id="pan-azimuth" state="Play"/>'
            "</Automation></Pannable>",
        ),
    ],
)
def test_a_bus_that_does_something_is_one_stem(tmp_path: Path, what: str, change: str) -> None:
    inner = route(1, "A", to="Bus") + route(2, "B", to="Bus")
    plain = session_file.read(session(tmp_path / "P", inner + route(3, "Bus", "AudioBus")))
    opened = [stem.name for stem in routing.cut(plain.tracks()).stems]
    assert opened == ["A", "B"]
    busy = session_file.read(
        session(tmp_path / "Q", inner + route(3, "Bus", "AudioBus", more=change))
    )
    assert [stem.name for stem in routing.cut(busy.tracks()).stems] == ["Bus"], what


def test_a_bus_that_is_narrowed_is_one_stem(tmp_path: Path) -> None:
    inner = route(1, "A", to="Bus")
    path = session(tmp_path / "N", inner + route(3, "Bus", "AudioBus", width=0.5))
    assert [s.name for s in routing.cut(session_file.read(path).tracks()).stems] == ["Bus"]


def test_a_bypassed_effect_does_nothing(tmp_path: Path) -> None:
    off = '<Processor type="lv2" name="Reverb" active="0"/>'
    inner = route(1, "A", to="Bus")
    path = session(tmp_path / "O", inner + route(3, "Bus", "AudioBus", more=off))
    assert [stem.name for stem in routing.cut(session_file.read(path).tracks()).stems] == ["A"]


def test_sends_before_and_after_the_fader_and_sidechains(tmp_path: Path) -> None:
    gain = '<Controllable name="gaincontrol" value="0.5"/>'
    sends = (
        f'<Processor type="intsend" active="1" target="3">{gain}</Processor>'
        '<Processor type="send" active="1"><IO direction="Output"><Port type="audio" '
        'name="A/send 1"><Connection other="B/sidechain 1"/></Port></IO></Processor>'
    )
    listens = (
        '<Processor type="lv2" name="Comp" active="1"><IO direction="Input">'
        '<Port type="audio" name="B/sidechain 1"/></IO></Processor>'
    )
    routes = route(1, "A", more=sends) + route(2, "B", more=listens) + route(3, "Verb", "AudioBus")
    read = session_file.read(session(tmp_path / "S", routes))
    a = read.mixed[0]
    assert [(s.to, round(s.gain_db, 2), s.pre_fader, s.sidechain) for s in a.sends] == [
        ("3", -6.02, False, False),
        ("2", 0.0, False, True),
    ]
    cut = routing.cut(read.tracks())
    assert cut.stems[0].feeds == ("3",) and cut.stems[0].sidechains == ("2",)
    assert [stem.kind for stem in cut.stems] == ["track", "track", "return"]


def test_what_goes_to_a_device_of_its_own_is_not_in_the_mix(tmp_path: Path) -> None:
    read = session_file.read(session(tmp_path / "S", route(1, "A") + route(2, "B", to="system")))
    assert "B (not heard in the master)" in routing.cut(read.tracks()).told()


def test_in_the_wide_copy_only_stems_reach_the_master(tmp_path: Path) -> None:
    routes = route(1, "A", to="Bus") + route(2, "B") + route(3, "Bus", "AudioBus")
    path = session(tmp_path / "S", routes)
    stale = '<Connection other="Master/audio_in 3"/></Port><Port type="audio" name="B/audio_out 2">'
    path.write_text(
        path.read_text().replace('</Port><Port type="audio" name="B/audio_out 2">', stale)
    )
    own = snapshot.copy(session_file.read(path), tmp_path / "copy", ["1", "2"])
    root = ET.parse(own / "S.ardour").getroot()
    wires = {
        (port.get("name"), wire.get("other"))
        for port in root.iterfind("Routes/Route/IO[@direction='Output']/Port")
        for wire in port.iterfind("Connection")
    }
    assert wires == {
        ("A/audio_out 1", "Master/audio_in 1"),
        ("A/audio_out 2", "Master/audio_in 2"),
        ("A/audio_out 1", "Bus/audio_in 1"),  # and on, to what the bus sends to
        ("A/audio_out 2", "Bus/audio_in 2"),
        ("B/audio_out 1", "Master/audio_in 3"),
        ("B/audio_out 2", "Master/audio_in 4"),
    }


def test_strict_routes_keep_their_channels_where_the_master_is_wide(tmp_path: Path) -> None:
    effect = '<Processor type="lv2" custom="0"><ConfiguredOutput/></Processor>'
    path = session(tmp_path / "S", route(1, "A", more=effect) + route(2, "B", more=effect))
    path.write_text(path.read_text().replace("<Route ", '<Route strict-io="1" ', 2))
    for stems, strict, custom in (((), "1", ["0", "0"]), (("1", "2"), "0", ["1", "0"])):
        own = snapshot.copy(session_file.read(path), tmp_path / f"copy{strict}", stems)
        master, first, second = ET.parse(own / "S.ardour").getroot().iterfind("Routes/Route")
        assert (master.get("strict-io"), first.get("strict-io")) == ("1", strict)
        effects = [found.find("Processor[@type='lv2']") for found in (first, second)]
        assert [found.get("custom") for found in effects if found is not None] == custom


def test_a_copy_has_a_plain_master_and_no_solo(tmp_path: Path) -> None:
    solo = '<Controllable name="solo" value="1" self-solo="1"/>'
    more = f'<VCAManager><VCA number="1"><Slavable/>{solo}</VCA></VCAManager>'
    path = session(tmp_path / "S", route(1, "A", more=solo), more)
    path.write_text(
        path.read_text().replace(
            "<MuteMaster", '<Processor type="lv2" active="1"/><MuteMaster muted="1"/><MuteMaster', 1
        )
    )
    own = snapshot.copy(session_file.read(path), tmp_path / "copy")
    root = ET.parse(own / "S.ardour").getroot()
    master = root.find("Routes/Route[@name='Master']")
    assert master is not None and master.find("Processor[@type='lv2']") is None
    assert {muter.get("muted") for muter in master.iter("MuteMaster")} == {"0"}
    solos = [c for c in root.iter("Controllable") if c.get("name") == "solo"]
    assert len(solos) == 2 and {c.get("self-solo") for c in solos} == {"0"}


def test_vcas_add_to_faders_and_mute_and_solo(tmp_path: Path) -> None:
    def vca(number: int, slaved_to: int, gain: str, more: str = "") -> str:
        above = f'<Master number="{slaved_to}"/>' if slaved_to else ""
        return f'<VCA number="{number}"><Slavable>{above}</Slavable>{gain}{more}</VCA>'

    def fader(own: int, value: float, master: int = 0) -> str:
        masters = f'<masters><master id="{master}" val-master="2"/></masters>' if master else ""
        return (
            f'<Controllable name="gaincontrol" id="{own}" value="{value}">{masters}</Controllable>'
        )

    slaved = '<Slavable><Master number="{}"/></Slavable>'
    muted = '<Controllable name="mute" value="1"/>'
    soloed = '<Controllable name="solo" value="1" self-solo="1"/>'
    vcas = (
        vca(1, 2, fader(71, 1.0, 72))
        + vca(2, 0, fader(72, 1.0), soloed)
        + vca(3, 0, fader(73, 1.0), muted)
    )
    a = route(1, "A", more=slaved.format(1)).replace(
        '<Controllable name="gaincontrol" value="1"/>', fader(70, 1.0, 71)
    )
    b = route(2, "B", more=slaved.format(3))
    path = session(tmp_path / "S", a + b, f"<VCAManager>{vcas}</VCAManager>")
    first, second = session_file.read(path).mixed
    assert first.fader_db == pytest.approx(-12.04, abs=0.01)  # half of half
    assert (first.soloed, first.muted) == (True, False)
    assert (second.soloed, second.muted) == (False, True)


def test_recordings_that_are_missing_are_known(tmp_path: Path) -> None:
    sources = "".join(
        f'<Source id="{own}" name="{name}" type="{kind}"/>'
        for own, name, kind in (
            (80, "here.wav", "audio"),
            (81, "gone.wav", "audio"),
            (82, f"{tmp_path}/elsewhere.wav", "audio"),
            (83, "gone.mid", "midi"),
            (84, "never played.wav", "audio"),
        )
    )
    path = session(tmp_path / "S", route(1, "A"), f"<Sources>{sources}</Sources>")
    played = " ".join(f'source-{at}="{own}"' for at, own in enumerate((80, 81, 82, 83)))
    path.write_text(path.read_text().replace('muted="0"/></Playlist>', f"{played}/></Playlist>", 1))
    audio = path.parent / "interchange" / "Other" / "audiofiles"
    audio.mkdir(parents=True)
    for file in (audio / "here.wav", tmp_path / "elsewhere.wav"):
        file.touch()
    read = session_file.read(path)
    assert read.recordings == (audio / "here.wav", tmp_path / "elsewhere.wav")
    assert read.missing == ("gone.wav", "gone.mid")
    searched = '<Config><Option name="audio-search-path" value="/else"/></Config></Session>'
    path.write_text(path.read_text().replace("</Session>", searched))
    assert not session_file.read(path).missing  # Ardour may find them there


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("no xml at all", "no XML"),
        ("<Song/>", "no session of Ardour"),
        ('<Session version="3002"/>', "Ardour 3"),
        ('<Session version="7002" sample-rate="x"/>', "not what a session"),
    ],
)
def test_a_file_that_is_no_session_is_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "x.ardour"
    path.write_text(text)
    with pytest.raises(StemlensError, match=sentence) as raised:
        session_file.read(path)
    assert raised.value.code == "project_invalid"


def test_which_snapshot_is_meant(tmp_path: Path) -> None:
    folder = tmp_path / "Song"
    with pytest.raises(StemlensError, match="no Ardour session at"):
        session_file.find(folder)
    first = session(folder, "")
    assert session_file.find(folder) == session_file.find(first) == first
    (folder / "Other.ardour").write_bytes(first.read_bytes())
    assert session_file.find(folder) == first
    assert session_file.find(folder, "Other").name == "Other.ardour"
    with pytest.raises(StemlensError, match="Other, Song"):
        session_file.find(folder, "Third")


def test_a_session_without_a_master_is_a_sentence(tmp_path: Path) -> None:
    path = session(tmp_path / "S", route(1, "A"))
    path.write_text(path.read_text().replace("MasterOut", "AudioBus"))
    with pytest.raises(StemlensError, match="no master bus"):
        session_file.read(path).tracks()


def test_nothing_is_kept_of_what_a_full_disk_or_a_deleted_track_took_away(tmp_path: Path) -> None:
    path = session(tmp_path / "S", route(1, "A") + route(2, "B"))
    before = path.read_bytes()
    closed.write(session_file.read(path), Wanted({"1": "x", "2": "y"}, {"1": "#112233"}))
    path.write_bytes(before)  # as if it had never been written
    closed.write(session_file.read(path), Wanted())
    assert path.read_bytes() == before and not (path.parent / record.FOLDER).exists()

    closed.write(session_file.read(path), Wanted({"1": "x", "2": "y"}))
    text = path.read_text()
    path.write_text(text[: text.index('<Route id="2"')] + text[text.index("</Routes>") :])
    closed.write(session_file.read(path), Wanted())
    assert not (path.parent / record.FOLDER).exists()


def test_the_record_survives_what_others_leave_in_it(tmp_path: Path) -> None:
    read = session_file.read(session(tmp_path / "S", route(1, "A")))
    closed.write(read, Wanted({"1": "x"}, {"1": "#112233"}))
    record.path(read).write_text("{}")
    with pytest.raises(StemlensError, match="Move it away"):
        closed.write(read, Wanted())
