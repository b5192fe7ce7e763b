"""One file per family of taggers; each registers its names (see `stemlens.tagging.register`).

All files here are imported when a tagger is first asked for, also in processes that must not
import torch: a family imports torch and other heavy things only inside its factory.
"""
