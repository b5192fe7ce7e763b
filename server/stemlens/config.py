"""The configuration file: what a command's options are where the command line says nothing.

One TOML file, `config.toml` in the user's configuration folder, or the one named by `--config`. Its
keys are the names of the options (`memory_gb` for `--memory-gb`), so that the command itself is the
table from which the file is checked and `--print-config` is written; there is no other list.
"""

from __future__ import annotations

import difflib
import json
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import platformdirs
import typer
from typer.core import TyperCommand

from stemlens_bridge.errors import StemlensError

OWN = ("config_file", "print_config", "help")  # options about the file itself
WIDTH = 78


def default_path() -> Path:
    """Where the file is looked for."""
    return Path(platformdirs.user_config_dir("stemlens")) / "config.toml"


def configured(ctx: typer.Context, named: Path | None) -> Path | None:
    """The callback of `--config`, which must be eager: takes the options' defaults from the file.

    Raises `config_invalid`; a file that is not named need not be there.
    """
    path = named or default_path()
    if named is None and not path.is_file():
        return None
    ctx.default_map = read(path, ctx)
    return path


def read(path: Path, ctx: typer.Context) -> dict[str, Any]:
    """What a file says of the options of a command, checked; raises `config_invalid`."""
    try:
        with path.open("rb") as file:
            given = tomllib.load(file)
    except OSError as error:
        raise _invalid(path, f"it cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _invalid(path, f"it is not TOML: {error}") from error
    known = _options(ctx.command)
    for key, value in given.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise _invalid(path, f"there is no option {key!r}; {hint}")
        if isinstance(value, dict) or isinstance(value, list) != known[key].multiple:
            kind = "a list" if known[key].multiple else "one value"
            raise _invalid(path, f"{key} must be {kind}")
        if isinstance(value, bool) != known[key].is_flag:
            kind = "true or false" if known[key].is_flag else "no flag"
            raise _invalid(path, f"{key} is {json.dumps(value)}; it must be {kind}")
        try:
            known[key].process_value(ctx, value)
        except typer.BadParameter as error:
            raise _invalid(path, f"{key} is {json.dumps(value)}: {error.message}") from error
    return given


def without_words(command: TyperCommand, path: Path) -> dict[str, Any]:
    """The options of a command that is given no other option than this file; raises
    `config_invalid`."""
    with command.make_context(command.name, ["--config", str(path)]) as ctx:
        return ctx.params


def text(ctx: typer.Context) -> Iterator[str]:
    """The configuration in force as lines of such a file: every option with what it means, as a
    comment where it is as it would be without the file."""
    yield "# Options of 'stemlens serve'. Take the # away from what you change; the file belongs to"
    yield f"# {default_path()}"
    for name, option in _options(ctx.command).items():
        yield ""
        yield from textwrap.wrap(
            option.help or "", WIDTH, initial_indent="# ", subsequent_indent="# "
        )
        value, default = ctx.params[name], option.default
        plain = _plain(value)
        same = plain == _plain(default) or value in (None, [], ())
        told = "" if plain is None else json.dumps(plain, ensure_ascii=False)
        yield f"#{name} = {told}" if same else f"{name} = {told}"


def table(command: Any) -> Iterator[str]:
    """The same as a table for `docs/operation.md`, with the defaults."""
    yield "| option | default | meaning |"
    yield "|---|---|---|"
    for name, option in _options(command).items():
        shown = option.show_default
        plain = _plain(option.default)
        if not isinstance(shown, str):
            shown = "" if plain in (None, []) else f"`{json.dumps(plain)}`"
        yield f"| `{name}` | {shown} | {option.help} |"


def _options(command: Any) -> dict[str, Any]:
    return {option.name or "": option for option in command.params if option.name not in OWN}


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _invalid(path: Path, why: str) -> StemlensError:
    return StemlensError("config_invalid", f"{path}: {why}. All options are in docs/operation.md.")
