"""No text of a model, a tool, a file or a person reaches a widget as markup."""

from pathlib import Path

import pytest
from untrusted_text import Linter, content_functions

import omni_tui

TUI = Path(omni_tui.__file__).parent / "tui"
SOURCES = sorted(TUI.rglob("*.py"))


@pytest.fixture(scope="module")
def makers() -> set[str]:
    """Every function of the terminal application that returns a `Content`."""
    return {name for source in SOURCES for name in content_functions(source.read_text("utf-8"))}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(TUI)))
def test_a_source_gives_widgets_only_safe_text(source: Path, makers: set[str]) -> None:
    assert list(Linter(makers).check(source.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "code",
    [
        "Static(text)",
        "Static(text, markup=False)",
        "Static(safe_line(text))",
        "Static(f'{text}')",
        "Static(f'{text}', markup=False)",
        "Static(content=text)",
        "Static(message.text)",
        "Static(texts[0])",
        "Static(str(error))",
        "Static('a' if x else text)",
        "Static('a' + text)",
        "Static('%s' % text)",
        "Static('{}'.format(text))",
        "Static(Content.from_markup(text))",
        "widgets.Label(text)",
        "Button(label=text)",
        "Button('x', tooltip=text)",
        "Option(text)",
        "OptionList('a', text)",
        "OptionList(*texts)",
        "Tree[int](text)",
        "node.add(text, data=1)",
        "node.add_leaf(text)",
        "table.add_row('a', text)",
        "table.add_row(*cells)",
        "self.notify(text)",
        "self.notify('x', title=text)",
        "self.app.notify(f'{error}', markup=False)",
        "self.query_one(Static).update(text)",
        "self._seen: set[str] = set()\nself._label.update(text)",
        "self.border_title = text",
        "self.border_subtitle = f'{a} of {b}'",
        "widget.tooltip = text or 'none'",
        "TabPane(text)",
        "Collapsible(title=text)",
        "class A(Static):\n    def __init__(self, text):\n        super().__init__(text)",
        "def f(label):\n    x = label\n    Static(x)",
        "text = 'mine'\ndef f(text):\n    Static(text)",
        "for text in texts:\n    Static(text)",
        "x = 'a'\nx += text\nStatic(x)",
        "def row() -> str:\n    ...\nOption(row())",
        "class A:\n def f(self, x):\n  self._x: str | None = x\n  Static(self._x)",
        "from rich.markup import escape",
        "from textual import markup\nmarkup.escape(x)",
    ],
)
def test_text_that_nobody_made_safe_is_found(code: str) -> None:
    assert len(list(Linter().check(code))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "Static()",
        "Static('tree')",
        "Static('[b]ours[/b]')",
        "Static(safe_content(text))",
        "Static(Content(text))",
        "Static(Content.assemble('a', text))",
        "Static(safe_line(text), markup=False)",
        "Static(f'{len(items)} of {total:d}')",
        "Static(f'{safe_line(name)}: {n:.1f} s', markup=False)",
        "Static('a' if x else safe_content(text))",
        "Static(Panel(text))",
        "def f(many):\n    keys = 'a' if many else 'b'\n    Static(f'{keys} · esc')",
        "Tree[int]('sessions')",
        "seen.add(text)",
        "node.add(safe_content(text), data=1)",
        "table.update({'a': text})",
        "self.settings.update(text)",
        "self._seen: set[str] = set()\nself._seen.update(ids)",
        "self.agent.notify(event)",
        "self.query_one(Static).update(safe_content(text))",
        "self.border_title = safe_content(text)",
        "self.border_title = None",
        "def title() -> Content:\n    ...\nStatic(title())",
        "def f(label: Content):\n    Static(label)",
        "def f():\n    label = safe_content(x)\n    Static(label)",
        "TITLE = 'sessions'\ndef f():\n    Static(TITLE)",
        "OptionList(*(Option(safe_content(t)) for t in texts))",
        "class A(Static):\n    def __init__(self):\n        super().__init__('tree')",
        "def row() -> Row:\n    ...\nOption(row())",
        "class A:\n def f(self, x):\n  self._x: Content | None = x\n  Static(self._x)",
        "re.escape(text)",
    ],
)
def test_safe_text_is_left_alone(code: str) -> None:
    assert list(Linter().check(code)) == []
