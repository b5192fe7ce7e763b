"""REAPER: its scripts have no sockets, so they talk to a process of ours through a folder.

`install` puts the scripts where REAPER finds them and writes down how the bridge is started;
`mailbox` is the folder and what lies in it; `agent` is the process at its other end; `bounce` looks
at what REAPER rendered before it is submitted; `reapack` makes the package index of the scripts.
"""
