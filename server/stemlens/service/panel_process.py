"""The panel's process: a page for a second screen beside the DAW. A client of the server like any
other, so that whatever happens here, no job notices.

`python -m stemlens.service.panel_process` reads one line of JSON from standard input: `osc_port`,
`data` (the server's folder) and `port` (0: any); it ends when standard input closes, which is when
the server is gone. It says one line of JSON: `{"event": "ready", "url": …}`, or
`{"event": "failed", "why": …}` before it ends. It listens on 127.0.0.1 alone.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

HOST = "127.0.0.1"


def main(told: dict[str, Any], events: TextIO) -> None:
    """Serves the page until the process ends."""
    listening = socket.socket()
    if sys.platform != "win32":
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, told["port"]))
        listening.listen()  # whoever comes before the page is ready waits
    except OSError as error:
        why = f"port {told['port']} cannot be had ({error.strerror}); choose another: --panel-port"
        print(json.dumps({"event": "failed", "why": why}), file=events, flush=True)
        sys.exit(1)
    port = listening.getsockname()[1]
    # What NiceGUI remembers of a page goes there, should it ever do so, and not where we stand.
    os.environ["NICEGUI_STORAGE_PATH"] = str(Path(told["data"]) / "panel")

    import uvicorn
    from fastapi import FastAPI
    from nicegui import ui

    from stemlens.service.panel.guard import Guard
    from stemlens.service.panel.listening import routes
    from stemlens.service.panel.page import build
    from stemlens.service.panel.sounds import Sounds

    url = f"http://{HOST}:{port}"
    sounds = Sounds(Path(told["data"]))
    build((HOST, told["osc_port"]), Path(told["data"]), sounds)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(routes(sounds))
    ui.run_with(app)
    guarded = Guard(app, tuple(f"{name}:{port}" for name in (HOST, "localhost")))
    serving = uvicorn.Server(uvicorn.Config(guarded, log_level="warning"))
    print(json.dumps({"event": "ready", "url": url}), file=events, flush=True)
    serving.run(sockets=[listening])


def end_with_server() -> None:
    """Ends the process when standard input closes."""
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    own_events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    first = json.loads(sys.stdin.readline())
    threading.Thread(target=end_with_server, daemon=True).start()
    main(first, own_events)
