"""Sums on disk."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from stemlens import mixing


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="has no /proc")
def test_the_room_of_a_sum_is_taken_at_once(tmp_path: Path) -> None:
    """A file with holes, of which the disk has promised nothing, ends the process (SIGBUS) where
    the disk is full by the time that something is played into it."""
    with mixing.on_disk(tmp_path, 100_000, 2) as sums:
        assert sums.shape == (2, 100_000, 2) and not sums.any()
        taken = [
            os.stat(own).st_blocks * 512
            for own in Path("/proc/self/fd").iterdir()
            if os.path.lexists(own) and os.readlink(own).startswith(f"{tmp_path}/")
        ]
        assert taken and min(taken) >= sums.nbytes
    assert not list(tmp_path.iterdir())


def test_a_sum_that_does_not_fit_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"), mixing.on_disk(tmp_path, 1 << 42):
        pass
