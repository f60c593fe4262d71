"""A small application around a tree pane, and a tree worth looking at."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.theme import Theme
from textual.widgets import Button

from omni_tui.config.themes import load_themes
from omni_tui.core.messages import Message, Text, ToolResult, ToolUse
from omni_tui.session.tree import Tree
from omni_tui.tui.tree_layout import Mark
from omni_tui.tui.widgets.tree_pane import TreePane
from omni_tui.tui.widgets.tree_view import Marks


def theme(name: str) -> Theme:
    """One of the shipped themes."""
    file = load_themes()[0][name]
    colors = {color: getattr(file, color) for color in ("primary", "secondary", "accent")}
    grounds = {color: getattr(file, color) for color in ("foreground", "background", "surface")}
    states = {color: getattr(file, color) for color in ("panel", "success", "warning", "error")}
    return Theme(
        name=name, dark=file.dark, variables=dict(file.variables), **colors, **grounds, **states
    )


class TreeApp(App[None]):
    """Shows a tree and notes what the pane posts."""

    AUTO_FOCUS = ""
    CSS = "Button { width: 1; min-width: 1; height: 1; border: none; }"

    def __init__(
        self,
        tree: Tree,
        marks: Marks | None = None,
        *,
        width: int | str = "1fr",
        theme_name: str = "omni-dark",
        ascii: bool = False,
        focus: bool = True,
    ) -> None:
        self._theme = theme(theme_name)
        super().__init__()
        self.shown, self.marks, self.pane_width = tree, marks, width
        self.ascii, self.starts_focused = ascii, focus
        self.posted: list[tuple[str, int]] = []

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(self._theme.variables)

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield TreePane()
            if self.pane_width != "1fr":
                yield Button("x")

    def on_mount(self) -> None:
        self.register_theme(self._theme)
        self.theme = self._theme.name
        self.pane.styles.width = self.pane_width
        self.pane.ascii = self.ascii
        self.pane.show(self.shown, self.marks)
        if self.starts_focused:
            self.pane.focus()

    @property
    def pane(self) -> TreePane:
        return self.query_one(TreePane)

    @property
    def lines(self) -> list[str]:
        """What the pane draws, line by line."""
        region = self.pane.scrollable_content_region
        strips = self.pane.render_lines(region.reset_offset)
        return [strip.text.rstrip() for strip in strips]

    @property
    def rows(self) -> list[str]:
        """The rows it draws."""
        return [line for line in self.lines[2:] if line]

    @property
    def cursor(self) -> int | None:
        """The node the cursor is on."""
        row = self.pane.cursor_row
        return None if row is None else row.tip

    def on_tree_pane_previewed(self, event: TreePane.Previewed) -> None:
        self.posted.append(("preview", event.node_id))

    def on_tree_pane_switched(self, event: TreePane.Switched) -> None:
        self.posted.append(("switch", event.node_id))


def travels() -> tuple[Tree, Marks]:
    """A session with two first prompts, three answers, and something of everything going on."""
    tree = Tree()
    marks: dict[int, Mark] = {}
    tree.push(Message.user("Name five rivers"))
    tree.push(Message.assistant("1. **Amazon**\n2. Nile"))
    tree.navigate(None)
    prompt = tree.push(Message.user("Name three mountains nobody has climbed."))
    first = tree.push(Message.assistant("Gangkhar Puensum is the highest unclimbed mountain."))
    tree.push(Message.user("and in Bhutan?"))
    use = ToolUse(id="1", name="read_file", input={})
    tree.push(Message.assistant([Text(text="Let me look."), use]))
    tree.push(Message.user(ToolResult(tool_use_id="1", name="read_file", content="notes")))
    marks[tree.push(Message.assistant("It is *sacred* to the people there.")).id] = "running"
    edit = tree.add(Message.user("and in 中国的山脉和河流都很美丽吗?"), parent=first.id)
    answer = tree.add(Message.assistant("# 梅里雪山"), parent=edit.id)
    marks[tree.add(Message.user("Which of them is closed?"), parent=answer.id).id] = "asks"
    second = tree.add(Message.assistant("Muchu Chhish, in Pakistan"), parent=prompt.id)
    high = tree.add(Message.user("How high is it?"), parent=second.id)
    tree.add(Message.assistant("7,453 m"), parent=high.id, status="failed")
    tree.add(Message.assistant("7,453 metres, so they"), parent=high.id, status="cancelled")
    tree.add(Message.assistant("Kailash"), parent=prompt.id, label="best")
    unread = tree.add(Message.user("Why?"), parent=tree.tips()[-1])
    marks[tree.add(Message.assistant("It is holy to four religions."), parent=unread.id).id] = (
        "unread"
    )
    return tree, marks.get
