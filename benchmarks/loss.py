"""Sessions over a network that loses, doubles and reorders datagrams, in both directions. Prints
JSON: for each probability of loss how many datagrams were lost, doubled and overtaken, how many
jobs came whole, and the seconds from a job's first message to its whole result.

`python -m benchmarks.loss [JOBS] [SEED]`. A job is whole when every message that the server makes
of the result's file has come, with the same numbers. Without loss the relay is there all the same.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from tests.support.badnet import BadNet

from benchmarks.kill_rounds import session
from benchmarks.serving import serving
from stemlens.service.delivery import result_messages
from stemlens_bridge.client import Client, Results, new_job_id
from stemlens_bridge.protocol import Options

LOSSES = (0.0, 0.1, 0.3)
TAGS = 50  # all of them, so that a result has many messages


def is_the_file_s(results: Results) -> bool:
    """Whether what came is what the result's file says, message by message."""
    document = json.loads(Path(results.path).read_text())
    sent = result_messages(results.job, document, TAGS)
    came = [message for _, message in sorted(results.messages.items())]
    return [message.encode() for message in came] == [message.encode() for message in sent]


def over(net: BadNet, folder: Path, jobs: int, seed: int) -> dict[str, Any]:
    """So many jobs through one network."""
    took, whole, messages = [], 0, 0
    for number in range(jobs):
        job = new_job_id("loss")
        stems = session(folder / job, seed + number)
        began = time.perf_counter()
        with Client(net.address) as client:
            client.submit(stems, Options(tags=TAGS), job)
            results = client.follow(job)
        took.append(time.perf_counter() - began)
        whole += is_the_file_s(results)
        messages += len(results.messages)
    return {
        "jobs": jobs,
        "whole": whole,
        "messages_a_job": messages / jobs,
        "median_s": median(took),
        "worst_s": max(took),
        "lost": net.lost,
        "doubled": net.doubled,
        "overtaken": net.reordered,
    }


def main(jobs: int, seed: int) -> None:
    found = {}
    with tempfile.TemporaryDirectory() as name, serving(Path(name) / "data") as running:
        folder = Path(name)
        with BadNet(running.address, 0.0, seed) as net:
            over(net, folder, 1, seed)  # the worker has started
        for turn, loss in enumerate(LOSSES, 1):
            with BadNet(running.address, loss, seed) as net:
                found[f"{loss:.0%}"] = over(net, folder, jobs, seed + turn * 10_000)
    print(json.dumps(found))


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:]]
    main(*(numbers + [30, 0][len(numbers) :]))
