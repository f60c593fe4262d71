"""The keys that the transcript and the tree have for themselves are no keys of branches."""

from __future__ import annotations

import pytest
from textual.binding import Binding

from omni_tui.config.keymap import ACTIONS
from omni_tui.tui.widgets.transcript import Transcript
from omni_tui.tui.widgets.tree_pane import TreePane


@pytest.mark.parametrize("widget", [Transcript, TreePane])
def test_no_key_of_a_widget_hides_one_of_branches(widget: type[Transcript | TreePane]) -> None:
    actions = [action for action in ACTIONS if action.context == "branch"]
    ids = {action.id for action in actions}
    own = {
        key.strip()
        for binding in Binding.make_bindings(widget.BINDINGS)
        if binding.id not in ids
        for key in binding.key.split(",")
    }
    assert "g" in own
    assert not own & {key for action in actions for key in action.keys}
