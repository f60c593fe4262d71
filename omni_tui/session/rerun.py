"""A branch said again: its prompts to a model, or its replies in the place of a model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import msgspec

from omni_tui.agent.run import Run
from omni_tui.core.errors import AgentRunError, MisplacedError, NotUserNodeError
from omni_tui.core.messages import Text, Thinking, ToolUse
from omni_tui.llm.providers.base import Model
from omni_tui.llm.providers.scripted import Call, Piece, Say, ScriptedProvider, Stop, Think
from omni_tui.session.node import Node
from omni_tui.session.session import Session
from omni_tui.session.tree import Tree


class RerunTurn(msgspec.Struct, frozen=True):
    """A turn that begins again."""

    number: int
    """Which one, from 1."""
    total: int
    prompt: Node
    """The prompt as it stands on the branch that is run again."""
    run: Run


OnTurn: TypeAlias = Callable[[RerunTurn], Awaitable[None]]


async def rerun(
    session: Session, tip: int, model: str | Model | None = None, *, on_turn: OnTurn | None = None
) -> int:
    """Ask the prompts of a branch again, one after the other, and return the tip of the answers.

    The first prompt gets another reply beside the one it has; each later prompt is copied under
    the reply before it. The head stays where it is, and the old branch as it is. Tools run as the
    session's rules say, and who answers their questions is up to the caller.

    Args:
        session: Where the branch is, and where the new one grows.
        tip: The last message of the branch.
        model: Whom to ask; by default the model of the session.
        on_turn: Awaited when a turn has begun; may watch its run and answer for it.

    Raises:
        AgentRunError: A turn did not come to its end: later ones are not asked. `details` has
            `node_id` (the prompt of the branch), `turn`, `total` and `tip` (where the new branch
            ends by now); `__cause__` is the run's error, if it had one.
        NodeNotFoundError, NotUserNodeError: There is no such node, or no prompt above it.
        MisplacedError: The branch is hidden.
        HaltedError, UnsupportedModalityError: As `Session.prompt` raises them.
    """
    prompts = [node for node in _path(session.tree, tip) if node.kind == "prompt"]
    if not prompts:
        raise NotUserNodeError(f"No prompt leads to node {tip}.", node_id=tip)
    place = prompts[0].id
    if session.tree.is_hidden(place):
        raise MisplacedError(f"Node {place} is hidden.", hint="restore it first", node_id=place)
    for number, prompt in enumerate(prompts, 1):
        content = None if number == 1 else prompt.message.content
        run = session.prompt(content, at=place, model=model)
        branch = session.runs[run.id]
        turn = RerunTurn(number, len(prompts), prompt, run)
        try:
            if on_turn is not None:
                await on_turn(turn)
            await run.wait()
        except BaseException:
            run.cancel()
            raise
        place = place if branch.tip is None else branch.tip
        if run.outcome != "completed":
            raise _stopped(turn, place) from run.error
    return place


def _stopped(turn: RerunTurn, tip: int) -> AgentRunError:
    run = turn.run
    reason = f": {run.error}" if run.error else ""
    return AgentRunError(
        f"Turn {turn.number} of {turn.total} (message {turn.prompt.id}) ended as "
        f"{run.outcome}{reason}",
        outcome=str(run.outcome),
        node_id=turn.prompt.id,
        turn=turn.number,
        total=turn.total,
        tip=tip,
    )


def replay(tree: Tree, tip: int) -> ScriptedProvider:
    """A provider that says again what the models said on a branch, in order and streamed.

    `rerun(session, tip, replay(session.tree, tip).model())` runs a branch through hooks, tools and
    faces without a network. What was said before the first prompt is left out. Each request gets
    the next message, whatever it asks (sub-agents and summaries would take theirs from it too: turn
    them off in the set-up); one past the last fails. Words, thoughts and tool uses are
    replayed; what a provider signed, encrypted or ran itself is not, for it is no one else's, and
    usage is estimated and without a cost. A message that was broken off ends where it broke off.

    Raises `NodeNotFoundError`.
    """
    path = _path(tree, tip)
    first = next((place for place, node in enumerate(path) if node.kind == "prompt"), 0)
    replies = [_pieces(node) for node in path[first:] if node.role == "assistant"]
    return ScriptedProvider(replies, name="replay")


def _path(tree: Tree, tip: int) -> list[Node]:
    nodes = [tree[step] for step in tree.path_to(tip)]
    return [node for node in nodes if node.kind != "summary"]


def _pieces(node: Node) -> Sequence[Piece]:
    pieces: list[Piece] = []
    for block in node.message.content:
        match block:
            case Text(text=text):
                pieces.append(Say(text))
            case Thinking(text=text) if text:
                pieces.append(Think(text))
            case ToolUse():
                wish = block.input if block.invalid is None else block.invalid
                pieces.append(Call(block.name, wish, id=block.id))
            case _:
                pass
    if node.stop_reason in ("length", "refusal"):
        pieces.append(Stop(node.stop_reason))
    return pieces
