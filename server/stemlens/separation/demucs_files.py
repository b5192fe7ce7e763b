"""Opens the files of a Demucs model, after checking that they hold a Demucs model and no more.

A model file names the class to make and its arguments, and Demucs calls whatever is named there.
So before anything of a file is called, the class must be one of Demucs' three, and the arguments
plain data. A `.th` file is a pickle besides: it is read by PyTorch's unpickler for weights alone,
which knows those classes and fractions, and nothing else. Whatever does not fit raises
`weights_damaged` with the file's name.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import demucs.hf
import demucs.repo
import safetensors
import torch
from demucs import states
from demucs.apply import BagOfModels
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs

from stemlens.separation.demucs_models import Files
from stemlens_bridge.errors import StemlensError

CLASSES = {f"{klass.__module__}.{klass.__name__}": klass for klass in (HTDemucs, HDemucs, Demucs)}
PLAIN = (str, int, float, bool, Fraction, type(None))
DEEPEST = 20
LOAD: Callable[[dict[str, Any]], Any] = states.load_model


def load(files: Files) -> BagOfModels:
    """The model that lies in some files, ready to separate; raises `weights_damaged`."""
    members = [_member(path) for path in files.members]
    try:
        bag = BagOfModels(members, files.weights, files.segment_s)
    except AssertionError as error:
        raise damaged(files.members[0], "its parts do not belong together") from error
    if bag.audio_channels not in (1, 2):
        raise damaged(files.members[0], f"it takes {bag.audio_channels} channels, not 1 or 2")
    bag.eval()
    return bag


def damaged(path: Path, why: str) -> StemlensError:
    """The error for a model file that cannot be used, or must not."""
    return StemlensError(
        "weights_damaged",
        f"{path} is no Demucs model that can be used: {why}. Nothing in it was run. Get the file "
        "anew, from where you trust it.",
    )


def _member(path: Path) -> Any:
    """The network in one file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of parameters that this version no longer has
            if path.suffix == ".th":
                return LOAD(_package(path))
            check_metadata(path)
            return demucs.hf.load_safetensors_model(path)
    except (RuntimeError, TypeError, ValueError, KeyError, AssertionError) as error:
        # PyTorch says this where classes and weights do not fit
        raise damaged(path, str(error).splitlines()[0].rstrip(".:")) from error


def _package(path: Path) -> dict[str, Any]:
    """What a `.th` file holds: klass, args, kwargs, state."""
    if "-" in path.stem:
        try:
            demucs.repo.check_checksum(path, path.stem.rpartition("-")[2])
        except demucs.repo.ModelLoadingError as error:
            raise damaged(path, "its content does not have the checksum in its name") from error
    try:
        with torch.serialization.safe_globals([*CLASSES.values(), Fraction]):
            package = torch.load(path, "cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        if "GLOBAL " in str(error):
            why = f"it wants {str(error).partition('GLOBAL ')[2].split()[0]}, which is no weight"
        raise damaged(path, why.rstrip(".:")) from error
    if not isinstance(package, dict) or not {"klass", "args", "kwargs", "state"} <= set(package):
        raise damaged(path, "it is not Demucs' package of klass, args, kwargs and state")
    if package["klass"] not in CLASSES.values():
        raise damaged(path, "its class is none of Demucs'")
    _require_call(path, package["args"], package["kwargs"])
    _require_state(path, package["state"])
    return package


def check_metadata(path: Path) -> None:
    """Raises `weights_damaged` unless a safetensors file describes a call of a Demucs class with
    plain data; nothing but the header is read."""
    try:
        with safetensors.safe_open(str(path), framework="np") as file:
            told = file.metadata() or {}
        args, kwargs, structure = (
            json.loads(told.get(key, missing))
            for key, missing in (("args", "null"), ("kwargs", "null"), ("structure", "null"))
        )
    except (safetensors.SafetensorError, OSError, ValueError, RecursionError) as error:
        raise damaged(path, f"its header cannot be read ({error})") from error
    if told.get("klass") not in CLASSES:
        raise damaged(path, f"its class {told.get('klass')!r} is none of Demucs'")
    _require_call(path, args, kwargs)
    for node in _nodes(structure):
        if isinstance(node, dict) and node.get("_class", next(iter(CLASSES))) not in CLASSES:
            raise damaged(path, f"its class {node['_class']!r} is none of Demucs'")
        if isinstance(node, str) and node == "__quantized":
            raise damaged(path, "its weights are packed by DiffQ, which is not supported")


def _require_call(path: Path, args: Any, kwargs: Any) -> None:
    named = isinstance(kwargs, dict) and all(isinstance(key, str) for key in kwargs)
    if not named or not isinstance(args, list | tuple):
        raise damaged(path, "it has no arguments for its class")
    if any(not isinstance(node, (*PLAIN, list, tuple, dict)) for node in _nodes([args, kwargs])):
        raise damaged(path, "its arguments are not plain data")


def _require_state(path: Path, state: Any) -> None:
    if not isinstance(state, dict) or state.get("__quantized"):
        raise damaged(path, "its weights are packed by DiffQ, which is not supported")
    if not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise damaged(path, "its weights are no tensors")


def _nodes(tree: Any, depth: int = 0) -> list[Any]:
    """All that is in nested lists and dicts, keys too; raises ValueError where that has no end."""
    if depth > DEEPEST:
        raise ValueError("it is nested too deeply")
    inside: list[Any] = []
    if isinstance(tree, dict):
        inside = [*tree.keys(), *tree.values()]
    elif isinstance(tree, list | tuple):
        inside = list(tree)
    return [tree, *(node for part in inside for node in _nodes(part, depth + 1))]
