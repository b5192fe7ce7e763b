"""Networks that have forgotten what they learnt have other shares, all others the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.sounds import stem_folder

from stemlens import tagging
from stemlens.tagging import weights
from stemlens.validation import randomized
from stemlens.validation.experiment import Settings
from stemlens.validation.material import scored
from stemlens.validation.sanity import cascade
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.session import Session

NAME = "msd-musicnn"
pytestmark = pytest.mark.usefixtures("real_weights")


def quiet(stage: str, fraction: float) -> None:
    pass


def test_what_is_shuffled_keeps_its_weights_and_the_rest_is_untouched() -> None:
    known = weights.load(NAME)
    changed = randomized.shuffled(known, ["dense_1", "conv2d"], seed=1)
    for name in ("dense_1/kernel", "conv2d/kernel"):
        before, after = (own[name].reshape(-1, own[name].shape[-1]) for own in (known, changed))
        assert not np.array_equal(before, after)
        np.testing.assert_array_equal(np.sort(before, axis=0), np.sort(after, axis=0))
    for name in known.keys() - {"dense_1/kernel", "conv2d/kernel"}:
        assert changed[name] is known[name]


@pytest.mark.parametrize("name", ["msd-musicnn", "msd-vgg"])
def test_all_layers_have_kernels(name: str) -> None:
    """Every kernel of a network is in one layer, so that nothing of it stays learnt."""
    named = [own for _, names in randomized.LAYERS[weights.MODELS[name].network] for own in names]
    kernels = {k.rpartition("/")[0] for k in weights.load(name) if k.endswith("/kernel")}
    assert sorted(named) == sorted(kernels)


def test_a_shuffled_network_decorrelates_and_an_unshuffled_one_does_not(tmp_path: Path) -> None:
    folder = stem_folder(tmp_path / "Song", stems=3)
    tagger = tagging.load(NAME, "cpu")
    settings = Settings(tagger, (Session.read(folder),), quick=True)
    one = scored(settings.sessions[0], settings, quiet, 8)
    layers = len(randomized.layers(NAME))
    found = cascade(
        one,
        lambda count, seed: randomized.randomized(NAME, layers * count, seed, "cpu"),
        1,
        2,
        quiet,
    )
    assert found.ranks[0] == [pytest.approx(1.0)]
    assert max(map(abs, found.ranks[1])) < 0.7  # three stems × ten tags, of which many go together
    assert found.mean_size[1] > 1e-4  # it is not dead
    assert randomized.randomized(NAME, 2, 1, "cpu").identity != tagger.identity


def test_layers_of_another_family_are_not_known() -> None:
    with pytest.raises(StemlensError, match="msd-musicnn") as told:
        randomized.layers("test-meter")
    assert told.value.code == "extra_missing"
