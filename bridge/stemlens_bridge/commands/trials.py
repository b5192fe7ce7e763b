"""`stemlens-bridge try`, `suggest` and `verify`: edits of an analysed job's stems, tried out; and
`explain`: what makes it sound like a tag, as files to listen to.

What to do stands on standard output; with `--json` it is kept in a file, from which
`stemlens-bridge ardour … --apply` and `ableton --apply` carry it out.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stemlens_bridge.commands.common import Commands, server_arguments

if TYPE_CHECKING:
    from stemlens_bridge.trials import Tried


def add(commands: Commands) -> None:
    """Defines the commands."""
    trying = commands.add_parser("try", help="tell what an edit of a stem does to the tags")
    trying.set_defaults(run=_try)
    trying.add_argument("job", help="an analysed job's id")
    trying.add_argument(
        "--edit",
        action="append",
        required=True,
        metavar="STEM:PRESET[@AMOUNT]",
        help="such as guitar:less-distorted@0.6; several are played together",
    )
    trying.add_argument(
        "--attributions", action="store_true", help="also tell how every stem's share changes"
    )
    _shared(trying)

    suggest = commands.add_parser("suggest", help="look for edits that bring a mix to a goal")
    suggest.set_defaults(run=_suggest)
    suggest.add_argument("job", help="an analysed job's id")
    suggest.add_argument(
        "--goal", required=True, metavar="GOAL", help="'+metal =happy', or a goal's name"
    )
    suggest.add_argument("--budget", type=int, metavar="N", help="taggings spent at most (2500)")
    suggest.add_argument(
        "--time", dest="time_s", type=float, metavar="SECONDS", help="search no longer than this"
    )
    for option, what in (
        ("--stems", "which stems may be edited, by name or id (all)"),
        ("--presets", "which presets may be used (all that can be heard)"),
    ):
        suggest.add_argument(option, nargs="+", default=[], metavar="NAME", help=what)
    suggest.add_argument("--most", type=int, default=5, metavar="N", help="how many are told (5)")
    _shared(suggest)

    explain = commands.add_parser("explain", help="make audible what makes a mix sound like a tag")
    explain.set_defaults(run=_explain)
    explain.add_argument("job", help="an analysed job's id")
    explain.add_argument("--tag", required=True, metavar="TAG", help="such as rock")
    explain.add_argument(
        "--top", type=int, metavar="K", help="so many stems at most (all that add for certain)"
    )
    explain.add_argument(
        "--passage",
        default="",
        metavar="START-END",
        help="in project time, such as 1:02-1:15 (where the tag is strongest)",
    )
    explain.add_argument(
        "--no-whole", dest="whole", action="store_false", help="write only the passage"
    )
    explain.add_argument(
        "--folder", type=Path, metavar="DIR", help="also copy the sounds there, to be dragged in"
    )
    _kept(explain, "keep where the sounds are here")

    verify = commands.add_parser("verify", help="tell whether a promise held in a new bounce")
    verify.set_defaults(run=_verify)
    verify.add_argument(
        "job",
        help="the analysis of the new bounce, submitted with --options "
        '\'{"same_level_as": "JOB"}\'',
    )
    verify.add_argument("--before", required=True, metavar="JOB", help="the job it was tried on")
    verify.add_argument("--request", required=True, metavar="ID", help="what it was tried as")
    verify.add_argument(
        "--rank", type=int, default=0, metavar="N", help="which suggestion was carried out (0: try)"
    )
    server_arguments(verify)


def _shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--no-render", dest="render", action="store_false", help="write no files to listen to"
    )
    _kept(parser, "keep what was tried here")


def _kept(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--request", metavar="ID", help="an id of your own; the same goes on")
    parser.add_argument("--json", type=Path, metavar="FILE", help=what)
    server_arguments(parser)


def _try(given: argparse.Namespace) -> int:
    from stemlens_bridge.commands.common import progress
    from stemlens_bridge.edits import Edit, TryOptions
    from stemlens_bridge.trials import TrialsClient
    from stemlens_bridge.writing import require_writable

    require_writable(given.json)
    edits = [Edit.from_text(text) for text in given.edit]
    options = TryOptions(render=given.render, attributions=given.attributions)
    with TrialsClient(given.server, given.transport) as client:
        tried = client.tried(given.job, edits, options, given.request, progress(sys.stderr))
    return _told(tried, given)


def _suggest(given: argparse.Namespace) -> int:
    from stemlens_bridge.commands.common import progress
    from stemlens_bridge.edits import SuggestOptions
    from stemlens_bridge.trials import TrialsClient
    from stemlens_bridge.writing import require_writable

    require_writable(given.json)
    options = SuggestOptions(
        stems=tuple(given.stems),
        presets=tuple(given.presets),
        budget=given.budget,
        time_s=given.time_s,
        most=given.most,
        render=given.render,
    )
    with TrialsClient(given.server, given.transport) as client:
        tried = client.suggested(
            given.job, given.goal, options, given.request, progress(sys.stderr)
        )
    return _told(tried, given)


def _explain(given: argparse.Namespace) -> int:
    from stemlens_bridge import jsontext, terminal
    from stemlens_bridge.commands.common import progress
    from stemlens_bridge.edits import ExplainOptions, passage_from_text
    from stemlens_bridge.explainedtable import explained_table
    from stemlens_bridge.trials import TrialsClient
    from stemlens_bridge.writing import require_folder, require_writable

    require_writable(given.json)
    if given.folder is not None:
        require_folder(given.folder)
    options = ExplainOptions(given.top, given.whole, *passage_from_text(given.passage))
    with TrialsClient(given.server, given.transport) as client:
        explained = client.explained(
            given.job, given.tag, options, given.request, progress(sys.stderr)
        )
    if given.json is not None:
        jsontext.write(given.json, explained.to_dict())
    terminal.write(explained_table(explained.sounds, width=terminal.width()))
    told = f"Explained as {explained.request}; the files are on the server's machine."
    if given.folder is not None:
        from stemlens_bridge import whysounds

        whysounds.copied(explained, given.folder)
        told = f"Explained as {explained.request}; copies of the files are in {given.folder}."
    print(told, file=sys.stderr)
    return 0


def _told(tried: Tried, given: argparse.Namespace) -> int:
    from stemlens_bridge import jsontext, terminal
    from stemlens_bridge.trialtable import trial_table

    if given.json is not None:
        jsontext.write(given.json, tried.to_dict())
    terminal.write(trial_table(tried, width=terminal.width()))
    told = f"Tried as {tried.request}; the whole is in {tried.path} on the server's machine."
    if tried.trials:
        told += (
            f" After a change: stemlens-bridge verify NEWJOB --before {tried.job} "
            f"--request {tried.request} --rank {tried.trials[0].rank}"
        )
    print(told, file=sys.stderr)
    return 0


def _verify(given: argparse.Namespace) -> int:
    from stemlens_bridge import terminal
    from stemlens_bridge.trials import TrialsClient
    from stemlens_bridge.trialtable import verified_table

    with TrialsClient(given.server, given.transport) as client:
        verified = client.verified(given.job, given.before, given.request, given.rank)
    terminal.write(verified_table(verified, width=terminal.width()))
    return 0
