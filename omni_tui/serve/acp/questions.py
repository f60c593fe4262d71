"""The questions of a run, put to the person at the editor."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

from acp import schema
from acp.interfaces import Client

from omni_tui.agent.decisions import Answer, Execute, Provide, Reject
from omni_tui.agent.events import Paused
from omni_tui.core.safe_text import safe, safe_line
from omni_tui.serve.acp import tools
from omni_tui.session.session import Session

log = logging.getLogger(__name__)

ONCE, SESSION, NO = "allow_once", "allow_session", "reject_once"
DECLINED = "User declined to answer."
NO_WORDS = (
    "The person's editor cannot ask for an answer in their own words. Ask in your reply instead,"
    " or give options."
)
_MAX_NAME = 300
_CANNOT_ASK = "The person could not be asked."


class Asker:
    """Puts questions to one client.

    Args:
        client: Who shows them.
        takes_words: Whether it has a form for an answer in a person's own words.
    """

    def __init__(self, client: Client, *, takes_words: bool) -> None:
        self._client = client
        self._takes_words = takes_words

    async def ask(self, session: Session, call: str, pause: Paused, cwd: Path) -> Answer | None:
        """The answer to a question about a tool call; `None` when the person stops the run.

        A client that fails to ask, or answers what was not offered, has not allowed anything.

        Raises `ConnectionError` when the client has left.
        """
        try:
            if pause.reason == "question":
                return await self._question(session, call, pause, cwd)
            return await self._permission(session, call, pause, cwd)
        except ConnectionError:
            raise
        except Exception as error:
            log.warning("a question was not answered: %s: %s", type(error).__name__, error)
            if pause.reason == "question":
                return Provide(_CANNOT_ASK, is_error=True)
            return Reject(_CANNOT_ASK, by="no one")

    async def _permission(
        self, session: Session, call: str, pause: Paused, cwd: Path
    ) -> Answer | None:
        rule = pause.details.get("always_rule")
        lasting = f"Allow for this session: {rule}" if rule else ""
        options = [_option(ONCE, "Allow once", "allow_once")]
        if lasting and safe_line(lasting, _MAX_NAME) == lasting:
            # Only a rule that a person can read to its end.
            options.append(_option(SESSION, lasting, "allow_always"))
        options.append(_option(NO, "Reject", "reject_once"))
        notes = _notes(pause)
        update = await asyncio.to_thread(tools.asked_about, call, pause.tool_use, cwd, notes)
        chosen = await self._choose(session.id, update, options)
        outside = tuple(Path(path) for path in pause.details.get("outside", ()))
        if chosen == ONCE:
            return Execute(by="you, once", allowed_paths=outside)
        if chosen == SESSION and len(options) == 3:
            session.allow(str(rule))
            return Execute(by="you, for this session", allowed_paths=outside)
        return None if chosen is None else Reject(by="you")

    async def _question(
        self, session: Session, call: str, pause: Paused, cwd: Path
    ) -> Answer | None:
        use = pause.tool_use
        question = safe(str(use.input.get("question", "")))
        given = use.input.get("options")
        choices = [str(each) for each in given] if isinstance(given, list) else []
        if not choices:
            return await self._in_words(session.id, call, question)
        options = [
            _option(f"option_{place}", choice, "allow_once") for place, choice in enumerate(choices)
        ]
        options.append(_option(NO, "Do not answer", "reject_once"))
        update = schema.ToolCallUpdate(
            tool_call_id=call, title=tools.title_of(use), content=[tools.words(question)]
        )
        chosen = await self._choose(session.id, update, options)
        if chosen is None:
            return None
        answers = {
            option.option_id: choice for option, choice in zip(options, choices, strict=False)
        }
        if chosen in answers:
            return Provide(answers[chosen], by="you")
        return Provide(DECLINED, is_error=True, by="you")

    async def _in_words(self, session_id: str, call: str, question: str) -> Answer | None:
        if not self._takes_words:
            return Provide(NO_WORDS, is_error=True)
        field = schema.ElicitationStringPropertySchema(type="string", title="Your answer")
        form = schema.ElicitationFormSessionMode(
            session_id=session_id,
            tool_call_id=call,
            requested_schema=schema.ElicitationSchema(
                type="object", properties={"answer": field}, required=["answer"]
            ),
        )
        given: Any = await self._client.create_elicitation(question, form)
        content = getattr(given, "content", None)
        answer = content.get("answer") if isinstance(content, dict) else None
        if given.action == "cancel":
            return None
        if given.action == "accept" and isinstance(answer, str) and answer.strip():
            return Provide(answer.strip(), by="you")
        return Provide(DECLINED, is_error=True, by="you")

    async def _choose(
        self, session_id: str, update: schema.ToolCallUpdate, options: list[schema.PermissionOption]
    ) -> str | None:
        """The id of the option chosen; `None` when the turn is to end."""
        answer = await self._client.request_permission(session_id, update, options)
        if isinstance(answer.outcome, schema.AllowedOutcome):
            return answer.outcome.option_id
        return None


def _option(id: str, name: str, kind: schema.PermissionOptionKind) -> schema.PermissionOption:
    return schema.PermissionOption(option_id=id, name=safe_line(name, _MAX_NAME), kind=kind)


def _notes(pause: Paused) -> list[str]:
    """What to look at before saying yes."""
    details = pause.details
    notes = [f"asked by {details['agent']}"] if "agent" in details else []
    notes += [str(line) for line in details.get("warnings", ())]
    notes += [f"outside the working folder: {path}" for path in details.get("outside", ())]
    return [safe_line(note, 1000) for note in dict.fromkeys(notes)]
