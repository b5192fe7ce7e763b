"""What runs for days: jobs over OSC, kept in SQLite, done by one worker process.

The way through: `transport` brings packets from UDP and TCP; `server` answers each message, with
`places` (which files may be read) and `freezing` (a job's files as they are at submit); `store`
keeps every job before it is acknowledged; `runner` takes jobs through the worker, over `link`, to
the process in `worker` (the only one that imports torch); `replies` finds the way back to clients,
and `delivery` turns a result into messages.
"""
