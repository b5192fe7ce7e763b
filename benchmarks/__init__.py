"""How fast it is, and beside what: `make bench` prints `docs/performance.md`.

Not part of the tests. Figures that are compared come from one run on one machine; absolute times
say only what that machine did.
"""
