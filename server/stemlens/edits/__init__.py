"""Edits: presets as plug-in chains, trials of them, and suggestions for a goal."""
