"""What the branches of a session give a model to read, and how much of its window that takes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from omni_tui.agent.context import window_of
from omni_tui.core.errors import OmniError
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.tokens import Gauge, estimate_frame, estimate_message
from omni_tui.session.node import Node
from omni_tui.session.tree import Tree

if TYPE_CHECKING:
    from omni_tui.session.session import Session

Strategy: TypeAlias = Literal["summarize", "truncate", "off"]

THRESHOLD = 100_000
"""Tokens from which a conversation is made shorter: large enough for long work with many files, and
still where models find again what they read, where it costs what a person expects, and where the
next summary is made before the window of most models is full."""


class ContextPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of conversations that get too long for their model."""

    strategy: Strategy = "summarize"
    """`summarize` has a model sum up the beginning, `truncate` leaves out old tool results and
    messages, `off` sends everything. Summaries that are there are used in any case."""
    threshold: int | None = THRESHOLD
    """Tokens; never more than nine tenths of the window, which `None` leaves as the only limit."""
    model: str | None = None
    """Who writes summaries; `None` is the model of the session."""


class ContextUse(msgspec.Struct, frozen=True, kw_only=True):
    """How much of its window the model of a session reads on a branch."""

    used: int
    """Tokens of the system prompt, the tools and the messages with the next step."""
    window: int | None
    """Tokens the model reads; `None` when nobody knows (yet)."""
    estimated: bool
    """Whether no step was counted by which `used` could be corrected."""

    @property
    def part(self) -> float | None:
        """How full the window is: 1 is full; `None` when the window is not known."""
        return self.used / self.window if self.window else None


def covered(tree: Tree, summary: Node | None) -> int:
    """How many messages of its path a summary stands for."""
    return tree.depth(summary.id) - 1 if summary is not None else 0


class Meter:
    """Measures the branches of one session. Every message is estimated once."""

    def __init__(self, session: Session, registry: ProviderRegistry) -> None:
        self._session = session
        self._registry = registry
        self._sizes: dict[int, int] = {}
        self._frame: tuple[str | None, int] | None = None
        self._read_with: dict[int, int | None] = {}
        """By the prompt of a turn: the summary that was in use when it began."""
        self._known: tuple[tuple[int | None, int, int], int, bool] | None = None
        """The last answer to `use`, and for what it holds."""

    def size(self, node_id: int) -> int:
        """Tokens of a message, estimated."""
        if node_id not in self._sizes:
            self._sizes[node_id] = estimate_message(self._session.tree[node_id].message)
        return self._sizes[node_id]

    def note_turn(self, prompt: int, summary: Node | None) -> None:
        """A turn begins, and reads this summary."""
        self._read_with[prompt] = summary.id if summary is not None else None

    def use(self, tip: int | None) -> ContextUse:
        """How much the next step on this branch reads; asked again it costs next to nothing."""
        tree = self._session.tree
        key = (tip, len(tree), tree.hides)
        if self._known is None or self._known[0] != key:
            self._known = key, *self._measure(tip, tree.summary_for(tip))
        _, used, estimated = self._known
        return ContextUse(used=used, window=self._window(), estimated=estimated)

    def _measure(self, tip: int | None, summary: Node | None) -> tuple[int, bool]:
        last = self._last_counted(tip)
        if last is not None and last.id == tip and self._read(last, summary):
            assert last.usage is not None
            return last.usage.read + last.usage.output, False  # no message needs to be looked at
        gauge = self.gauge(tip)
        estimated = self._estimate(tip, summary)
        return (estimated, True) if gauge is None else (gauge.tokens(estimated), False)

    def _read(self, step: Node, summary: Node | None) -> bool:
        """Whether a step certainly read what would be read with this summary."""
        return self._is_certain(step) and self._used_in(step) is summary

    def gauge(self, tip: int | None) -> Gauge | None:
        """The last step on this branch whose tokens were counted; `None` without one.

        Neither is there one when a summary was taken back since and it is not known any more
        whether that step read it.
        """
        last = self._last_counted(tip)
        if last is None or not self._is_certain(last):
            return None
        return Gauge.of(last.usage, self._estimate(last.id, self._used_in(last)))

    def _last_counted(self, tip: int | None) -> Node | None:
        if tip is None:
            return None
        tree = self._session.tree
        path = itertools.chain((tree[tip],), tree.ancestors(tip))
        return next((node for node in path if _is_counted(node)), None)

    def _is_certain(self, step: Node) -> bool:
        """Whether it is known with which summary a step was made."""
        if self._session.tree.turn_prompt(step.id).id in self._read_with:
            return True
        return not any(node.is_pruned for node in self.summaries(step.id))

    def summaries(self, tip: int | None) -> list[Node]:
        """All summaries of the path to this node and of parts of it, also those not in use."""
        tree = self._session.tree
        if tip is None:
            return []
        return [tree[id] for step in tree.path_to(tip) for id in tree.summaries(step)]

    def _used_in(self, node: Node) -> Node | None:
        """The summary that the step read which wrote this node."""
        tree = self._session.tree
        prompt = tree.turn_prompt(node.id).id
        if prompt in self._read_with:
            id = self._read_with[prompt]
            return None if id is None else tree[id]
        # Not of this process: a summary that was there before its turn was read in it.
        found = [each for each in self.summaries(node.id) if each.id < prompt]
        in_use = [each for each in found if not each.is_pruned]
        return max(in_use, key=lambda each: (tree.depth(each.id), each.id), default=None)

    def _estimate(self, tip: int | None, summary: Node | None) -> int:
        tree = self._session.tree
        start = covered(tree, summary)
        head = self.size(summary.id) if summary is not None else 0
        return self._around() + head + sum(map(self.size, tree.path_to(tip)[start:]))

    def _around(self) -> int:
        system = self._session.record.system
        if self._frame is None or self._frame[0] != system:
            self._frame = system, estimate_frame(system, self._session.setup.tools)
        return self._frame[1]

    def _window(self) -> int | None:
        try:
            model = self._registry.resolve(self._session.model)
        except OmniError:
            return None
        if model.catalog is not None and not model.catalog.is_loaded:
            return None  # looking it up would read a file
        return window_of(model)


def _is_counted(node: Node) -> bool:
    return node.role == "assistant" and node.usage is not None and node.usage.read > 0
