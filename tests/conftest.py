"""Fixtures of the whole suite: one server that many tests use, and stems for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in the worker, and before numpy is loaded

import hypothesis
import pytest
from support.server import ServerProcess
from support.sounds import stem_folder

from stemlens.tagging import weights

# A suite that is run in the background inherits "ignore Ctrl-C", and so would the commands whose
# Ctrl-C is tested.
signal.signal(signal.SIGINT, signal.default_int_handler)

# CI's cores are shared: a slow example is no failure.
hypothesis.settings.register_profile("stemlens", deadline=None, max_examples=60)
hypothesis.settings.load_profile("stemlens")


@pytest.fixture(scope="session", autouse=True)
def own_scores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps the scores of commands that tests run away from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEMLENS_SCORES", str(tmp_path_factory.mktemp("scores") / "scores.sqlite3"))
        yield


@pytest.fixture(scope="session")
def real_weights() -> None:
    """The default tagger's weights, fetched if need be."""
    weights.pull("msd-musicnn")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, real_weights: None) -> Iterator[ServerProcess]:
    """A running server; tests that kill or fill one start their own."""
    with ServerProcess(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def stems(tmp_path: Path) -> Path:
    """A folder with two short stems."""
    return stem_folder(tmp_path / "stems")
