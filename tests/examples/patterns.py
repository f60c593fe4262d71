"""Where the patterns are, and how a test gets hold of one."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"
FILES = sorted((DOCS / "examples" / "patterns").glob("*.py"))


def load(name: str) -> Any:
    """The module of a pattern."""
    spec = importlib.util.spec_from_file_location(
        f"pattern_{name}", DOCS / "examples" / "patterns" / f"{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def asked(request: Any) -> str:
    """The words that a request is about."""
    return str(request.messages[-1].text)
