"""Writes `keys.md` from the table of actions. Run it after changing the table."""

from pathlib import Path

from omni_tui.config.keymap import ACTIONS, CONTEXTS, key_label
from omni_tui.tui.commands import COMMANDS, SHORT

HEAD = """\
# Keys

Every action has an id, and its keys can be changed in the `[keymap]` table of `config.toml`:

```toml
[keymap]
"app.quit" = "ctrl+x"
"message.copy" = ["y", "Y"]
"view.tree" = "none"
```

A key is written `ctrl+p`, `alt+up`, `f2`, `R` or `?`; `"none"` takes the key away. One key for two
actions in one place, an unknown action and a key no terminal can send are refused at the start.
`Ctrl+[`, `Ctrl+I` and `Ctrl+M` arrive as Escape, Tab and Enter and cannot be used.
"""

COMMANDS_HEAD = """\
## Commands

Written in the composer. Every action that counts anywhere is one by its id (`/session.new`).

| command | what it does |
|---|---|"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for context, title in CONTEXTS.items():
        rows = [
            f"| {_keys(action.keys)} | {action.help} | `{action.id}` |"
            for action in ACTIONS
            if action.context == context
        ]
        parts.append("\n".join([f"## {title}", "", "| key | what it does | id |", "|---|---|---|"]))
        parts[-1] += "\n" + "\n".join(rows) + "\n"
    parts.append("\n".join([COMMANDS_HEAD, *_commands(), ""]))
    return "\n".join(parts)


def _commands() -> list[str]:
    short = " ".join(f"`/{name}`" for name in SHORT)
    return [
        *(f"| `{command}` | {words} |" for command, words in COMMANDS),
        "",
        f"Short names: {short}.",
    ]


def _keys(keys: tuple[str, ...]) -> str:
    return " ".join(f"`{key_label(key)}`" for key in keys) or "from the palette"


if __name__ == "__main__":
    Path(__file__).with_name("keys.md").write_text(page(), "utf-8")
