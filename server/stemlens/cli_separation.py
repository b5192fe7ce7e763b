"""The command `stemlens separate`, and what `stemlens models list` says of separators."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from stemlens import audio, separation
from stemlens.audio import MAX_DURATION_S
from stemlens.cli_common import (
    DEFAULTS,
    DEVICES,
    Device,
    MaxMinutes,
    choice,
    progress_bars,
)
from stemlens.separation import demucs_models
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.session import FILE_NAME
from stemlens_bridge.writing import failed, require_writable


def add(app: typer.Typer) -> None:
    """Defines the command."""
    app.command()(separate)


def separate(
    mix: Annotated[Path, typer.Argument(help="The mix, any audio file.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Where the stems go.")
    ],
    model: Annotated[
        str,
        typer.Option(
            help="A name of 'stemlens models list', hf://NAME, or a folder.",
            callback=separation.typed,
        ),
    ] = DEFAULTS.separator,
    device: Device = "auto",
    force: Annotated[
        bool, typer.Option("--force", help="Write over what is there by the same names.")
    ] = False,
    max_minutes: MaxMinutes = MAX_DURATION_S / 60,
) -> None:
    """Make stems out of a mix: one float WAV each, and a session.json beside them."""
    from stemlens import separating  # scipy's filters come with it, which take long to load
    from stemlens.separation.trust import LOW_TRUST, assess

    choice(device, DEVICES, "--device")
    clip = audio.read(mix, max_duration_s=60 * max_minutes)
    known = demucs_models.MODELS.get(model)
    _require_room(output, mix, known.stems if known else (), force)  # before a model is fetched
    with progress_bars() as show:
        show("loading the separator", 0.0)
        loaded = separation.load(model, device)
        show("loading the separator", 1.0)
        _require_room(output, mix, loaded.stems, force)
        made = separating.separate(
            loaded, clip.samples, clip.sample_rate, lambda done: show("separating", done)
        )
        looking = partial(show, "looking for traces")
        trusts = assess(clip.samples, made, clip.sample_rate, looking)
    session = separating.write(
        output, made, clip.sample_rate, model, trusts, project=mix.stem, mix=mix.absolute()
    )
    for stem, samples, trust in zip(session.stems, made.values(), trusts, strict=True):
        loudness = audio.loudness(audio.to_stereo(samples), clip.sample_rate)
        told = "quiet" if loudness is None else f"{loudness:.1f} LUFS"
        print(f"{stem.name:<16} {told:>11}  trust {100 * trust.value:3.0f} %  {stem.path}")
        if trust.value < LOW_TRUST:
            print(f"{'':<16} {trust.reason}")
    silent = [name for name in loaded.stems if name not in made]
    if silent:
        print(f"Silent, and left out: {', '.join(silent)}.", file=sys.stderr)


def _require_room(output: Path, mix: Path, stems: Iterable[str], force: bool) -> None:
    """Raises `output_failed` where the stems would take the mix's own place, or, without `force`,
    that of anything else; and for a folder that cannot be written to."""
    from stemlens import separating

    places = [output / FILE_NAME, *(output / f"{separating.file_name(name)}.wav" for name in stems)]
    for place in places:
        if place.exists() and place.samefile(mix):
            raise StemlensError(
                "output_failed",
                f"A stem would be written over the mix, {mix}. Choose another folder with -o.",
            )
        if place.exists() and not force:
            raise StemlensError(
                "output_failed", f"{place} exists already. Choose another folder, or --force."
            )
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise failed(output, error) from error
    require_writable(*places)


def listed() -> list[str]:
    """A line for each separator: whether it is here, its size and its stems; then the terms."""
    lines = []
    for name, model in demucs_models.MODELS.items():
        state = "here" if demucs_models.is_there(name) else f"to fetch, about {model.megabytes} MB"
        lines.append(f"{name:<14} {state:<24} {', '.join(model.stems)}: {model.note}")
    for name in separation.names():
        if name == separation.QUERY:
            found = separation.query_network()
            lines.append(f"{'query:WORDS':<14} {found or 'needs SAM-Audio or AudioSep'}")
        elif name not in demucs_models.MODELS:
            lines.append(f"{name:<14} installed")
    return [*lines, f"Terms of the Demucs models: {demucs_models.TERMS}."]
