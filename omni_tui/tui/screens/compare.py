"""Two branches beside each other: what they share, what each took, and which words differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.binding import Binding
from textual.events import Click, Resize
from textual.screen import Screen

from omni_tui.core.safe_text import safe_line
from omni_tui.session.session import Session
from omni_tui.tui.comparison import Comparison, SideName, Versions
from omni_tui.tui.widgets.bars import Bar, Piece
from omni_tui.tui.widgets.compare_view import CompareHead, CompareView

if TYPE_CHECKING:
    from omni_tui.tui.app import OmniApp

WIDE = 100
"""Columns from which the branches stand beside each other."""


class CompareScreen(Screen[int | None]):
    """Gives the tip of the branch to go to, or `None`.

    Args:
        session: Whose branches they are.
        left: The last message of one.
        right: The last message of the other.
    """

    DEFAULT_CSS = """
    CompareScreen { background: $background; color: $foreground; }
    CompareScreen #compare-title { margin-bottom: 1; }
    """
    BINDINGS = [
        Binding("escape,q", "close", show=False),
        Binding("tab,shift+tab", "turn", show=False, priority=True),
        Binding("enter", "switch", show=False),
        Binding("left", "step(-1)", show=False),
        Binding("right", "step(1)", show=False),
        Binding("y", "copy", show=False),
    ]
    AUTO_FOCUS = "CompareView"

    app: OmniApp

    def __init__(self, session: Session, left: int, right: int) -> None:
        super().__init__()
        self._session = session
        self._side: SideName = "right"
        self._compare(left, right)
        self._tips: dict[int, int] = {}
        """The tip that was looked at, by the version it belongs to."""

    def _compare(self, left: int, right: int) -> None:
        tree = self._session.tree
        self.comparison = Comparison(tree, left, right)
        ancestor = self.comparison.diff.ancestor
        self._versions: dict[SideName, Versions | None] = {
            side: Versions.at(tree, ancestor, tip) for side, tip in self.comparison.tips.items()
        }

    def compose(self) -> ComposeResult:
        yield Bar(id="compare-title")
        yield CompareHead(id="compare-head")
        yield CompareView(id="compare")
        yield Bar(id="compare-keys")

    def on_mount(self) -> None:
        self._title, self._keys = self.query(Bar).results(Bar)
        self._head = self.query_one(CompareHead)
        self._view = self.query_one(CompareView)
        self._show()

    def _show(self) -> None:
        self._view.show(self.comparison)
        self._show_heads()

    # What stands around the words

    def _show_heads(self) -> None:
        found = self.comparison
        common = Piece(f"   common: “{found.common}”" if found.common else "   nothing in common")
        pairs = len(found.faces)
        differ = f"{found.differing:,} of {pairs:,} differ" if pairs > 1 else ""
        self._title.show([Piece(" compare", "title"), common], [Piece(differ)])
        self._head.show(found.headings, self._versions, self._side, unified=self._is_narrow)
        self._keys.show(
            [],
            hints=[(Piece(key, "accent"), Piece(f" {verb}   ")) for key, verb in self._hints()],
        )

    def _hints(self) -> list[tuple[str, str]]:
        versions = self._others(self._side)
        return [
            ("Enter", "go to this branch"),
            ("Tab", "other side"),
            *([("←→", "versions")] if len(versions) > 1 else []),
            ("y", "copy"),
            ("Esc", "close"),
        ]

    @property
    def _is_narrow(self) -> bool:
        return self.size.width < WIDE

    def on_resize(self, event: Resize) -> None:
        self._view.lay_out(unified=self._is_narrow)
        self._show_heads()

    # Sides and versions

    def _others(self, side: SideName) -> list[int]:
        """The versions a side can show: all but the one the other side shows."""
        versions, facing = self._versions[side], self._versions[_other(side)]
        if versions is None:
            return []
        taken = facing.nodes[facing.place] if facing is not None else None
        return [node_id for node_id in versions.nodes if node_id != taken]

    def action_turn(self) -> None:
        """Let the keys mean the other side."""
        self._side = _other(self._side)
        self._show_heads()

    def on_click(self, event: Click) -> None:
        """Let the keys mean the side that was clicked."""
        if not self._is_narrow:
            self._side = "left" if event.screen_x < self.size.width // 2 else "right"
            self._show_heads()

    def action_step(self, step: int) -> None:
        """Put the next version on this side, or the one before when negative."""
        side, tree = self._side, self._session.tree
        versions = self._versions[side]
        others = [node_id for node_id in self._others(side) if node_id in tree]
        if versions is None or versions.nodes[versions.place] not in others:
            return
        place = others.index(own := versions.nodes[versions.place]) + step
        if not 0 <= place < len(others):
            return
        tips = dict(self.comparison.tips)
        self._tips[own] = tips[side]
        tip = self._tips.get(others[place], -1)
        tip = tip if tip in tree else tree.tip_of(others[place]) or others[place]
        tips[side] = tip
        self._compare(tips["left"], tips["right"])
        self._show()

    # What can be done

    def action_close(self) -> None:
        """Back to the conversation."""
        self.dismiss(None)

    def action_switch(self) -> None:
        """Go to the branch of this side."""
        self.dismiss(self.comparison.tips[self._side])

    def action_copy(self) -> None:
        """Copy what this side says."""
        self.app.copy_to_clipboard(self.comparison.text(self._side))
        self.notify(safe_line(f"copied the {self._side} side"), markup=False, timeout=3)


def _other(side: SideName) -> SideName:
    return "left" if side == "right" else "right"
