"""The commands of `stemlens-bridge`, one file for each group.

Each has `add(commands)`, which defines its arguments and sets `run`, a function of the parsed
arguments that returns the exit code. What only one command needs is imported when it runs.
`common` and `copies` hold what several groups share.
"""
