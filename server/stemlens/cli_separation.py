"""The command `stemlens separate`, and what `stemlens models list` says of separators."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer

from stemlens import audio, separating, separation
from stemlens.audio import MAX_DURATION_S
from stemlens.separation import demucs_models
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import FILE_NAME

Bars = Callable[[], AbstractContextManager[Callable[[str, float], None]]]


def add(app: typer.Typer, bars: Bars) -> None:
    """Defines the command; `bars` shows the progress of stages."""

    @app.command()
    def separate(
        mix: Annotated[Path, typer.Argument(help="The mix, any audio file.")],
        output: Annotated[
            Path, typer.Option("-o", "--output", metavar="DIR", help="Where the stems go.")
        ],
        model: Annotated[
            str, typer.Option(help="A name of 'stemlens models list', hf://NAME, or a folder.")
        ] = Options().separator,
        device: Annotated[
            str, typer.Option(help="Where the network runs: auto, cpu, cuda, mps.")
        ] = "auto",
        force: Annotated[
            bool, typer.Option("--force", help="Write over what is there by the same names.")
        ] = False,
        max_minutes: Annotated[
            float, typer.Option(min=0.1, help="Longer files are refused, minutes.")
        ] = MAX_DURATION_S / 60,
    ) -> None:
        """Make stems out of a mix: one float WAV each, and a session.json beside them."""
        if (output / FILE_NAME).exists() and not force:
            raise StemlensError(
                "output_failed",
                f"{output} holds a session already. Choose another folder, or --force.",
            )
        clip = audio.read(mix, max_duration_s=60 * max_minutes)
        with bars() as show:
            show("loading the separator", 0.0)
            loaded = separation.load(model, device)
            show("loading the separator", 1.0)
            made = separating.separate(
                loaded, clip.samples, clip.sample_rate, lambda done: show("separating", done)
            )
        session = separating.write(
            output, made, clip.sample_rate, model, project=mix.stem, mix=mix.absolute()
        )
        for stem, samples in zip(session.stems, made.values(), strict=True):
            loudness = audio.loudness(audio.to_stereo(samples), clip.sample_rate)
            told = "quiet" if loudness is None else f"{loudness:.1f} LUFS"
            print(f"{stem.name:<16} {told:>11}  {stem.path}")
        silent = [name for name in loaded.stems if name not in made]
        if silent:
            print(f"Silent, and left out: {', '.join(silent)}.", file=sys.stderr)


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
