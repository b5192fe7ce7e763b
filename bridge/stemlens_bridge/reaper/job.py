"""One job of a REAPER project on its way through the server, told in the mailbox as it goes.

Each job has a thread of its own, because following one blocks. Its state is one small record that
is rewritten whole: at once when something changes for good, a few times a second for progress.
States are those of the server (`queued`, `running`, `done`, `failed`, `cancelled`); the first final
state that is told stands.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stemlens_bridge import keys
from stemlens_bridge.client import Client, Results
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Options
from stemlens_bridge.reaper.mailbox import Mailbox
from stemlens_bridge.session import Session

log = logging.getLogger(__name__)

TELL_EVERY_S = 0.25
QUIET_S = 3.0  # progress comes once a second; after so long the server is asked whether it is there
PING_S = 2.0
CANCEL_PATIENCE_S = 3.0


class Job:
    """One job. `submit` is the request {"session": path, "options": {…}} that began it, None where
    only the server may remember; with `again` the server is asked first."""

    def __init__(
        self,
        mailbox: Mailbox,
        server: tuple[str, int],
        transport: str,
        job: str,
        submit: Mapping[str, Any] | None,
        again: bool = False,
    ) -> None:
        self.job = job
        self._mailbox = mailbox
        self._server, self._transport = server, transport
        self._submit, self._again = submit, again
        self._state: dict[str, Any] = {"job": job, "state": "queued", "fraction": 0.0}
        self._lock = threading.Lock()
        self._told = 0.0
        self._heard: float | None = None  # None while the server has nothing to say
        self._asking = False
        self._unwritten = False
        self._ended = threading.Event()
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"job {job}", daemon=True)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return not self._ended.is_set()

    @property
    def settled(self) -> bool:
        """Whether it has ended and the mailbox says so."""
        return self._ended.is_set() and not self._unwritten

    def start(self) -> None:
        """Tells the first state and sets off."""
        self._tell(stage="checking the bounce" if self._submit and not self._again else "asking")
        self._thread.start()

    def cancel(self) -> None:
        """Ends the job here at once, and at the server as soon as that hears of it."""
        self._cancelled.set()
        submitted = self._heard is not None or not self._thread.is_alive()
        self._end("cancelled")
        if submitted:  # else the thread cancels it when it has been submitted
            aside(self._cancel_at_server)

    def watch(self) -> None:
        """To be called once a second: tells what found no room on the disk before, and that the
        server has gone silent."""
        if self._unwritten:
            with self._lock:
                self._write()
        quiet = self._heard is not None and time.monotonic() - self._heard > QUIET_S
        if quiet and self.running and not self._asking:
            self._asking = True
            aside(self._ask)

    # ------------------------------------------------------------------ the job's own thread

    def _run(self) -> None:
        try:
            findings = self._findings()
            if not self._cancelled.is_set():
                name = self._mailbox.write_findings(self.job, findings)
                self._end("done", fraction=1.0, findings=name)
        except StemlensError as error:
            log.info("%s: %s [%s]", self.job, error, error.code)
            if error.code == "cancelled":
                self._end("cancelled")
            else:
                self._end("failed", code=error.code, message=error.message)
        except Exception as error:
            log.exception("%s", self.job)
            message = f"Something went wrong in the bridge ({error}); its log says more."
            self._end("failed", code="internal", message=message)

    def _findings(self) -> dict[str, Any]:
        session: Session | None = None
        warnings: list[tuple[str, str]] = []
        results: Results | None = None
        if self._again or self._submit is None:
            try:
                results = self._followed(None, Options())
            except StemlensError as error:
                if error.code != "job_unknown" or self._submit is None:
                    raise
        if results is None:
            assert self._submit is not None
            from stemlens_bridge.reaper import bounce

            session = Session.read(Path(self._submit["session"]))
            options = session.options(Options.from_dict(self._submit.get("options") or {}))
            warnings = bounce.check(session)
            results = self._followed(session, options)
        found = _read(results, session)
        ours = [{"code": code, "message": message} for code, message in warnings]
        return {**found, "warnings": [*found["warnings"], *ours]}

    def _followed(self, session: Session | None, options: Options) -> Results:
        with Client(self._server, self._transport) as client:
            if session is not None:
                if self._cancelled.is_set():
                    raise StemlensError("cancelled", "The job was cancelled.")
                places = self._sent(session)
                self._tell(stage="submitting")
                state = client.submit(session, options, self.job, places)
                self._tell(state=state.state if state.state == "queued" else "running", stage="")
            self._heard = time.monotonic()
            if self._cancelled.is_set():
                client.cancel(self.job, CANCEL_PATIENCE_S)
            return client.follow(self.job, self._progress)

    def _sent(self, session: Session) -> dict[Path, str]:
        """Where the server has the session's files: those on this machine, but for a server on
        another, to which they are sent."""
        if self._server[0] in keys.LOOPBACK:
            return {}
        from stemlens_bridge.upload import upload

        def tell(stage: str, fraction: float) -> None:
            if self._cancelled.is_set():
                raise StemlensError("cancelled", "The job was cancelled.")
            self._tell(progress=True, state="running", stage=stage, fraction=fraction)

        return upload(session, self._server, self._transport, tell)

    def _progress(self, stage: str, fraction: float) -> None:
        self._heard = time.monotonic()
        self._tell(progress=True, state="running", stage=stage, fraction=fraction, message=None)

    # ------------------------------------------------------------------ beside it

    def _cancel_at_server(self) -> None:
        with Client(self._server, self._transport) as client:
            client.cancel(self.job, CANCEL_PATIENCE_S)

    def _ask(self) -> None:
        try:
            with Client(self._server, self._transport) as client:
                client.ping(PING_S)
            self._tell(message=None)
            self._heard = time.monotonic()
        except StemlensError:
            host, port = self._server
            self._tell(
                message=f"The server at {host}:{port} does not answer at the moment; if it was "
                "stopped, start it again ('stemlens serve'), it goes on where it was."
            )
        finally:
            self._asking = False

    # ------------------------------------------------------------------ what is told

    def _tell(self, progress: bool = False, **changes: Any) -> None:
        """Takes changes into the state and writes it, mere progress only now and then."""
        with self._lock:
            if self._ended.is_set():
                return
            known = {key: self._state.get(key) for key in changes}
            self._state |= changes
            now = time.monotonic()
            stage_too = changes.get("stage", known.get("stage")) != known.get("stage")
            if known == changes or (progress and not stage_too and now - self._told < TELL_EVERY_S):
                return
            self._told = now
            self._write()

    def _end(self, state: str, **changes: Any) -> None:
        with self._lock:
            if self._ended.is_set():
                return
            self._state |= {"message": None, **changes, "state": state}
            self._write()
            self._mailbox.forget(self.job)
            self._ended.set()

    def _write(self) -> None:
        try:
            self._mailbox.write_job(self.job, self._state)
            self._unwritten = False
        except StemlensError as error:
            if not self._unwritten:
                log.error("%s", error)
            self._unwritten = True


def aside(work: Callable[[], object]) -> threading.Thread:
    """Runs `work` in a thread of its own; what goes wrong is logged."""

    def run() -> None:
        try:
            work()
        except StemlensError as error:
            log.info("%s [%s]", error, error.code)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def _read(results: Results, session: Session | None) -> dict[str, Any]:
    """The findings as plain data: from the server's result file, else from what came over OSC."""
    from stemlens_bridge.findings import Findings

    try:
        return dict(Findings.read(Path(results.path)).to_dict(), job=results.job)
    except StemlensError:
        if session is None:
            raise
        return Findings.from_results(results, session).to_dict()
