"""DAWproject files, the open exchange format of Bitwig Studio, Studio One, Cubase and others."""

from stemlens_bridge.dawproject.annotating import (
    Annotated,
    annotate,
    annotate_file,
    remove_from_file,
    without_annotations,
)

__all__ = ["Annotated", "annotate", "annotate_file", "remove_from_file", "without_annotations"]
