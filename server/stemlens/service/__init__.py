"""What runs for days: jobs over OSC and from watched folders, kept in SQLite, done by one worker
process, shown by a panel.

The way through: `transport` brings packets from UDP and TCP; `server` answers each message, with
`settings` (what it was asked for), `places` (which files may be read) and `freezing` (a job's files
as they are at submit); `watch` makes jobs of what is dropped into folders; `store` keeps every job
before it is acknowledged; `runner` takes jobs through the worker, with `diskspace` (is there room)
and `pace` (how long it takes), over `link`, to the process in `worker` (the only one that imports
torch, within the limits of `memory`); `replies` finds the way back to clients, and `delivery` turns
a result into messages. `panel_link` keeps the process in `panel_process` alive, whose page, in
`panel`, is a client like any other.
"""
