"""The tags that the taggers know, as data.

MTT are the 50 tags of the MagnaTagATune data set (instruments, voices, textures), MSD the 50 most
frequent Last.fm tags of the Million Song Dataset (genres, moods, eras). Both stand in the order of
the networks' outputs, spelt as in the package `musicnn` 0.1.0, from which the networks come.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tag:
    """`name` as the network's list spells it; `kind` is one of `KINDS`; `plain` is for people."""

    name: str
    kind: str
    plain: str


# voice is also for its absence; quality is how something is played or sounds (fast, acoustic).
KINDS = ("genre", "mood", "instrument", "voice", "era", "quality")

MTT: tuple[Tag, ...] = (
    Tag("guitar", "instrument", "guitar"),
    Tag("classical", "genre", "classical"),
    Tag("slow", "quality", "slow"),
    Tag("techno", "genre", "techno"),
    Tag("strings", "instrument", "strings"),
    Tag("drums", "instrument", "drums"),
    Tag("electronic", "genre", "electronic"),
    Tag("rock", "genre", "rock"),
    Tag("fast", "quality", "fast"),
    Tag("piano", "instrument", "piano"),
    Tag("ambient", "genre", "ambient"),
    Tag("beat", "quality", "beat"),
    Tag("violin", "instrument", "violin"),
    Tag("vocal", "voice", "vocal"),
    Tag("synth", "instrument", "synth"),
    Tag("female", "voice", "female singer"),
    Tag("indian", "genre", "Indian music"),
    Tag("opera", "genre", "opera"),
    Tag("male", "voice", "male singer"),
    Tag("singing", "voice", "singing"),
    Tag("vocals", "voice", "vocals"),
    Tag("no vocals", "voice", "no vocals"),
    Tag("harpsichord", "instrument", "harpsichord"),
    Tag("loud", "quality", "loud"),
    Tag("quiet", "quality", "quiet"),
    Tag("flute", "instrument", "flute"),
    Tag("woman", "voice", "woman singing"),
    Tag("male vocal", "voice", "male vocal"),
    Tag("no vocal", "voice", "no vocal"),
    Tag("pop", "genre", "pop"),
    Tag("soft", "quality", "soft"),
    Tag("sitar", "instrument", "sitar"),
    Tag("solo", "quality", "solo"),
    Tag("man", "voice", "man singing"),
    Tag("classic", "genre", "classic"),
    Tag("choir", "voice", "choir"),
    Tag("voice", "voice", "voice"),
    Tag("new age", "genre", "new age"),
    Tag("dance", "genre", "dance"),
    Tag("male voice", "voice", "male voice"),
    Tag("female vocal", "voice", "female vocal"),
    Tag("beats", "quality", "beats"),
    Tag("harp", "instrument", "harp"),
    Tag("cello", "instrument", "cello"),
    Tag("no voice", "voice", "no voice"),
    Tag("weird", "mood", "weird"),
    Tag("country", "genre", "country"),
    Tag("metal", "genre", "metal"),
    Tag("female voice", "voice", "female voice"),
    Tag("choral", "voice", "choral singing"),
)

MSD: tuple[Tag, ...] = (
    Tag("rock", "genre", "rock"),
    Tag("pop", "genre", "pop"),
    Tag("alternative", "genre", "alternative"),
    Tag("indie", "genre", "indie"),
    Tag("electronic", "genre", "electronic"),
    Tag("female vocalists", "voice", "female vocalists"),
    Tag("dance", "genre", "dance"),
    Tag("00s", "era", "2000s"),
    Tag("alternative rock", "genre", "alternative rock"),
    Tag("jazz", "genre", "jazz"),
    Tag("beautiful", "mood", "beautiful"),
    Tag("metal", "genre", "metal"),
    Tag("chillout", "genre", "chill-out"),
    Tag("male vocalists", "voice", "male vocalists"),
    Tag("classic rock", "genre", "classic rock"),
    Tag("soul", "genre", "soul"),
    Tag("indie rock", "genre", "indie rock"),
    Tag("Mellow", "mood", "mellow"),
    Tag("electronica", "genre", "electronica"),
    Tag("80s", "era", "1980s"),
    Tag("folk", "genre", "folk"),
    Tag("90s", "era", "1990s"),
    Tag("chill", "mood", "chill"),
    Tag("instrumental", "voice", "instrumental"),
    Tag("punk", "genre", "punk"),
    Tag("oldies", "era", "oldies"),
    Tag("blues", "genre", "blues"),
    Tag("hard rock", "genre", "hard rock"),
    Tag("ambient", "genre", "ambient"),
    Tag("acoustic", "quality", "acoustic"),
    Tag("experimental", "genre", "experimental"),
    Tag("female vocalist", "voice", "female vocalist"),
    Tag("guitar", "instrument", "guitar"),
    Tag("Hip-Hop", "genre", "hip-hop"),
    Tag("70s", "era", "1970s"),
    Tag("party", "mood", "party"),
    Tag("country", "genre", "country"),
    Tag("easy listening", "genre", "easy listening"),
    Tag("sexy", "mood", "sexy"),
    Tag("catchy", "quality", "catchy"),
    Tag("funk", "genre", "funk"),
    Tag("electro", "genre", "electro"),
    Tag("heavy metal", "genre", "heavy metal"),
    Tag("Progressive rock", "genre", "progressive rock"),
    Tag("60s", "era", "1960s"),
    Tag("rnb", "genre", "R&B"),
    Tag("indie pop", "genre", "indie pop"),
    Tag("sad", "mood", "sad"),
    Tag("House", "genre", "house"),
    Tag("happy", "mood", "happy"),
)
