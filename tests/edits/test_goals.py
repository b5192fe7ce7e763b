"""Goals: what people write, what it means for the tags, and how mistakes are told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemlens.edits import goals
from stemlens.edits.goals import KEEP, Goal, Wanted
from stemlens.tagging.vocabulary import MSD, MTT, Tag
from stemlens_bridge.errors import StemlensError

NAMES = [tag.name for tag in MSD]
ONLY_MSD = {
    "darker-mood",
    "groovier",
    "happier",
    "jazzier",
    "more-metal-keep-happy",
    "more-modern",
    "more-vintage",
    "sadder",
}
ONLY_MTT = {"more-orchestral"}


def msd(text: str) -> Goal:
    return Goal.from_text(text, MSD, "msd-musicnn")


def mtt(text: str) -> Goal:
    return Goal.from_text(text, MTT, "mtt-musicnn")


def weights(goal: Goal, tags: Sequence[Tag] = MSD) -> dict[str, float]:
    return {tags[i].name: float(goal.raise_lower[i]) for i in goal.raise_lower.nonzero()[0]}


def refused(text: str, tags: Sequence[Tag] = MSD, tagger: str = "msd-musicnn") -> str:
    with pytest.raises(StemlensError) as error:
        Goal.from_text(text, tags, tagger)
    assert error.value.code == "goal_invalid"
    return error.value.message


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's presets folder, with nothing in it."""
    monkeypatch.setattr(platformdirs, "user_config_dir", lambda name: str(tmp_path / name))
    presets = tmp_path / "stemlens" / "presets"
    (presets / "goals").mkdir(parents=True)
    return presets


def test_a_goal_of_one_tag_counts_that_tag() -> None:
    change = np.zeros((3, len(MSD)))
    change[:, NAMES.index("metal")] = [0.1, 0.0, -0.2]
    assert msd("+metal").gain(change) == pytest.approx([0.1, 0.0, -0.2])
    assert msd("-metal*7").gain(change) == pytest.approx([-0.1, 0.0, 0.2])


def test_what_is_kept_costs_whichever_way_it_moves() -> None:
    change = np.zeros((2, len(MSD)))
    change[:, NAMES.index("metal")] = 0.1
    change[:, NAMES.index("happy")] = [0.04, -0.04]
    assert msd("+metal =happy").gain(change) == pytest.approx(0.1 - KEEP * 0.04)
    assert msd("+metal =happy*2").gain(change) == pytest.approx(0.1 - KEEP * 0.08)


def test_several_words_are_a_weighted_mean() -> None:
    assert weights(msd("+metal*3, -sad")) == pytest.approx({"metal": 0.75, "sad": -0.25})


@pytest.mark.parametrize(
    "text",
    ['+"classic rock" =hip_hop', "+CLASSIC.ROCK,=Hip-Hop", '  +classic_rock ,, ="hip hop"  '],
)
def test_spellings_of_tags(text: str) -> None:
    goal = msd(text)
    assert weights(goal) == {"classic rock": 1.0}
    assert goal.text == '+"classic rock" =Hip-Hop'
    assert goal.words() == "more classic rock, keep hip-hop"


def test_names_for_people_are_words_too() -> None:
    assert msd("+1980s").text == "+80s"
    assert msd("+R&B").text == "+rnb"


def test_energetic_and_calm_are_mixtures_in_both_lists() -> None:
    for goal, tags in (msd("+energetic -calm"), MSD), (mtt("+energetic -calm"), MTT):
        assert not {"energetic", "calm"} & {tag.name for tag in tags}
        assert np.abs(goal.raise_lower).sum() == pytest.approx(1)
        assert len(weights(goal, tags)) > 5


def test_a_tag_of_the_tagger_goes_before_a_mixture_of_that_name() -> None:
    assert weights(msd("+acoustic")) == {"acoustic": 1.0}
    assert len(weights(mtt("+acoustic"), MTT)) > 1


