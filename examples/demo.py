"""The demo from end to end: a server, the bridge, the demo session, a table, a suggestion, and a
page about all of it.

Starts a server of its own on a free port, has the bridge submit `examples/demo` to it over OSC as a
DAW script would, asks for one change that brings the mix nearer to a goal, makes a page that can be
read and heard, and stops the server again. Run by `make demo`.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

from stemlens_bridge.client import new_job_id

HERE = Path(__file__).resolve().parent
WORK = HERE.parent / "build" / "demo"
TAGGER = "mtt-musicnn"  # knows instruments and voices, which the demo session is about
GOAL = "+rock -techno"
BUDGET = 400  # taggings, so that it takes some ten seconds


def main() -> int:
    """Runs the demo; returns the exit code of the last command."""
    WORK.mkdir(parents=True, exist_ok=True)
    stemlens = [sys.executable, "-m", "stemlens"]
    pull = subprocess.run([*stemlens, "models", "pull", TAGGER], stdout=subprocess.DEVNULL)
    if pull.returncode:
        return pull.returncode
    with (WORK / "server.log").open("w") as log:
        data = ["--data", str(WORK / "data")]
        server = subprocess.Popen(
            [*stemlens, "serve", "--port", "0", "--no-panel", *data, "--allow", str(HERE)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert server.stdout is not None
        ready = server.stdout.readline()
        port = re.search(r":(\d+)", ready)
        if port is None:
            print(f"The server did not start; {WORK / 'server.log'} says why.", file=sys.stderr)
            return 1
        print(f"$ stemlens serve\n{ready}")
        where = ["--server", f"127.0.0.1:{port[1]}"]
        bridge = [sys.executable, "-m", "stemlens_bridge.cli"]
        job = new_job_id("demo")
        result, tried = WORK / "result.json", WORK / "tried.json"
        print(f"$ stemlens-bridge submit examples/demo --tagger {TAGGER} --json result.json")
        asked = ["--job", job, "--tagger", TAGGER, "--json", str(result)]
        done = subprocess.run([*bridge, "submit", str(HERE / "demo"), *where, *asked])
        if done.returncode:
            return done.returncode
        print(f"\n$ stemlens-bridge suggest {job} --goal '{GOAL}' --most 1", flush=True)
        asked = ["--goal", GOAL, "--most", "1", "--budget", str(BUDGET), "--json", str(tried)]
        done = subprocess.run([*bridge, "suggest", job, *where, *asked])
        if done.returncode:
            return done.returncode
        page = WORK / "report.html"
        print("\n$ stemlens report result.json --trials trials.json -o report.html", flush=True)
        trials = json.loads(tried.read_text())["path"]  # where the server keeps them
        asked = [str(result), "--trials", trials, "-o", str(page)]
        done = subprocess.run([*stemlens, "report", *asked])
        if not done.returncode:
            print(f"To be read and heard in a browser: {page}")
        return done.returncode
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


if __name__ == "__main__":
    sys.exit(main())
