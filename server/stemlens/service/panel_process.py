"""The panel's process: a page for a second screen beside the DAW, and uploads from other machines.
A client of the server like any other, so that whatever happens here, no job notices.

`python -m stemlens.service.panel_process` reads one line of JSON from standard input: `host` and
`osc_port` (of the server, and `host` is where this listens too), `data` (the server's folder),
`places` (the folders that it may read), `port` (0: any), `upload_gb` and `spare_gb`; it ends when
standard input closes, which is when the server is gone. It says one line of JSON:
`{"event": "ready", "url": …}`, or `{"event": "failed", "why": …}` before it ends. The key for other
machines, if there is one, is in the file that STEMLENS_KEY names.
"""

from __future__ import annotations

import faulthandler
import json
import os
import socket
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any, TextIO


def main(told: dict[str, Any], events: TextIO) -> None:
    """Serves the page until the process ends."""
    host = told["host"]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:  # whoever comes before the page is ready waits
        listening = socket.create_server((host, told["port"]), family=family, backlog=128)
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

    from stemlens.service import upload_routes
    from stemlens.service.hosts import near
    from stemlens.service.panel import saving
    from stemlens.service.panel.guard import Guard
    from stemlens.service.panel.library import Library
    from stemlens.service.panel.listening import routes
    from stemlens.service.panel.page import build
    from stemlens.service.panel.sounds import Sounds
    from stemlens.service.places import Places
    from stemlens.service.store import Store
    from stemlens.service.uploads import Uploads, folder_of
    from stemlens_bridge import keys

    near_host = near(host)
    url = f"http://[{near_host}]:{port}" if ":" in near_host else f"http://{near_host}:{port}"
    data = Path(told["data"])
    sounds = Sounds(data, Places(map(Path, told["places"])))
    build((near_host, told["osc_port"]), data, sounds)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(routes(sounds))
    app.include_router(saving.routes(Library(data), sounds))

    def needed() -> set[str]:
        with closing(Store.reading(data / "jobs.sqlite3")) as store:
            return store.needed()

    uploads = Uploads(folder_of(data), told["upload_gb"], told["spare_gb"], needed)
    upload_routes.add_to(app, uploads)
    ui.run_with(app)
    guarded = Guard(app, keys.of_user(near_host))
    serving = uvicorn.Server(uvicorn.Config(guarded, log_level="warning", proxy_headers=False))
    print(json.dumps({"event": "ready", "url": url}), file=events, flush=True)
    serving.run(sockets=[listening])


def end_with_server() -> None:
    """Ends the process when standard input closes."""
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    own_events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    faulthandler.enable()
    first = json.loads(sys.stdin.readline())
    threading.Thread(target=end_with_server, daemon=True).start()
    main(first, own_events)
