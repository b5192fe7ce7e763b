"""The panel: a page for a second screen beside the DAW. It runs in a process of its own."""