def test_a_tag_named_itself_is_left_alone_by_mixtures() -> None:
    heavy = weights(msd("+heavy -metal"))
    assert heavy["metal"] < 0 < heavy["hard rock"]
    kept = msd("+heavy =metal")
    at = NAMES.index("metal")
    assert kept.raise_lower[at] == 0 and kept.keep[at] == 1


def test_mixtures_are_scaled_and_tell_their_reason() -> None:
    for one in goals.read_words().values():
        assert one.says and one.why
        for part in one.lists.values():
            assert sum(map(abs, part.values())) == pytest.approx(1)
    assert {"energetic", "calm"} <= {row[0] for row in goals.mixtures()}


def test_shipped_goals_hold_for_the_taggers_that_have_their_words() -> None:
    rows = {name: text for name, _, text in goals.table()}
    assert len(rows) >= 12
    for name, text in rows.items():
        for build, without in (msd, ONLY_MTT), (mtt, ONLY_MSD):
            if name in without:
                with pytest.raises(StemlensError, match="choose one with --tagger"):
                    build(name)
            else:
                goal = build(name)
                assert goal.text == text
                assert np.abs(goal.raise_lower).sum() == pytest.approx(1)


def test_a_goal_goes_by_its_name_however_it_is_written() -> None:
    assert msd("more metal keep happy").text == msd(" More-Metal_keep happy ").text


words = st.sampled_from(NAMES)
factors = st.floats(1e-3, goals.MAX_FACTOR)


@given(
    st.lists(
        st.builds(Wanted, st.sampled_from("+-="), words, factors),
        min_size=1,
        max_size=6,
        unique_by=lambda one: one.word,
    ).filter(lambda wanted: any(one.sign != "=" for one in wanted))
)
def test_a_goal_reads_back_what_it_writes(wanted: list[Wanted]) -> None:
    goal = msd(", ".join(map(str, wanted)))
    again = msd(goal.text)
    assert again.wanted == goal.wanted and again.text == goal.text
    assert [(one.sign, one.word, one.factor) for one in goal.wanted] == [
        (one.sign, one.word, one.factor) for one in wanted
    ]
    assert np.array_equal(again.raise_lower, goal.raise_lower)
    assert np.array_equal(again.keep, goal.keep)
    assert not (goal.keep * goal.raise_lower).any() and (goal.keep >= 0).all()
    assert np.abs(goal.raise_lower).sum() == pytest.approx(1)


@given(st.text(alphabet='+-=*",. metalhpy0129\n', max_size=20))
def test_any_text_is_a_goal_or_a_plain_error(text: str) -> None:
    try:
        goal = msd(text)
    except StemlensError as error:
        assert error.code == "goal_invalid"
    else:
        assert np.isfinite(goal.raise_lower).all() and goal.raise_lower.any()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("+hapy", "nearest is 'happy'"),
        ("+hapy", "stemlens goals"),
        ("+flute", "mtt-musicnn and mtt-vgg have it"),
        ("+metal -Metal", "both more and less"),
        ("+metal =metal", "both more and keep"),
        ("+metal +metal", "twice"),
        ("=metal", "nothing to reach"),
        ("+metal*0", "number above 0"),
        ("+metal*much", "number above 0"),
        ("+metal*nan", "number above 0"),
        ("+metal*inf", "number above 0"),
        ("+metal sad", "cannot be read from 'sad'"),
        ('+"metal', "cannot be read"),
        ("+", "cannot be read"),
        ("", "empty"),
        ("metal", "Words need a sign"),
        ("calmr", "nearest is 'calmer'"),
        ("+vocal -sung*1.0 +vintage =oldies =60s =70s =classic_rock", "cancel"),
    ],
)
def test_mistakes_say_what_to_write(text: str, says: str) -> None:
    assert says in refused(text)


def test_the_other_tagger_is_named_for_a_mixture_too() -> None:
    assert "msd-musicnn and msd-vgg have it" in refused("+vintage", MTT, "mtt-musicnn")


