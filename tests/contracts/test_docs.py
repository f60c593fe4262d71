"""The pages say what the code says."""

import re
import runpy
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from omni_tui.config.providers import ProviderSettings
from omni_tui.config.settings import (
    ApprovalMode,
    Context,
    Permissions,
    Settings,
    Title,
    ToolSettings,
    Ui,
    load_settings,
)
from omni_tui.config.themes import COLORS, VARIABLES, load_themes, parse_theme
from omni_tui.llm.providers.table import Dialect

DOCS = Path(__file__).parents[2] / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def toml_of(name: str, containing: str) -> str:
    blocks: list[str] = re.findall(r"```toml\n(.*?)```", page(name), re.DOTALL)
    (block,) = (block for block in blocks if containing in block)
    return block


def test_the_page_of_keys_is_the_table_of_actions() -> None:
    made = runpy.run_path(str(DOCS / "make_keys.py"))["page"]()
    assert page("keys.md") == made, "run: python docs/make_keys.py"


def test_the_example_of_every_setting_loads_without_a_notice(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(toml_of("configuration.md", "[ui]"))
    file.chmod(0o600)
    settings = load_settings(file, {})
    assert settings.notices == ()
    assert settings.ui == Ui()
    assert settings.tools == ToolSettings()
    assert settings.theme == Settings().theme


@pytest.mark.parametrize(
    "section", [Settings, Ui, ToolSettings, Context, Title, Permissions, ProviderSettings]
)
def test_every_setting_is_in_the_example(section: type[msgspec.Struct]) -> None:
    example = toml_of("configuration.md", "[ui]")
    names = [field.name for field in msgspec.structs.fields(section) if field.name != "notices"]
    missing = [n for n in names if not re.search(rf"^\[?{n}[ \].]", example, re.MULTILINE)]
    assert missing == []
    assert all(word in example for word in (*get_args(ApprovalMode), *get_args(Dialect)))


def test_the_example_of_variables_is_read_as_it_says(tmp_path: Path) -> None:
    (block,) = re.findall(r"```sh\n(.*?)```", page("configuration.md"), re.DOTALL)
    env = {
        name: value.strip("'")
        for name, _, value in (line.partition("=") for line in block.splitlines())
    }
    settings = load_settings(env={**env, "OMNI_TUI_HOME": str(tmp_path)})
    assert settings.notices == ()
    assert len(env) == 4
    assert (settings.ui.ascii, settings.tools.approval_mode) == (True, "plan")
    assert settings.permissions.allow == ("bash(make test)",)
    assert settings.keymap == {"app.quit": "ctrl+x"}


def test_the_example_theme_can_be_used_and_every_variable_is_described() -> None:
    theme = parse_theme(toml_of("themes.md", "[variables]"), "themes.md")
    text = page("themes.md")
    assert theme.name == "mine"
    assert [color for color in COLORS if f"{color} = " not in text] == []
    assert [name for name, use in VARIABLES.items() if f"| `{name}` | {use} |" not in text] == []
    assert [name for name in load_themes()[0] if f"| `{name}` |" not in text] == []


@pytest.mark.parametrize("file", sorted(DOCS.rglob("*.md")), ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(file: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", file.read_text("utf-8"))
    assert [target for target in targets if not (file.parent / target).exists()] == []
