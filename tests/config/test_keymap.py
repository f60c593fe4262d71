"""One table of actions, and a person's own keys over it."""

import re
from collections import Counter

import pytest

from omni_tui.config.keymap import ACTIONS, CONTEXTS, key_label, resolve_keymap
from omni_tui.core.errors import ConfigError

AVOIDED = {"ctrl+a", "ctrl+b", "ctrl+left_square_bracket", "ctrl+tab"}


def test_ids_are_unique_and_read_as_group_and_verb() -> None:
    assert [i for i, n in Counter(action.id for action in ACTIONS).items() if n > 1] == []
    assert all(re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", action.id) for action in ACTIONS)


def test_every_action_says_what_it_does_in_a_known_place() -> None:
    for action in ACTIONS:
        assert action.label
        assert action.help.endswith(".")
        assert action.context in CONTEXTS


def test_the_defaults_clash_nowhere_and_avoid_the_keys_multiplexers_take() -> None:
    keymap = resolve_keymap({})
    assert keymap == {action.id: action.keys for action in ACTIONS}
    keys = {key for keys in keymap.values() for key in keys}
    assert not keys & AVOIDED
    assert not [key for key in keys if re.fullmatch(r"alt\+\d", key)]


def test_defaults_are_written_as_a_persons_own_keys_would_be_read() -> None:
    overrides = {action.id: list(action.keys) for action in ACTIONS}
    assert resolve_keymap(overrides) == resolve_keymap({})


@pytest.mark.parametrize(
    ("written", "keys"),
    [
        ("ctrl+x", ("ctrl+x",)),
        ("Ctrl+Shift+X, F10", ("ctrl+shift+x", "f10")),
        ("shift+Control+Up", ("ctrl+shift+up",)),
        ("Esc", ("escape",)),
        (["R", "R"], ("R",)),
        ("/", ("slash",)),
        ("+", ("plus",)),
        ("ctrl++", ("ctrl+plus",)),
        ("none", ()),
        ("NONE ", ()),
        ([], ()),
    ],
)
def test_keys_may_be_written_as_people_write_them(
    written: str | list[str], keys: tuple[str, ...]
) -> None:
    # Frees Escape, R and the slash
    base = {"run.interrupt": "f9", "branch.alternatives": "f11", "session.search": "f7"}
    assert resolve_keymap({**base, "app.quit": written})["app.quit"] == keys


def test_other_actions_keep_their_keys() -> None:
    changed = resolve_keymap({"app.quit": "ctrl+x"})
    default = resolve_keymap({})
    assert {i: k for i, k in changed.items() if k != default[i]} == {"app.quit": ("ctrl+x",)}


def test_an_unknown_action_is_refused_with_the_nearest_known() -> None:
    with pytest.raises(ConfigError, match=r"no action app\.qiut \(did you mean app\.quit\?\)"):
        resolve_keymap({"app.qiut": "ctrl+x"})


@pytest.mark.parametrize(
    "written", ["", "ctrl+", "ctrl+ctrll", "hold+x", "ctrl+x,", "\x1b", "entr"]
)
def test_a_key_nobody_can_press_is_refused(written: str) -> None:
    with pytest.raises(ConfigError, match=r"app\.quit: there is no key"):
        resolve_keymap({"app.quit": written})


@pytest.mark.parametrize(
    ("written", "sent"), [("ctrl+[", "Escape"), ("ctrl+m", "Enter"), ("Ctrl+I", "Tab")]
)
def test_chords_that_terminals_send_as_another_key_are_refused(written: str, sent: str) -> None:
    with pytest.raises(ConfigError, match=f"as {sent}"):
        resolve_keymap({"app.quit": written})


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        ({"message.edit": "r"}, "r would do both message.regenerate and message.edit"),
        ({"app.quit": "ctrl+p"}, r"Ctrl\+P would do both app.palette and app.quit"),
        ({"tree.switch": "f1"}, "F1 would do both app.help and tree.switch"),
    ],
)
def test_one_key_for_two_actions_in_one_place_names_both(
    overrides: dict[str, str], names: str
) -> None:
    with pytest.raises(ConfigError, match=names):
        resolve_keymap(overrides)


def test_one_key_may_do_two_things_in_two_places() -> None:
    keymap = resolve_keymap({"tree.switch": "r"})
    assert keymap["tree.switch"] == keymap["message.regenerate"] == ("r",)


def test_swapping_two_keys_is_no_clash() -> None:
    keymap = resolve_keymap({"message.edit": "r", "message.regenerate": "e"})
    assert (keymap["message.edit"], keymap["message.regenerate"]) == (("r",), ("e",))


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("ctrl+p", "Ctrl+P"),
        ("question_mark", "?"),
        ("alt+up", "Alt+↑"),
        ("r", "r"),
        ("R", "R"),
        ("f1", "F1"),
        ("escape", "Esc"),
        ("ctrl+left_square_bracket", "Ctrl+["),
    ],
)
def test_labels_are_what_stands_on_the_key(key: str, label: str) -> None:
    assert key_label(key) == label
