"""What one can hear, see and check of an attribution.

Pure functions of an opened session or of shares over time; audio is read and written at the edge.
Imports run one way: cli, service → explain → edits → attribution → game.
"""
