"""Titles by a model: asked after the first turn, cleaned, never over a person's own."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from agent_helpers import payload_of
from hypothesis import given
from hypothesis import strategies as st
from session_helpers import AT_ONCE, heard, make_session, quiet

from omni_tui.core.errors import AgentRunError, AuthError
from omni_tui.core.safe_text import safe_line
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.scripted import Fail, Reply, ScriptedProvider, Wait
from omni_tui.session.manager import SessionManager
from omni_tui.session.session import Session
from omni_tui.session.setup import Setup
from omni_tui.session.store.memory import MemoryStore
from omni_tui.session.titles import MAX_CHARS, TitlePolicy, clean_title

MODEL = TitlePolicy(strategy="model")


class Namer(ScriptedProvider):
    """Answers with `reply`, and with `title` when it is asked for one."""

    def __init__(self, title: Reply, *, reply: Reply = "fine") -> None:
        super().__init__(self._choose)
        self.title = title
        self.reply = reply
        self.asked: list[Request] = []

    def _choose(self, request: Request) -> Reply:
        if "You name conversations" in (request.system or ""):
            self.asked.append(request)
            return self.title
        return self.reply


def session_of(title: Reply, **facts: Any) -> tuple[Session, Namer]:
    provider = Namer(title)
    return make_session(provider, title=MODEL, **facts), provider


async def titled(session: Session) -> str | None:
    """The title, when nobody is asked for one any more."""
    while session.titler.is_at_work:
        await asyncio.sleep(0)
    return session.title


async def test_a_model_names_the_session_after_its_first_turn() -> None:
    session, provider = session_of("Three Unclimbed Mountains")
    subscription = session.subscribe()
    await session.prompt("Name three mountains")
    assert session.title is None  # nobody waits for it
    assert await titled(session) == "Three Unclimbed Mountains"
    await session.prompt("And rivers?")
    assert await titled(session) == "Three Unclimbed Mountains"
    (request,) = provider.asked
    assert request.options.max_tokens == 50
    assert "[user]\nName three mountains" in request.messages[0].text
    assert "[assistant]\nfine" in request.messages[0].text
    assert not session.record.title_is_manual
    events = await heard(session, subscription)
    assert [payload_of(e).title for e in events if e.type == "title"] == [session.title]
    await session.close()


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ("Mountains of Bhutan", "Mountains of Bhutan"),
        ('"Mountains of Bhutan."', "Mountains of Bhutan"),
        ("**Title:** Mountains of Bhutan", "Mountains of Bhutan"),
        ("title： 不丹的山", "不丹的山"),
        ("«Горы Бутана»", "Горы Бутана"),
        ("\n\n# Mountains\n\nThis title says what it is about.", "Mountains"),
        ("Moun\x1b[31mtains\u202e of\tBhutan\r\n", "Moun[31mtains of Bhutan"),
        ("a b c d e f g", "a b c d e f…"),
        ("C++ and F#", "C++ and F"),
        ("x" * 60, "x" * 49 + "…"),
        ("山" * 60, "山" * 49 + "…"),
        ("", None),
        ("...", None),
        ('""\n--', None),
        ("I am sorry, but I cannot do that, because it is not allowed here", None),
    ],
)
def test_an_answer_becomes_one_short_safe_line_or_none(answer: str, title: str | None) -> None:
    assert clean_title(answer) == title


@given(st.text(max_size=300))
def test_whatever_a_model_answers_a_title_is_short_and_safe(answer: str) -> None:
    title = clean_title(answer)
    if title is not None:
        assert 0 < len(title) <= MAX_CHARS
        assert title == safe_line(title)
        assert any(map(str.isalnum, title))


@pytest.mark.parametrize("answer", ["", [Fail(AuthError("refused"))], "no " * 20])
async def test_without_a_title_from_the_model_the_first_words_are_it(
    answer: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    session, provider = session_of(answer)
    with caplog.at_level(logging.WARNING):
        await session.prompt("Name three mountains")
        assert await titled(session) == "Name three mountains"
    assert "no title for session" in caplog.text
    await session.prompt("And rivers?")
    assert await titled(session) == "Name three mountains"
    assert len(provider.asked) == 1
    await session.close()


async def test_a_turn_without_an_answer_takes_the_first_words_and_asks_nobody() -> None:
    session, provider = session_of("Never")
    provider.reply = [Fail(AuthError("refused"))]
    with pytest.raises(AgentRunError):
        await session.prompt("Name three mountains")
    assert session.title == "Name three mountains"
    assert provider.asked == []
    await session.close()


async def test_a_title_given_by_hand_meanwhile_stays_and_nobody_is_asked_any_more() -> None:
    gate = asyncio.Event()
    session, provider = session_of([Wait(until=gate), "Too late"])
    await session.prompt("Hi")
    while not provider.asked:
        await asyncio.sleep(0)
    session.rename("Mine")
    gate.set()
    await quiet()
    assert (session.title, session.record.title_is_manual) == ("Mine", True)
    assert not session.titler.is_at_work
    await session.prompt("And now?")
    await quiet()
    assert len(provider.asked) == 1
    await session.close()


async def test_off_finds_no_title() -> None:
    session = make_session(["one"], title=TitlePolicy(strategy="off"))
    await session.prompt("Hi")
    await quiet()
    assert session.title is None
    await session.close()


async def test_a_session_that_closes_before_gets_its_first_words() -> None:
    session, provider = session_of([Wait(until=asyncio.Event())], store=MemoryStore())
    await session.prompt("Name three mountains")
    while not provider.asked:
        await asyncio.sleep(0)
    await session.close()
    assert session.title == "Name three mountains"


async def test_asked_again_the_model_reads_the_summary_and_the_latest_messages() -> None:
    session, provider = session_of("First")
    await session.prompt("question 0")
    assert await titled(session) == "First"
    for number in range(1, 30):
        await session.prompt(f"question {number}.")
    provider.reply = "They talked."
    await session.compact(4)
    session.rename("Mine")
    provider.title = "Latest"
    session.titler.find_again()
    assert session.title == "Mine"  # until there is another
    assert await titled(session) == "Latest"
    assert not session.record.title_is_manual
    read = provider.asked[-1].messages[0].text
    assert "They talked." in read
    assert "question 10." in read
    assert "question 9." not in read
    await session.close()


async def test_asked_again_in_vain_the_title_stays() -> None:
    session, provider = session_of("First")
    await session.prompt("question 0")
    await titled(session)
    session.rename("Mine")
    provider.title = ""
    session.titler.find_again()
    assert await titled(session) == "Mine"
    assert session.record.title_is_manual
    await session.close()


async def test_asked_again_without_a_model_the_first_words_are_the_title() -> None:
    session = make_session(["one"])
    await session.prompt("Name three mountains")
    session.rename("Mine")
    session.titler.find_again()
    assert (session.title, session.record.title_is_manual) == ("Name three mountains", False)
    await session.close()


async def test_another_model_names_sessions_where_one_is_named() -> None:
    namer, chat = Namer("By another"), Namer("By itself")
    registry = ProviderRegistry({"namer": lambda: namer, "chat": lambda: chat})
    setup = Setup(retry=AT_ONCE, title=TitlePolicy(strategy="model", model="namer/small"))
    async with SessionManager(
        MemoryStore(), default_model="chat/large", setup=setup, registry=registry
    ) as manager:
        session = manager.create()
        await session.prompt("Hi")
        assert await titled(session) == "By another"
    assert [request.model for request in namer.asked] == ["small"]
    assert chat.asked == []
