"""The official Demucs models as data; where the files of any Demucs model lie, and fetching them.

A model is a bag, described by `NAME.yaml` (its members, their weights, a segment length), and one
file for each member. On the Hugging Face hub members are `SIGNATURE.safetensors`; in a local folder
they may also be Demucs' own `SIGNATURE[-CHECKSUM].th`, and a single one needs no bag.

The hub's files come through its own client into its own cache (`HF_HUB_CACHE`), and from there
without any network; `HF_HUB_OFFLINE` is respected. Demucs' own `get_model` is not used: when the
hub fails it turns, without a word, to pickles of another server, which run code as they are read.

Sources: the cards of huggingface.co/adefossez, demucs 4.1's `remote/*.yaml` (which models a bag
has), and the two issues on the weights' terms that `AUTHOR` names. Nothing here imports torch.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

from stemlens_bridge.errors import StemlensError

if TYPE_CHECKING:
    from stemlens.separation import Say

HUB = "hf://"
NAMESPACE = "adefossez"
CONNECT_S = 3.0  # the hub's own client tries six times, 23 s in all, where there is no network

AUTHOR = (
    'their author says the weights are "only for scientific purposes" (facebookresearch/demucs '
    "issues 327 and 508)"
)
CARD = "their page on the Hugging Face hub says MIT"
TERMS = f"{AUTHOR}; {CARD}. Which of the two holds is open: decide before you use them in a product"


@dataclass(frozen=True, slots=True)
class Model:
    """One official model: its members, what it makes, its size to fetch and what it is for.

    megabytes: about, by the sizes of the same weights in half precision as Demucs first had them;
    the hub's files may be twice as large.
    """

    members: tuple[str, ...]
    stems: tuple[str, ...]
    megabytes: int
    note: str


FOUR = ("drums", "bass", "other", "vocals")
MODELS = {
    "htdemucs": Model(("955717e8",), FOUR, 84, "the default"),
    "htdemucs_ft": Model(
        ("f7e0c4bc", "d12395a8", "92cfc3b6", "04573f0d"), FOUR, 336, "a little better, 4 × as slow"
    ),
    "htdemucs_6s": Model(
        ("5c90dfd2",), (*FOUR, "guitar", "piano"), 55, "guitar and piano too; its piano is poor"
    ),
    "hdemucs_mmi": Model(("75fc33f5",), FOUR, 168, "the generation before, without a transformer"),
}


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one model, there: its members in order, and what the bag says of them."""

    members: tuple[Path, ...]
    weights: list[list[float]] | None = None
    segment_s: float | None = None


def is_folder(name: str) -> bool:
    """Whether a name means a place on this machine."""
    return not name.startswith(HUB) and any(sign in name for sign in {"/", os.sep})


def is_one(name: str) -> bool:
    """Whether a name means a Demucs model."""
    return name in MODELS or name.startswith(HUB) or is_folder(name)


def is_there(name: str) -> bool:
    """Whether all files of a model can be had without a network; nothing of them is read."""
    try:
        return not _missing(name) if not is_folder(name) else bool(_in_folder(name))
    except StemlensError:
        return False


def located(name: str, say: Say) -> Files:
    """The files of a model, fetched first where need be.

    `say` is told before that what is fetched, how large it is and under which terms. Raises
    `weights_missing` with the files to fetch and where to put them, `weights_damaged`.
    """
    if is_folder(name):
        return _in_folder(name)
    if _missing(name):
        size = f"about {MODELS[name].megabytes} MB" if name in MODELS else "of unknown size"
        terms = TERMS if name in MODELS else "see there for its terms"
        say(f"Fetching the model {name} from huggingface.co/{_repository(name)}, {size}: {terms}.")
        _require_hub(name)
    bag = _read_bag(_from_hub(name, f"{_plain(name)}.yaml"))
    members = tuple(_from_hub(name, f"{own}.safetensors") for own in bag["models"])
    return Files(members, bag.get("weights"), bag.get("segment"))


def identity(name: str) -> str:
    """What changes when a model's files do: their places with a revision, or sizes and times."""
    if is_folder(name):
        states = [(path.name, path.stat()) for path in _in_folder(name).members]
        told = [f"{own} {state.st_size} {state.st_mtime_ns}" for own, state in states]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()
    described = _cached(name, f"{_plain(name)}.yaml")
    return described.parent.name if described is not None else "not fetched"


# ------------------------------------------------------------------------------- the hub


def _plain(name: str) -> str:
    return name.removeprefix(HUB).rpartition("/")[2]


def _repository(name: str) -> str:
    """The hub's repository of a model; Demucs' convention writes its family in front."""
    namespace, _, plain = name.removeprefix(HUB).rpartition("/")
    if not re.fullmatch(r"[\w.-]+", plain) or not re.fullmatch(r"[\w.-]*", namespace):
        raise StemlensError(
            "separator_unknown", f"{name!r} is no model on the hub; write hf://[NAMESPACE/]NAME."
        )
    family, _, rest = plain.partition("_")
    title = f"HTDemucs{'-' * bool(rest)}{rest}" if family == "htdemucs" else f"Demucs-{plain}"
    return f"{namespace or NAMESPACE}/{title}"


