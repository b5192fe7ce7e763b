"""Urgent work overtakes what waits; results, errors and threads go where they belong."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time

import pytest
import torch

from stemlens.tagging.lanes import Lanes, urgent


@pytest.fixture
def lanes():
    made = Lanes(2)
    yield made
    made.close()


def hold(lanes: Lanes, threads: int) -> threading.Event:
    """Keeps all threads busy until the event is set."""
    release, busy = threading.Event(), threading.Barrier(threads + 1)

    def piece() -> None:
        busy.wait(10)
        assert release.wait(10)

    for _ in range(threads):
        lanes.submit(piece)
    busy.wait(10)
    return release


def test_urgent_work_overtakes_what_waits():
    lanes = Lanes(1)
    release = hold(lanes, 1)
    order: list[str] = []
    futures = [lanes.submit(order.append, f"job {n}") for n in range(3)]
    with urgent():
        futures += [lanes.submit(order.append, f"move {n}") for n in range(3)]
    futures += [lanes.submit(order.append, "job 3")]
    release.set()
    for future in futures:
        future.result(10)
    assert order == ["move 0", "move 1", "move 2", "job 0", "job 1", "job 2", "job 3"]
    lanes.close()


def test_a_move_in_one_thread_overtakes_a_map_in_another():
    """A job of 100 pieces is at work; a move waits for about one of them, not for the rest."""
    lanes = Lanes(2)
    done: list[int] = []

    def piece(number: int) -> None:
        time.sleep(0.01)
        done.append(number)

    job = threading.Thread(target=lambda: lanes.map(piece, range(100)))
    job.start()
    while len(done) < 4:
        time.sleep(0.001)
    with urgent():
        before = lanes.map(lambda _: len(done), range(4))
    assert max(before) < 50
    job.join()
    assert sorted(done) == list(range(100))
    lanes.close()


def test_urgency_ends_with_its_block_and_stays_in_its_thread():
    lanes = Lanes(1)
    release = hold(lanes, 1)
    order: list[str] = []
    with urgent(), urgent():
        pass
    lanes.submit(order.append, "first")
    with urgent():
        other = threading.Thread(target=lambda: lanes.submit(order.append, "second"))
        other.start()
        other.join()
    last = lanes.submit(order.append, "third")
    release.set()
    last.result(10)
    assert order == ["first", "second", "third"]
    lanes.close()


def test_results_come_in_the_order_of_the_items(lanes):
    def slow_first(number: int) -> int:
        time.sleep(0.02 if number == 0 else 0)
        return number * number

    assert lanes.map(slow_first, range(10)) == [n * n for n in range(10)]
    assert lanes.map(slow_first, []) == []


def test_the_first_error_is_raised_and_nothing_is_begun_after_it():
    lanes = Lanes(1)
    begun: list[int] = []

    def fails(number: int) -> None:
        begun.append(number)
        time.sleep(0.002)
        if number >= 2:
            raise ValueError(number)

    with pytest.raises(ValueError, match="2"):
        lanes.map(fails, range(1000))
    assert len(begun) < 1000
    with pytest.raises(KeyError):
        lanes.submit(lambda: {}["no"]).result(10)
    assert lanes.map(str, range(2)) == ["0", "1"]  # and the threads go on
    lanes.close()


def test_map_inside_a_piece_of_the_same_lanes_does_not_wait_for_itself(lanes):
    nested = lanes.map(lambda n: sum(lanes.map(lambda m: n * m, range(4))), range(8))
    assert nested == [6 * n for n in range(8)]


def test_the_threads_compute_on_one_core_and_others_as_before():
    before = torch.get_num_threads()
    lanes = Lanes(3)
    assert torch.get_num_threads() == before
    barrier = threading.Barrier(3)

    def threads(_: int) -> int:
        barrier.wait(10)  # so that each thread gets one
        return torch.get_num_threads()

    assert lanes.map(threads, range(3)) == [1, 1, 1]
    lanes.close()


def test_threads_end_with_their_lanes():
    lanes = Lanes(2)
    threads = list(lanes._threads)
    del lanes
    gc.collect()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_closed_lanes_cancel_what_waits_and_take_no_more():
    lanes = Lanes(1)
    release = hold(lanes, 1)
    waiting = lanes.submit(lambda: None)
    closing = threading.Thread(target=lanes.close)
    closing.start()
    while not waiting.cancelled():
        time.sleep(0.001)
    release.set()
    closing.join(10)
    with pytest.raises(RuntimeError):
        lanes.submit(lambda: None)


def test_the_interpreter_ends_while_work_waits():
    code = (
        "import time\n"
        "from stemlens.tagging.lanes import Lanes\n"
        "lanes = Lanes(2)\n"
        "for _ in range(10_000): lanes.submit(time.sleep, 0.02)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
