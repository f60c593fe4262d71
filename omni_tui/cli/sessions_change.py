"""`omni-tui sessions rename` and `delete`: what changes sessions from outside of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from omni_tui.cli.exit_codes import DONE, RUN_FAILED
from omni_tui.core.errors import ConfigError
from omni_tui.core.safe_text import safe_line
from omni_tui.session.store.base import Store

ID_SHOWN = 8
MAX_TITLE = 200


async def rename_session(store: Store, wanted: str, title: str) -> None:
    """Give a session a title; an empty one takes it away, so that one is made up again.

    Raises `SessionLockedError` while another process has it open: that one would write its own.
    """
    id = await store.find(wanted)
    line = safe_line(title, MAX_TITLE) or None
    await store.lease(id)
    try:
        await store.save_state(id, title=line, title_is_manual=line is not None)
    finally:
        await store.release(id)
    print(f"{id[:ID_SHOWN]}  {line or '(untitled)'}")


async def delete_sessions(store: Store, wanted: Sequence[str], *, yes: bool) -> int:
    """Remove sessions, all or (where one is not there or locked) none before it is known.

    Without `yes` a person is asked on the terminal. Raises `ConfigError` where there is none.
    """
    ids = list(dict.fromkeys([await store.find(each) for each in wanted]))
    lines = []
    for id in ids:
        title = (await store.load(id)).record.title
        lines.append(f"{id[:ID_SHOWN]}  {safe_line(title or '(untitled)', 60)}")
    if not yes and not _agreed(lines):
        print("omni-tui: nothing is deleted", file=sys.stderr)
        return RUN_FAILED
    for id in ids:
        await store.lease(id)
    for id, line in zip(ids, lines, strict=True):
        await store.delete(id)
        print(f"deleted {line}")
    return DONE


def _agreed(lines: Sequence[str]) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigError(
            "Sessions are deleted for good, and there is nobody to ask.", hint="add --yes"
        )
    for line in lines:
        print(line, file=sys.stderr)
    what = "this session" if len(lines) == 1 else f"these {len(lines)} sessions"
    print(f"Delete {what} for good? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
