"""Titles: the first words of the first message, after the first turn, never over a person's own."""

from __future__ import annotations

import asyncio

import pytest
from agent_helpers import payload_of
from hypothesis import given
from hypothesis import strategies as st
from session_helpers import AT_ONCE, heard, make_session

from omni_tui.core.errors import AgentRunError, AuthError
from omni_tui.core.messages import Attachment, Message
from omni_tui.llm.providers.scripted import Fail, ScriptedProvider, Wait
from omni_tui.session.manager import SessionManager
from omni_tui.session.session import Session
from omni_tui.session.setup import Setup
from omni_tui.session.store.memory import MemoryStore
from omni_tui.session.titles import MAX_CHARS, heuristic_title


def title_of(session: Session) -> str | None:
    return session.title


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Name three mountains", "Name three mountains"),
        ("  Name\n\n three\tmountains ", "Name three mountains"),
        ("x" * 50, "x" * 50),
        ("x" * 51, "x" * 49 + "…"),
        ("Tell me all there is to know about the mountains, please", None),
        ("word " * 400, None),
        ("a " + "x" * 100, "a " + "x" * 47 + "…"),
    ],
)
def test_the_title_is_the_first_words_cut_at_a_word(text: str, title: str | None) -> None:
    got = heuristic_title([Message.user(text)])
    assert got is not None
    assert len(got) <= MAX_CHARS
    if title is not None:
        assert got == title
    else:
        assert got.endswith("…")
        assert " ".join(text.split()).startswith(got[:-1])
        assert not got[-2].isspace()
        assert got[-2] not in ",;:."


@given(st.text(max_size=200))
def test_a_title_is_one_short_line_whatever_was_said(text: str) -> None:
    title = heuristic_title([Message.user(text)])
    if title is None:
        assert not text.split()
    else:
        assert 0 < len(title) <= MAX_CHARS
        assert title == " ".join(title.split())


def test_messages_without_words_are_passed_over() -> None:
    picture = Message.user(Attachment(media_type="image/png", data=b""))
    assert heuristic_title([picture, Message.user(" \n"), Message.assistant("A dot")]) == "A dot"
    assert heuristic_title([picture]) is None
    assert heuristic_title([]) is None


async def test_a_session_gets_its_title_with_its_first_answer() -> None:
    session = make_session(["one", "two"])
    subscription = session.subscribe()
    assert title_of(session) is None
    await session.prompt("Name three mountains")
    assert title_of(session) == "Name three mountains"
    assert not session.record.title_is_manual
    await session.prompt("Something else")
    assert title_of(session) == "Name three mountains"
    events = await heard(session, subscription)
    assert [payload_of(event).title for event in events if event.type == "title"] == [
        "Name three mountains"
    ]
    await session.close()


async def test_a_turn_that_failed_gives_a_title() -> None:
    session = make_session([[Fail(AuthError("refused"))], "two"])
    with pytest.raises(AgentRunError):
        await session.prompt("One")
    assert title_of(session) == "One"
    await session.prompt("Two")
    assert title_of(session) == "One"
    await session.close()


async def test_a_turn_that_was_cancelled_gives_a_title() -> None:
    provider = ScriptedProvider([[Wait(until=asyncio.Event())]])
    session = make_session(provider)
    run = session.prompt("One")
    while not provider.requests:
        await asyncio.sleep(0)
    run.cancel()
    await run.wait()
    assert title_of(session) == "One"
    assert not session.record.title_is_manual
    await session.close()


async def test_a_title_given_by_hand_stays() -> None:
    session = make_session(["one", "two"])
    session.rename("Mine")
    await session.prompt("Hi")
    assert (session.title, session.record.title_is_manual) == ("Mine", True)
    session.rename("Hi")
    await session.prompt("Ho")
    assert session.title == "Hi"
    await session.close()


@pytest.mark.parametrize("nothing", [None, ""])
async def test_taking_the_title_away_lets_the_session_find_one_again(nothing: str | None) -> None:
    session = make_session(["one"])
    session.rename("Mine")
    session.rename(nothing)
    assert (title_of(session), session.record.title_is_manual) == (None, False)
    await session.prompt("Name three mountains")
    assert title_of(session) == "Name three mountains"
    await session.close()


async def test_a_found_title_confirmed_by_hand_is_manual() -> None:
    session = make_session(["one"])
    await session.prompt("Hi")
    session.rename("Hi")
    assert session.record.title_is_manual
    await session.close()


async def test_titles_survive_with_what_they_are() -> None:
    store = MemoryStore()
    provider = ScriptedProvider(["one", "two"])
    manager = SessionManager(store, default_model=provider.model(), setup=Setup(retry=AT_ONCE))
    async with manager:
        session = manager.create()
        session.rename("Mine")
        await session.prompt("Hi")
        await manager.close(session.id)
        again, _ = await manager.open(session.id)
        assert (again.title, again.record.title_is_manual) == ("Mine", True)
        await again.prompt("Ho")
        assert again.title == "Mine"
