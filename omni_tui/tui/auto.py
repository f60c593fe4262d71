"""Working on a goal by itself: how such a run is started, counted and ended on screen."""

from __future__ import annotations

from omni_tui.agent.completion import NUDGE, Completion
from omni_tui.core.errors import OmniError
from omni_tui.core.safe_text import safe_line
from omni_tui.llm.backends import LoopOwner
from omni_tui.session.runs import BranchRun
from omni_tui.tui.drafts import DraftActions
from omni_tui.tui.widgets.bars import Piece

GOAL_HINT = "turn after turn until it is done or you stop it; it asks for leave as always"
GOES_ON = "/auto goes on"


class AutoActions(DraftActions):
    """Starts runs that go on by themselves; part of the chat screen."""

    autos: list[BranchRun]
    """Runs that went on by themselves when they were last looked at."""
    auto_ends: dict[tuple[str, int | None], Piece]
    """How the last one ended, by session and tip."""

    def action_run_auto(self) -> None:
        """Ask for a goal, and have the model work on it by itself."""
        self.run_worker(self._ask_for_goal(), group="ask for a goal", exclusive=True)

    async def _ask_for_goal(self) -> None:
        from omni_tui.tui.dialogs.text import TextDialog

        before = self.auto_ends.get((self.session.id, self.session.tree.head))
        goes_on = before is not None and GOES_ON in before.text
        dialog = TextDialog("work on a goal", NUDGE if goes_on else "", hint=GOAL_HINT)
        goal = await self.app.push_screen_wait(dialog)
        if goal is not None and goal.strip():
            self.work_on(goal)

    def work_on(self, goal: str) -> None:
        """Have the model work on `goal` by itself, on the branch in view.

        Where that cannot begin the command comes back.
        """
        session, completion = self.session, Completion()
        content = self._content(goal)
        try:
            model = self.app.manager.registry.resolve(session.model)
            if isinstance(model.provider, LoopOwner):
                self._refuse_goal(goal, f"{model} goes on by its own rules: just ask it.")
                return
            if content is None:
                self.composer.write(f"/auto {goal}")
                return
            run = session.prompt(content, hooks=[completion], tools=[completion.tool])
        except OmniError as error:
            self._refuse_goal(goal, str(error))
            return
        self.autos.append(session.runs[run.id])
        self.sent()

    def _refuse_goal(self, goal: str, why: str) -> None:
        self.composer.write(f"/auto {goal}")
        self.app.notify(safe_line(why, 300), markup=False)

    def settle_autos(self) -> None:
        """Note how runs ended that went on by themselves; say it when it is out of view."""
        for branch in [branch for branch in self.autos if branch.run.is_done]:
            self.autos.remove(branch)
            words = _ending(branch)
            self.auto_ends[branch.session.id, branch.tip] = words
            if branch.session is not self.session or branch.tip != self.session.tree.head:
                self.app.notify(safe_line(words.text), markup=False)

    def auto_pieces(self) -> list[Piece]:
        """What to say of it over the composer: the turn under way, or how the last one ended."""
        run = self.session.active_run
        if run is None:
            ended = self.auto_ends.get((self.session.id, self.session.tree.head))
            return [ended] if ended is not None else []
        completion = completion_of(run)
        if completion is None or completion.ended:
            return []
        turn = min(completion.turns + 1, completion.max_turns)
        return [Piece(f" auto {turn}/{completion.max_turns} ·", "accent")]


def completion_of(branch: BranchRun) -> Completion | None:
    """What keeps this run going, if it goes on by itself."""
    return next((hook for hook in branch.hooks if isinstance(hook, Completion)), None)


def _ending(branch: BranchRun) -> Piece:
    completion = completion_of(branch)
    assert completion is not None
    turns = f"{completion.turns} turn{'' if completion.turns == 1 else 's'}"
    match completion.ended, branch.run.outcome:
        case "done", _:
            return Piece(f" auto: done in {turns} ", "accent")
        case "limit", _:
            return Piece(f" auto: not done after {turns}, the limit · {GOES_ON} ", "warn")
        case "refused", _:
            return Piece(f" auto: the model declined after {turns} ", "warn")
        case _, "max_steps":
            steps = f"{branch.run.step} steps"
            return Piece(f" auto: not done after {steps}, the limit · {GOES_ON} ", "warn")
        case _, "cancelled":
            return Piece(f" auto: stopped after {turns} · {GOES_ON} ", "muted")
        case _:
            return Piece(f" auto: broke off after {turns} · {GOES_ON} ", "warn")
