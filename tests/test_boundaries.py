"""What imports what: one way, the bridge stays small, and the server process never has torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType

import pytest

import stemlens
import stemlens_bridge


def modules_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after running `code`."""
    show = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_bridge_needs_nothing_but_python_osc() -> None:
    bare = modules_after("pass")
    loaded = modules_after("import stemlens_bridge.cli as cli; cli._parser()") - bare
    foreign = loaded - set(sys.stdlib_module_names) - {"stemlens_bridge", "pythonosc"}
    assert not foreign


def test_the_server_process_never_has_torch() -> None:
    loaded = modules_after("import stemlens.cli, stemlens.service.server, stemlens.tagging.weights")
    assert "typer" in loaded and "torch" not in loaded


def test_importing_stemlens_is_light() -> None:
    assert not {"torch", "numpy"} & modules_after("from stemlens import Session, Options")


def test_the_bridge_never_imports_the_server() -> None:
    code = "import stemlens_bridge.client, stemlens_bridge.reference, stemlens_bridge.resources"
    assert "stemlens" not in modules_after(code)


def rooms(package: str, folder: Path) -> dict[str, set[str]]:
    """For each module or folder right below a package those that its code imports, wherever."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in folder.rglob("*.py"):
        own = path.relative_to(folder).with_suffix("").parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                for name in node.names:
                    first, _, rest = f"{node.module}.{name.name}".partition(".")
                    if first == package and rest.partition(".")[0] != own:
                        found[own].add(rest.partition(".")[0])
    return found


@pytest.mark.parametrize("package", [stemlens, stemlens_bridge])
def test_imports_run_one_way(package: ModuleType) -> None:
    below = rooms(package.__name__, Path(package.__path__[0]))
    assert list(TopologicalSorter(below).static_order())  # raises where some import each other
