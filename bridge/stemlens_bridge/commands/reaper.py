"""`stemlens-bridge reaper install`, `uninstall` and `agent`."""

from __future__ import annotations

import argparse
from pathlib import Path

from stemlens_bridge.commands.common import Commands, server_arguments


def add(commands: Commands) -> None:
    """Defines the three commands."""
    reaper = commands.add_parser("reaper", help="brings Stemlens into REAPER")
    kinds = reaper.add_subparsers(metavar="WHAT", required=True)

    install = kinds.add_parser("install", help="puts the actions into REAPER")
    install.set_defaults(run=_install)
    uninstall = kinds.add_parser("uninstall", help="takes them out again")
    uninstall.set_defaults(run=_uninstall)
    for command in (install, uninstall):
        command.add_argument(
            "--resource-path",
            type=Path,
            metavar="DIR",
            help="REAPER's resource folder, where it is not the usual one (a portable install); "
            "REAPER shows it by Options → Show REAPER resource path",
        )

    agent = kinds.add_parser("agent", help="answers REAPER's scripts; they start it themselves")
    agent.set_defaults(run=_agent)
    agent.add_argument("--mailbox", type=Path, required=True, metavar="DIR")
    server_arguments(agent)


def _install(given: argparse.Namespace) -> int:
    from stemlens_bridge.reaper import install

    for sentence in install.install(install.resource_folder(given.resource_path)):
        print(sentence)
    return 0


def _uninstall(given: argparse.Namespace) -> int:
    from stemlens_bridge.reaper import install

    for sentence in install.uninstall(install.resource_folder(given.resource_path)):
        print(sentence)
    return 0


def _agent(given: argparse.Namespace) -> int:
    import signal
    import threading

    from stemlens_bridge.reaper import agent

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    if not agent.serve(given.mailbox, given.server, given.transport, stop):
        print("Another agent serves this mailbox already.")
    return 0
