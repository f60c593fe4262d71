"""A session with branches, tools, a label, a hidden branch and a summary, said in hostile words."""

from __future__ import annotations

from datetime import UTC, datetime

from omni_tui.core.messages import Attachment, Message, Text, Thinking, ToolResult, ToolUse
from omni_tui.session.store.base import SessionRecord, StoredSession
from omni_tui.session.tree import Tree

THEN = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)

EVIL = (
    "</code></pre></div></article><script>alert(1)</script><img src=x onerror=alert(1)>"
    '"\'&quot;]]> %%{init: {"theme":"x"}}%% "]; n1 --> evil["` '
    '\\N \\" -> x ``` ~~~ \x1b]0;t\x07\u202e'
)


def sample(words: str = "Hello") -> StoredSession:
    """Two roots; the first has three replies, and tools on the branch in view."""
    tree = Tree()

    def said(role: str, *blocks: Text | Thinking | ToolUse | ToolResult | Attachment) -> Message:
        return Message(
            role="user" if role == "user" else "assistant", content=blocks, created_at=THEN
        )

    tree.push(said("user", Text(text=words)))
    tree.push(said("assistant", Text(text="First")), model="demo/chat")
    tree.navigate(1)
    tree.push(said("assistant", Text(text="Second")), label=words[:40])
    tree.navigate(1)
    tree.push(said("assistant", Text(text="Never mind")))
    tree.prune(4)
    tree.navigate(1)
    use = ToolUse(id="t", name=words[:60], input={"command": words})
    tree.push(said("assistant", Thinking(text=words), use), model=words)
    result = ToolResult(tool_use_id="t", name="bash", content=f"{words}\n````\n", is_error=True)
    png = b"\x89PNG\r\n\x1a\n"
    picture = Attachment(media_type="image/png", data=png, name=words)
    file = Attachment(media_type="text/plain", data=words.encode(), name="notes.txt")
    odd = Attachment(media_type='text/html" onload="x', url="http://evil.example/", name=words)
    tree.push(said("user", result, picture, file, odd))
    tree.push(said("assistant", Text(text=f"**Third**\n\n{words}")), status="failed", error=words)
    tree.summarize(said("user", Text(text="In short")), covers=7)
    tree.navigate(None)
    tree.push(said("user", Text(text="Another start")))
    tree.switch(7)
    record = SessionRecord(
        id="a-session-of-the-tests", title=words, model="demo/chat", created_at=THEN
    )
    return StoredSession(record, tree)
