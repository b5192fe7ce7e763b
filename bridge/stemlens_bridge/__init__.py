"""What runs beside a DAW: python-osc and the standard library, nothing else.

The way through: `session` says what a session is on disk, `protocol` what is said about it over
OSC (`osc`, `framing` and `link` carry it), `client` submits it and collects the answers, `table`
and `terminal` show them, `annotations` turns them into words and colours for tracks, and `cli` is
the command `stemlens-bridge`. The analysis server imports the definitions from here, never the
other way.
"""

__version__ = "0.1.0"