def _cached(name: str, file: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(_repository(name), file)
    return Path(found) if isinstance(found, str) else None


def _missing(name: str) -> list[str]:
    """The files of a model that the hub's cache lacks, as far as can be known without them."""
    described = f"{_plain(name)}.yaml"
    path = _cached(name, described)
    if path is None:
        known = MODELS[name].members if name in MODELS else ("*",)
        return [described, *(f"{own}.safetensors" for own in known)]
    files = [f"{own}.safetensors" for own in _read_bag(path)["models"]]
    return [file for file in files if _cached(name, file) is None]


def _from_hub(name: str, file: str) -> Path:
    """A file of a model, from the hub's cache or else from the hub."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    found = _cached(name, file)
    if found is not None:
        return found
    try:
        return Path(hf_hub_download(_repository(name), file))
    except LocalEntryNotFoundError as error:
        raise _by_hand(name, "the hub cannot be reached") from error
    except HfHubHTTPError as error:
        why = str(error).strip().splitlines()[0].rstrip(".")
        raise _by_hand(name, f"the hub does not give {file} ({why})") from error
    except OSError as error:
        raise _by_hand(name, f"{file} could not be kept ({error})") from error


def _require_hub(name: str) -> None:
    """Raises `weights_missing` at once where the hub, or the proxy before it, does not answer."""
    from huggingface_hub import constants

    if constants.is_offline_mode():
        raise _by_hand(name, "HF_HUB_OFFLINE forbids to fetch them")
    hub = urlsplit(constants.ENDPOINT)
    asked = urlsplit(urllib.request.getproxies().get(hub.scheme, constants.ENDPOINT))
    port = asked.port or (80 if asked.scheme == "http" else 443)
    try:
        socket.create_connection((asked.hostname or "", port), CONNECT_S).close()
    except OSError as error:
        raise _by_hand(name, f"{asked.hostname} cannot be reached ({error})") from error


def _by_hand(name: str, why: str) -> StemlensError:
    from huggingface_hub import constants

    repository = _repository(name)
    files = ", ".join(_missing(name))
    kept = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
    return StemlensError(
        "weights_missing",
        f"The weights of {name} are not here: {why}. On a machine with a network get {files} from "
        f"huggingface.co/{repository}. Put them into any folder and name it as the model "
        f"(FOLDER/{_plain(name)}), or copy the hub's own folder {kept.name} from that machine's "
        f"cache to {kept.parent}. Mind the terms: {TERMS}.",
    )


# ------------------------------------------------------------------------------- folders


def _in_folder(name: str) -> Files:
    """The files of the model that a folder, or `FOLDER/NAME`, means."""
    path = Path(name).expanduser()
    folder, wanted = (path, None) if path.is_dir() else (path.parent, path.name)
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        raise StemlensError(
            "weights_missing",
            f"There is no folder {folder} to take a Demucs model from: {error.strerror}.",
        ) from error
    bags = {file.stem: file for file in files if file.suffix == ".yaml"}
    members = {file.stem.partition("-")[0]: file for file in files if file.suffix == ".th"}
    members |= {file.stem: file for file in files if file.suffix == ".safetensors"}
    named = sorted(bags or members)
    if wanted is None:
        if len(named) != 1:
            there = f"several ({', '.join(named)})" if named else "none"
            raise StemlensError(
                "weights_missing",
                f"{folder} should hold one Demucs model and holds {there}. Name one: FOLDER/NAME.",
            )
        wanted = named[0]
    if wanted in members and wanted not in bags:
        return Files((members[wanted],))
    if wanted not in bags:
        raise StemlensError(
            "weights_missing",
            f"{folder} has no Demucs model {wanted!r}: {wanted}.yaml, or {wanted}.th or "
            f".safetensors. It has {', '.join(named) or 'none'}.",
        )
    bag = _read_bag(bags[wanted])
    lacking = [own for own in bag["models"] if own not in members]
    if lacking:
        raise StemlensError(
            "weights_missing",
            f"{folder} lacks a part of the model {wanted}: {', '.join(lacking)} (.safetensors or "
            ".th).",
        )
    found = tuple(members[own] for own in bag["models"])
    return Files(found, bag.get("weights"), bag.get("segment"))


def _read_bag(path: Path) -> dict[str, Any]:
    """What a bag's yaml says: models, perhaps weights and segment; raises `weights_damaged`."""
    try:
        bag = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise _damaged(path, f"cannot be read ({str(error).splitlines()[0]})") from error
    models = bag.get("models") if isinstance(bag, dict) else None
    if not isinstance(models, list) or not models:
        raise _damaged(path, "names no models")
    if not all(isinstance(own, str) and re.fullmatch(r"\w+", own) for own in models):
        raise _damaged(path, "names models that cannot be")
    weights, segment = bag.get("weights"), bag.get("segment")
    if weights is not None and not (
        isinstance(weights, list)
        and len(weights) == len(models)
        and all(isinstance(row, list) and all(map(_is_number, row)) for row in weights)
    ):
        raise _damaged(path, "has weights that are no numbers for each model")
    if segment is not None and not (_is_number(segment) and segment > 0):
        raise _damaged(path, "has a segment that is no time")
    return dict(bag)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _damaged(path: Path, why: str) -> StemlensError:
    return StemlensError("weights_damaged", f"{path} is no description of a Demucs bag: it {why}.")
