"""placeholder until the branch comes"""

from typing import Any


def render_vst3(*_: Any) -> Any: ...
