"""Small real Demucs models with random weights, saved in the library's own formats."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs

SOURCES = ["drums", "bass", "other", "vocals"]
REVISION = "0" * 40


def tiny(klass: type = HTDemucs, sources: list[str] = SOURCES, seed: int = 0) -> Any:
    """The smallest network of a class: 8 channels, segments of a second, 8 kHz."""
    torch.manual_seed(seed)
    kwargs: dict[str, Any] = {"channels": 8, "samplerate": 8_000, "segment": 1}
    if klass is HTDemucs:
        kwargs |= {"t_layers": 1, "t_heads": 2, "bottom_channels": 16}
    return klass(sources, **kwargs)


def package(model: Any) -> dict[str, Any]:
    """What Demucs puts into a `.th` file."""
    args, kwargs = model._init_args_kwargs
    state = model.state_dict()
    return {"klass": type(model), "args": args, "kwargs": kwargs, "state": state}


def save_th(folder: Path, name: str, content: Any, *, checksum: bool = False) -> Path:
    """A `.th` file, with the checksum in its name as Demucs' own have it."""
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(content, buffer)
    sign = f"-{hashlib.sha256(buffer.getvalue()).hexdigest()[:8]}" if checksum else ""
    path = folder / f"{name}{sign}.th"
    path.write_bytes(buffer.getvalue())
    return path


def save_safetensors(path: Path, model: Any, **metadata: str) -> Path:
    """A file as the hub has them; `metadata` takes the place of what is true."""
    path.parent.mkdir(parents=True, exist_ok=True)
    args, kwargs = model._init_args_kwargs
    told = {
        "klass": f"{type(model).__module__}.{type(model).__name__}",
        "args": json.dumps(args),
        "kwargs": json.dumps(kwargs),
        **metadata,
    }
    state = {key: value.clone().contiguous() for key, value in model.state_dict().items()}
    safetensors.torch.save_file(state, path, metadata=told)
    return path


def hub_cache(cache: Path, repository: str, name: str, models: dict[str, Any]) -> Path:
    """The hub's cache with one model in it; returns the folder of its files."""
    root = cache / f"models--{repository.replace('/', '--')}"
    files = root / "snapshots" / REVISION
    files.mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(REVISION)
    (files / f"{name}.yaml").write_text(f"models: {json.dumps(list(models))}\n")
    for own, model in models.items():
        save_safetensors(files / f"{own}.safetensors", model)
    return files


def hdemucs() -> Any:
    return tiny(HDemucs)
