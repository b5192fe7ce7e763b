"""A tagger whose network has its weights shuffled, layer by layer, from the output down.

An explanation that does not change when what it explains has forgotten what it learnt explains
something else (the input, say). The weights of a layer are put in another order and not drawn anew,
each filter's and each unit's among themselves, so that they keep their size: a network that dies or
saturates would have no shares to compare. Layers nearer to the output are shuffled first, and stay
so.

Source: J. Adebayo et al., "Sanity Checks for Saliency Maps", 2018 (cascading randomisation).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stemlens.tagging import weights
from stemlens.tagging.tagger import Tagger
from stemlens_bridge.errors import StemlensError

if TYPE_CHECKING:
    from stemlens.tagging.musicnn_network import Weights

LAYERS: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "musicnn": (
        ("output", ("dense_1",)),
        ("dense", ("dense",)),
        ("middle 3", ("conv2d_7",)),
        ("middle 2", ("conv2d_6",)),
        ("middle 1", ("conv2d_5",)),
        ("temporal", ("conv2d_2", "conv2d_3", "conv2d_4")),
        ("timbral", ("conv2d", "conv2d_1")),
    ),
    "vgg": (("output", ("dense",)), *((f"{n}", (f"{n}CNN",)) for n in (5, 4, 3, 2, 1))),
}
"""Of each kind of network the layers from the output down, and the names of their weights."""


def layers(tagger: str) -> list[str]:
    """The names of a tagger's layers, from the output down; raises `extra_missing` for a tagger of
    which they are not known."""
    model = weights.MODELS.get(tagger)
    if model is None:
        raise StemlensError(
            "extra_missing",
            f"The layers of the tagger {tagger} are not known here, so they cannot be shuffled; "
            f"choose one of {', '.join(weights.MODELS)}.",
        )
    return [name for name, _ in LAYERS[model.network]]


def shuffled(known: Weights, names: list[str], seed: int) -> Weights:
    """The weights with the kernels `[…, outputs]` of `names` shuffled, each output's by itself."""
    random = np.random.default_rng(seed)
    changed = dict(known)
    for name in names:
        kernel = known[f"{name}/kernel"]
        rows = kernel.reshape(-1, kernel.shape[-1])
        changed[f"{name}/kernel"] = random.permuted(rows, axis=0).reshape(kernel.shape)
    return changed


def randomized(tagger: str, count: int, seed: int, device: str) -> Tagger:
    """The tagger with the first `count` of its layers shuffled; 0: as it was trained."""
    from stemlens.tagging import compute_device
    from stemlens.tagging.mel_tagger import MelTagger
    from stemlens.tagging.musicnn_network import Musicnn, Vgg

    names = layers(tagger)[:count]
    model = weights.MODELS[tagger]
    of = dict(LAYERS[model.network])
    changed = shuffled(weights.load(tagger), [own for name in names for own in of[name]], seed)
    network = {"musicnn": Musicnn, "vgg": Vgg}[model.network]
    made = MelTagger(tagger, model.tags, network(changed), compute_device(device))
    if count:
        made.identity += f", {count} layers shuffled by {seed}"
    return made
