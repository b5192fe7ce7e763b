"""Ardour 7 and later: its stems, and the answers on its tracks.

`session_file` reads what a session file says of the routing; `routing.cut` decides which routes are
stems; `snapshot` and `bounce` render them with Ardour's own headless program from a private copy,
so that the session a user may have open is never touched; `osc` talks to a running Ardour, and
`running` writes to it; `closed` writes to the file of a session that no Ardour has open; `record`
remembers what was there before; `follow` turns fader moves into `moves.Move`.

What real Ardour 7.3 does, found by trying (tests/real/test_ardour*.py hold it to this):

- A track's `bounce_range` ends before the panner and knows neither buses nor returns, and a second
  export in one process crashes. But the master bus may have as many channels as one likes: with
  each stem wired to channels of its own, one export brings all stems, exact to −140 dB beside the
  session's own export, with pan laws, automation, sends, sidechains and latencies as Ardour does
  them.
- Routes with strict I/O (Ardour's default for what is made in its window) get as many outputs as
  the master has inputs when a session is opened (see `snapshot`).
- The default panner of a mono track has equal power (−3 dB at the centre); that of a stereo track
  passes both channels at unity when it is centred and full width.
- Comments may hold line breaks and any UTF-8; both come through OSC and the session file whole.
- Over OSC there are no colours, and no ids of routes, only positions and names. A query's path is
  repeated in its answer whatever follows the known part, so `/strip/3/comment/q17` is answered by
  `/strip/3/comment/q17`: that tells answers apart on a network that loses and reorders.
- `/marker NAME` puts the playhead on the marker of that name: how a marker is read back.
- Exporting corrupts the memory of Ardour's headless programs: many die as they end, some before
  (see `program`).
"""
