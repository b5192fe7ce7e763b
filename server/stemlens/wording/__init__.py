"""How a result is told, in numbers, names and sentences: what explanations and reports both say.

Pure functions of a result (DESIGN's schema). Imports run one way: report → explain → wording → what
the bridge says too (`stemlens_bridge.wording`, `table`, `annotations`).
"""
