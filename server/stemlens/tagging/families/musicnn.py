"""The musicnn family: musicnn and VGG networks, trained on MSD or MTT (see `weights.MODELS`)."""

from __future__ import annotations

from functools import partial

from stemlens.tagging import Tagger, register, weights


def _open(name: str, device: str) -> Tagger:
    """Raises StemlensError: weights_missing, weights_damaged."""
    from stemlens.tagging.mel_tagger import MelTagger
    from stemlens.tagging.musicnn_network import Musicnn, Vgg

    model = weights.MODELS[name]
    network = {"musicnn": Musicnn, "vgg": Vgg}[model.network]
    return MelTagger(name, model.tags, network(weights.load(name)), device)


for _name in weights.MODELS:
    register(_name, partial(_open, _name))