def test_of_a_kept_mixture_stays_what_the_goal_does_not_move() -> None:
    goal = msd("+energetic =calm")
    assert goal.raise_lower[NAMES.index("Mellow")] < 0 == goal.keep[NAMES.index("Mellow")]
    assert goal.keep[NAMES.index("ambient")] > 0


def test_what_the_goal_moves_whole_cannot_be_kept() -> None:
    assert "'female voice' cannot be kept" in refused(
        "+female_vocalists -female_vocalist =female_voice"
    )


def test_the_users_goals_and_words_replace_the_shipped_ones(user: Path) -> None:
    mine = 'title = "T"\nsays = "Mine."\n[raise]\n"hard rock" = 2\n'
    (user / "goals" / "calmer.toml").write_text(mine)
    (user / "words.toml").write_text('[calm]\nsays = "s"\nwhy = "w"\nmsd = { folk = 1 }\n')
    assert msd("calmer").text == '+"hard rock"*2'
    assert ("calmer", "Mine.", '+"hard rock"*2') in goals.table()
    assert weights(msd("+calm")) == {"folk": 1.0}
    assert weights(msd("+energetic")) and msd("rockier")


HEAD = 'title = "T"\nsays = "S."\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD + "[raise\nmetal = 1", "line 3"),
        (HEAD + "weight = 3\n", "line 3: the file can have no 'weight'"),
        (HEAD + "[rise]\nmetal = 1.0", "line 3: the file can have no 'rise'. The nearest is"),
        (HEAD + "[rise]\nmetal = 1.0", "Allowed: title, says, raise, lower, keep."),
        (HEAD + "[raise]\nmetal = 1.0\nsad = -1", "line 5: sad = -1 must be"),
        (HEAD + "[raise]\nmetal = true", "line 4: metal = True must be"),
        (HEAD + "[raise]\nmetal = 1\n[keep]\n'hapy' = 1", "line 6: 'hapy' is no tag"),
        (HEAD + "raise = 3", "line 3: raise must be a table"),
        (HEAD + "[raise]\nmetal = 1\n[lower]\nmetal = 1", "both more and less"),
        (HEAD + "[keep]\nmetal = 1", "nothing to reach"),
        ('title = "T"\nsays = 3\n[raise]\nmetal = 1', "line 2: says must be"),
        ("[raise]\nmetal = 1", "title must be there"),
    ],
)
def test_mistakes_in_a_file_name_the_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(StemlensError) as error:
        Goal.from_file(path, MSD, "msd-musicnn")
    assert error.value.code == "goal_invalid"
    assert str(path) in error.value.message and says in error.value.message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes('title = "é"'.encode("latin-1"))
    for name, says in ("latin.toml", "UTF-8"), ("none.toml", "cannot be read"):
        with pytest.raises(StemlensError, match=says):
            Goal.from_file(tmp_path / name, MSD, "msd-musicnn")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[warm]\nsays = "s"\nwhy = "w"\nmsd = { rok = 1 }', "line 4: the list msd has no tag"),
        ('[warm]\nsays = "s"\nwhy = "w"\nmsd = { rock = 0 }', "line 4: rock = 0"),
        ('[warm]\nsays = "s"\nwhy = "w"\nmsd = {}', "line 4: msd must be tags"),
        ('[warm]\nsays = "s"\nwhy = "w"', "line 1: a word needs tags"),
        ('[warm]\nsays = "s"\nmsd = { rock = 1 }', "line 1: why must be there"),
        ('[warm]\nsays = "s"\nwhy = "w"\nmds = { rock = 1 }', "line 4: the table [warm] can have"),
        ("warm = 3", "line 1: warm must be a table"),
    ],
)
def test_mistakes_in_the_users_words_name_the_line(user: Path, text: str, says: str) -> None:
    (user / "words.toml").write_text(text)
    message = refused("+metal")
    assert str(user / "words.toml") in message and says in message
