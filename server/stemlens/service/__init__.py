"""What runs for days: jobs over OSC, kept in SQLite, done by one worker process.

The way through: `transport` brings packets from UDP and TCP, `server` answers each message and
moves jobs from state to state, `store` keeps every job before it is acknowledged, `places` says
which files may be read, `freezing` fixes a job's files at submit, `link` drives the process in
`worker` (the only one that imports torch), and `delivery` turns a result into messages.
"""
