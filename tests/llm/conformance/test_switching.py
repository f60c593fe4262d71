"""One conversation that changes provider after every turn: what each is really sent."""

from __future__ import annotations

from contextlib import ExitStack

import strict
from backends import Answer, Backend, Calls, loopback
from wire.made import DIALECTS

from omni_tui.core.messages import Message, ToolResult
from omni_tui.core.tool import tool
from omni_tui.llm.api import generate_text


@tool
async def look(place: str) -> str:
    """Look somewhere."""
    return place


async def turn(backend: Backend, history: list[Message], number: int) -> None:
    """A question, a call, its result and an answer, all by one provider."""
    backend.play(
        Answer(
            thinking=f"thought {number}",
            text=f"looking {number}",
            calls=(("same-id", "look", {"place": str(number)}),),
            stop="tool_use",
            signature=f"signed{number}by{backend.dialect}",
        ),
        Answer(
            thinking="done",
            text=f"answer {number}",
            signature=f"final{number}by{backend.dialect}",
        ),
    )
    history.append(Message.user(f"question {number}"))
    first = await generate_text(backend.model, history, tools=(look,))
    (use,) = first.message.tool_uses
    result = ToolResult(tool_use_id=use.id, name=use.name, content=f"result {number}")
    history += [first.message, Message.user(result)]
    history.append((await generate_text(backend.model, history, tools=(look,))).message)


async def test_a_switch_of_provider_after_every_turn() -> None:
    history: list[Message] = []
    order = (*DIALECTS, *reversed(DIALECTS), *DIALECTS)
    with ExitStack() as stack:
        backends = {name: stack.enter_context(loopback(name)) for name in DIALECTS}
        for number, dialect in enumerate(order):
            await turn(backends[dialect], history, number)
        for backend in backends.values():
            await backend.model.provider.close()
    for dialect, backend in backends.items():
        for body in backend.bodies:
            strict.check(dialect, body)
        last = str(backend.bodies[-1])
        asked = max(number for number, name in enumerate(order) if name == dialect)
        for number, name in enumerate(order[:asked]):
            assert all(f"{word} {number}" in last for word in ("question", "looking", "answer"))
            assert f"result {number}" in last
            # Chat Completions has no signatures; of the two that have, each gets its own alone.
            is_own = name == dialect != "chat"
            for kind in ("signed", "final"):
                assert (f"{kind}{number}by{name}" in last) is is_own


async def test_what_broke_off_in_one_dialect_is_repaired_for_another() -> None:
    for dialect in DIALECTS:
        for other in DIALECTS:
            with loopback(dialect) as first, loopback(other) as second:
                calls: Calls = (("a.b:1", "look", {}), ("a.b:1", "look", {}))
                first.play(Answer(calls=calls, stop="tool_use"))
                asked = (Message.user("Look"), Message.user("twice"))
                reply = await generate_text(first.model, asked, tools=(look,))
                second.play(Answer(text="I see."))
                history = (*asked, reply.message, Message.user(" "), Message.user("And now?"))
                response = await generate_text(second.model, history, tools=(look,))
                assert response.text == "I see."
                for backend in (first, second):
                    strict.check(backend.dialect, backend.bodies[0])
                    await backend.model.provider.close()
                sent = str(second.bodies[0])
                assert sent.count("interrupted: this tool gave no result") == 2
                assert "And now?" in sent
