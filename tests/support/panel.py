"""The panel's page alone, in its own process: `python -m support.panel OSC_PORT DATA PORT`."""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from nicegui import ui

from stemlens.service.panel.context import PanelContext
from stemlens.service.panel.page import build

if __name__ == "__main__":
    osc, data, port = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    build(PanelContext(("127.0.0.1", osc), data, None, f"http://127.0.0.1:{port}"))
    app = FastAPI()
    ui.run_with(app)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
