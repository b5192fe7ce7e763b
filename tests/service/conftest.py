"""Fixtures of the service's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.server import ServerProcess


@pytest.fixture(scope="session")
def open_server(
    tmp_path_factory: pytest.TempPathFactory, real_weights: None
) -> Iterator[ServerProcess]:
    """A running server with a panel, both of which other machines may use."""
    data = tmp_path_factory.mktemp("open") / "data"
    where = ("--host", "0.0.0.0", "--allow-remote", "--panel-port", "0")
    with ServerProcess(data, *where) as running:
        yield running


@pytest.fixture(scope="session")
def panel(open_server: ServerProcess) -> str:
    """The address of its panel on this machine."""
    return str(open_server.until(lambda health: health["panel"])["panel"])
