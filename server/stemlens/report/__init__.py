"""A finished analysis in the forms of other programs.

Imports run one way: cli → report → result. What is written needs no tagger and no torch: it is made
from an Analysis just finished, or from a result that was saved (`over_time.saved`).
"""
