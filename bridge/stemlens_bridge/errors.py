"""Every error that Stemlens can tell a user, as a code and a sentence.

A `StemlensError` is raised where the cause is known, travels unchanged (in Python, in a job's
record, as `/stemlens/error` over OSC) and is shown once. The code is for programs and is one of
`CODES`; the message is for people: it names the file or the option and says what to do.
"""

from __future__ import annotations

CODES: dict[str, str] = {
    # audio files
    "audio_missing": "the file does not exist",
    "audio_unreadable": "the file exists but may not be read, or is not a regular file",
    "audio_empty": "the file has no samples",
    "audio_not_audio": "the file is in no format that can be read",
    "audio_truncated": "the file ends before its header says it does",
    "audio_not_finite": "the file has NaN or infinite samples",
    "audio_too_long": "the file is longer than the limit",
    # sessions
    "session_invalid": "session.json, the folder or the stems do not make a session",
    # taggers
    "tagger_unknown": "no tagger has that name",
    "weights_missing": "the tagger's weights are not there and could not be fetched",
    "weights_damaged": "the tagger's weights do not have the expected content",
    "device_unavailable": "this machine has no such compute device",
    "extra_missing": "a part of Stemlens that this command needs is not installed",
    # jobs and messages
    "bad_message": "an OSC message that cannot be understood",
    "unknown_address": "an OSC address that is not in the protocol",
    "bad_options": "an option is unknown or has an impossible value",
    "job_unknown": "no job has that id",
    "job_exists": "a job with that id exists and has other content",
    "missing_stems": "fewer stems have arrived than were announced",
    "path_not_allowed": "the file lies outside the folders that the server may read",
    "files_changed": "a stem's file has changed since it was submitted",
    "cancelled": "the job was cancelled",
    "replaced": "a newer version of the same session took the job's place in the queue",
    "live_impossible": "the job was not submitted or did not succeed, so it cannot be played live",
    "live_not_open": "a fader move came for a live mix that is not open, or is another client's",
    "track_unknown": "no stem of the job has that track id or name",
    # edits, trials and suggestions
    "preset_unknown": "no preset has that name",
    "preset_invalid": "a preset's file is not what a preset must be",
    "edit_invalid": "an edit names no stem, has an impossible amount or an unknown parameter",
    "goal_invalid": "a goal has a word that is no tag and no mixture of tags, or no weights",
    "plugin_failed": "a plug-in could not be loaded, or failed while it rendered",
    "trial_impossible": "the job was not analysed, so nothing can be tried on it",
    "trial_unknown": "nothing was tried under that name",
    "nothing_explains": "no stem adds to that tag for certain, so nothing can be played of it",
    # separation
    "separator_unknown": "no separator has that name",
    "separation_failed": "a mix could not be separated",
    "worker_died": "the process that does the analysis died",
    "worker_hung": "the process that does the analysis stood still and was ended",
    "out_of_memory": "the memory was not enough for the session",
    "internal": "something that should not happen did; the log says more",
    # DAWs, their projects and exports
    "daw_unreachable": "the DAW, or the part of it that must listen, does not answer",
    "daw_failed": "the DAW answered that it could not do something",
    "project_invalid": "a DAW's project file cannot be read or is not what it seems",
    "result_invalid": "a result is not of Stemlens, or has a form that this version cannot read",
    "export_incomplete": "an export is not finished, or lacks stems",
    "tracks_unmatched": "stems and tracks could not be told apart or found",
    "nothing_to_analyse": "no track sounds, or none is selected",
    "bounce_failed": "the DAW did not render what it was asked for",
    "disk_full": "there is too little free space for what would be written",
    # the server and the way to it
    "server_unreachable": "no server answers at that address",
    "server_stopped": "the server went away and did not come back",
    "port_in_use": "another program uses the port",
    "too_many": "more came at once than the server takes",
    "not_authorised": "another machine's message was not stamped with the server's key",
    "upload_failed": "a file could not be sent to the server's machine",
    "key_invalid": "the file of a key cannot be read, or holds none",
    "data_in_use": "another server uses the same data folder",
    "remote_not_allowed": "the server was asked to listen to other machines without leave",
    "config_invalid": "the configuration file has an unknown option or an impossible value",
    "output_failed": "a result could not be written",
}


class StemlensError(Exception):
    """What went wrong (`code`, one of `CODES`) and what to do about it (`message`, a sentence)."""

    def __init__(self, code: str, message: str) -> None:
        if code not in CODES:
            raise ValueError(f"{code!r} is not one of the documented error codes")
        super().__init__(message)
        self.code = code
        self.message = message

    @classmethod
    def told(cls, code: str, message: str) -> StemlensError:
        """An error that came from elsewhere, perhaps from a version with more codes."""
        return cls(code if code in CODES else "internal", message)

    def __reduce__(self) -> tuple[type[StemlensError], tuple[str, str]]:
        return (type(self), (self.code, self.message))
