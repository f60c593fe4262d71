"""Tools and questions of a run, as an editor is told and asked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from acp import RequestError, schema
from acp_editor import Choice, Editor, choose, dismiss, served
from agent_helpers import Guard

from omni_tui.agent.agent import Agent
from omni_tui.agent.decisions import Pause
from omni_tui.agent.subagent import agent_as_tool
from omni_tui.core.messages import ToolResult
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.scripted import Call, Reply, ScriptedProvider
from omni_tui.session.store.memory import MemoryStore
from omni_tui.tools.bash import bash
from omni_tui.tools.permissions import Permissions, Rule


def run(command: str = "echo hi") -> Reply:
    return [Call("bash", {"command": command})]


def result_of(replies: ScriptedProvider) -> ToolResult:
    (result,) = replies.requests[-1].messages[-1].tool_results
    return result


def texts(call: dict[str, Any]) -> list[str]:
    return [each["content"]["text"] for each in call["content"] if each["type"] == "content"]


async def test_a_tool_is_told_from_its_name_to_its_result(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    editor = Editor()
    replies: list[Reply] = [[Call("read_file", {"path": "a.txt", "offset": 2})], "Two."]
    async with served(replies, editor) as place:
        await place.say(await place.begin(tmp_path), "read it")
    assert editor.asked == []
    call = editor.call()
    assert call["statuses"] == ["pending", "in_progress", "completed"]
    assert (call["kind"], call["title"]) == ("read", "Read a.txt")
    assert call["raw_input"] == {"path": "a.txt", "offset": 2}
    assert call["locations"] == [{"path": f"{tmp_path}/a.txt", "line": 2}]
    assert texts(call) == ["```\n     2\ttwo\n```"]


async def test_what_a_command_prints_is_told_while_it_runs(tmp_path: Path) -> None:
    editor = Editor(choose("allow_once"))
    async with served([run("echo one; echo two >&2; exit 3"), "Hm."], editor) as place:
        await place.say(await place.begin(tmp_path), "run it")
    call = editor.call()
    assert call["statuses"][:2] == ["pending", "in_progress"]
    assert "in_progress" in call["statuses"][2:]
    assert call["statuses"][-1] == "failed"
    assert (call["kind"], call["title"]) == ("execute", "echo one; echo two >&2; exit 3")
    assert texts(call) == ["```\none\ntwo\nexit code: 3\n```"]


async def test_a_permission_is_for_once_and_shows_the_rule_for_more(tmp_path: Path) -> None:
    editor = Editor(choose("allow_once"))
    async with served([run(), run(), "Done."], editor) as place:
        await place.say(await place.begin(tmp_path), "run it")
    assert len(editor.asked) == 2
    call, options = editor.asked[0]
    assert call.title == "echo hi"
    assert [(each.kind, each.name) for each in options] == [
        ("allow_once", "Allow once"),
        ("allow_always", "Allow for this session: bash(echo hi)"),
        ("reject_once", "Reject"),
    ]
    asked = call.model_dump(exclude_none=True)
    assert texts(asked) == ["```\necho hi\n```"]
    assert asked["tool_call_id"] == editor.of("tool_call")[0].tool_call_id


async def test_what_is_allowed_for_the_session_is_not_asked_again(tmp_path: Path) -> None:
    editor, store = Editor(choose("allow_session")), MemoryStore()
    async with served([run(), run(), "Done."], editor, store=store) as place:
        session = await place.begin(tmp_path)
        await place.say(session, "run it")
    assert len(editor.asked) == 1
    assert (await store.load(session)).record.approvals == ("bash(echo hi)",)


def fails(*_: Any) -> None:
    raise RequestError.internal_error()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (choose("reject_once"), "Tool rejected by the user."),
        (choose("something else"), "Tool rejected by the user."),
        (fails, "Tool rejected: The person could not be asked."),
    ],
)
async def test_whatever_is_no_yes_is_a_no(tmp_path: Path, answer: Choice, told: str) -> None:
    replies = ScriptedProvider([run("touch here"), "Then not."])
    editor = Editor(answer)
    async with served(replies, editor) as place:
        done = await place.say(await place.begin(tmp_path), "run it")
    assert done.stop_reason == "end_turn"
    assert (result_of(replies).content, result_of(replies).is_error) == (told, True)
    assert editor.call()["statuses"] == ["pending", "failed"]
    assert not (tmp_path / "here").exists()


async def test_a_question_that_is_dismissed_ends_the_turn(tmp_path: Path) -> None:
    editor = Editor(dismiss)
    async with served([run("touch here")], editor) as place:
        done = await place.say(await place.begin(tmp_path), "run it")
    assert done.stop_reason == "cancelled"
    assert not (tmp_path / "here").exists()


async def test_an_answer_after_the_cancel_allows_nothing(tmp_path: Path) -> None:
    late: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    editor = Editor(lambda *_: late)
    async with served([run("touch here"), "Next."], editor) as place:
        session = await place.begin(tmp_path)
        answer = asyncio.create_task(place.say(session, "run it"))
        await editor.until(lambda: editor.asked)
        await place.agent.cancel(session_id=session)
        assert (await answer).stop_reason == "cancelled"
        late.set_result("allow_once")
        assert (await place.say(session, "and now")).stop_reason == "end_turn"
    assert not (tmp_path / "here").exists()


async def test_a_change_is_asked_and_told_as_a_difference(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("one\ntwo\nthree\n")
    edit = {"path": "a.txt", "old_string": "two", "new_string": "2"}
    editor = Editor(choose("allow_once"))
    async with served([[Call("edit_file", edit)], "Done."], editor) as place:
        await place.say(await place.begin(tmp_path), "change it")
    (asked, _), done = editor.asked[0], editor.call()
    expected = {
        "type": "diff",
        "path": str(file),
        "old_text": "one\ntwo\nthree\n",
        "new_text": "one\n2\nthree\n",
    }
    assert asked.model_dump(exclude_none=True)["content"] == [expected]
    assert done["content"] == [expected]
    assert (done["kind"], done["statuses"][-1]) == ("edit", "completed")
    assert file.read_text() == "one\n2\nthree\n"


async def test_a_new_file_has_no_old_text_and_a_replaced_one_has(tmp_path: Path) -> None:
    write: list[Reply] = [
        [Call("write_file", {"path": "a.txt", "content": text})] for text in ("one\n", "two\n")
    ]
    editor = Editor(choose("allow_once"))
    async with served([*write, "Done."], editor) as place:
        await place.say(await place.begin(tmp_path), "write it")
    ids = [update.tool_call_id for update in editor.of("tool_call")]
    first, second = ([*editor.call(id)["content"]] for id in ids)
    path = {"type": "diff", "path": f"{tmp_path}/a.txt"}
    assert first == [{**path, "new_text": "one\n"}]
    assert second == [{**path, "old_text": "one\n", "new_text": "two\n"}]
    asked = [call.model_dump(exclude_none=True)["content"] for call, _ in editor.asked]
    assert asked == [first, second]


async def test_a_change_that_cannot_be_compared_is_asked_with_all_arguments(tmp_path: Path) -> None:
    edit = {"path": "none.txt", "old_string": "two", "new_string": "2"}
    editor = Editor(choose("reject_once"))
    async with served([[Call("edit_file", edit)], "Done."], editor) as place:
        await place.say(await place.begin(tmp_path), "change it")
    (content,) = texts(editor.asked[0][0].model_dump(exclude_none=True))
    assert all(f'"{value}"' in content for value in edit.values())


async def test_what_to_look_at_stands_above_the_question(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    editor = Editor(choose("allow_once"))
    write: Reply = [Call("write_file", {"path": "../out.txt", "content": "x"})]
    async with served([write, run("rm -r x"), "Done."], editor) as place:
        await place.say(await place.begin(inside), "do it")
    (first, _), (second, options) = editor.asked
    notes = texts(first.model_dump(exclude_none=True))[0]
    assert f"outside the working folder: {tmp_path}/out.txt" in notes
    assert "deletes files" in texts(second.model_dump(exclude_none=True))[0]
    assert [each.kind for each in options] == ["allow_once", "reject_once"]
    assert (tmp_path / "out.txt").read_text() == "x"


ASK: Reply = [Call("human", {"question": "Sea or hills?", "options": ["the sea", "the hills"]})]


@pytest.mark.parametrize(
    ("answer", "told", "is_error"),
    [
        (choose("the hills"), "the hills", False),
        (choose("reject_once"), "User declined to answer.", True),
        (fails, "The person could not be asked.", True),
    ],
)
async def test_a_question_with_options_is_put_with_them(
    tmp_path: Path, answer: Choice, told: str, is_error: bool
) -> None:
    replies = ScriptedProvider([ASK, "Good."])
    editor = Editor(answer)
    async with served(replies, editor) as place:
        await place.say(await place.begin(tmp_path), "ask me")
    assert (result_of(replies).content, result_of(replies).is_error) == (told, is_error)
    call, options = editor.asked[0]
    assert call.title == "Question: Sea or hills?"
    assert [each.name for each in options] == ["the sea", "the hills", "Do not answer"]


FORM = schema.ElicitationCapabilities(form=schema.ElicitationFormCapabilities())


@pytest.mark.parametrize(
    ("answer", "told", "is_error"),
    [
        (
            schema.AcceptElicitationResponse(action="accept", content={"answer": " Ann "}),
            "Ann",
            False,
        ),
        (schema.AcceptElicitationResponse(action="accept"), "User declined to answer.", True),
        (schema.DeclineElicitationResponse(action="decline"), "User declined to answer.", True),
    ],
)
async def test_a_question_without_options_is_a_form_where_there_are_forms(
    tmp_path: Path, answer: Any, told: str, is_error: bool
) -> None:
    replies = ScriptedProvider([[Call("human", {"question": "Your name?"})], "Hello."])
    editor = Editor()
    editor.form_answer = answer
    async with served(replies, editor) as place:
        await place.say(await place.begin(tmp_path, elicitation=FORM), "ask me")
    assert (result_of(replies).content, result_of(replies).is_error) == (told, is_error)
    ((question, mode),) = editor.forms
    assert question == "Your name?"
    assert list(mode.requested_schema.properties) == ["answer"]


async def test_a_form_can_end_the_turn(tmp_path: Path) -> None:
    editor = Editor()
    editor.form_answer = schema.CancelElicitationResponse(action="cancel")
    async with served([[Call("human", {"question": "Your name?"})]], editor) as place:
        done = await place.say(await place.begin(tmp_path, elicitation=FORM), "ask me")
    assert done.stop_reason == "cancelled"


async def test_without_forms_the_model_is_told_to_ask_in_its_reply(tmp_path: Path) -> None:
    replies = ScriptedProvider([[Call("human", {"question": "Your name?"})], "What is your name?"])
    editor = Editor()
    async with served(replies, editor) as place:
        await place.say(await place.begin(tmp_path), "ask me")
    assert "Ask in your reply" in result_of(replies).content
    assert (editor.asked, editor.forms) == ([], [])


async def test_a_rule_that_cannot_be_read_to_its_end_is_not_offered(tmp_path: Path) -> None:
    editor = Editor(choose("reject_once"))
    async with served([run("echo " + "x" * 400), "Done."], editor) as place:
        await place.say(await place.begin(tmp_path), "run it")
    ((call, options),) = editor.asked
    assert [each.kind for each in options] == ["allow_once", "reject_once"]
    assert "x" * 400 in texts(call.model_dump(exclude_none=True))[0]


async def test_a_sub_agents_question_is_a_call_of_its_own(tmp_path: Path) -> None:
    below: list[Reply] = [[Call("bash", {"command": "echo below"}, id="same")], "Below **done**."]
    helper = agent_as_tool(
        Agent,
        name="helper",
        description="Helps.",
        model=ScriptedProvider(below).model(),
        tools=(bash,),
        hooks=(Guard(lambda _: Pause()),),
    )
    editor = Editor(choose("allow_once"))
    allowing = Permissions(tmp_path, rules=[Rule.parse("helper", "allow")])
    replies: list[Reply] = [[Call("helper", {"prompt": "do it"}, id="same")], "Done."]
    async with served(replies, editor, tools=(helper,), permissions=allowing) as place:
        done = await place.say(await place.begin(tmp_path), "help")
    assert done.stop_reason == "end_turn"
    outer, inner = (update.tool_call_id for update in editor.of("tool_call"))
    ((call, _),) = editor.asked
    assert (call.tool_call_id, call.title) == (inner, "echo below")
    assert "asked by helper" in texts(call.model_dump(exclude_none=True))[0]
    assert editor.call(inner)["statuses"] == ["pending", "completed"]
    assert editor.call(outer)["statuses"][-1] == "completed"
    assert texts(editor.call(outer)) == ["Below **done**."]


def part(request: Request) -> Reply:
    """What a model says that gives two tasks away, or does one of them."""
    prompt, last = request.messages[0].text, request.messages[-1]
    if last.tool_results:
        return f"{prompt} {'not ' if last.tool_results[0].is_error else ''}done"
    if prompt in ("first", "second"):
        return run(f"touch {prompt}")
    return [Call("task", {"description": name, "prompt": name}) for name in ("first", "second")]


async def test_sub_agents_at_once_are_answered_each_for_itself(tmp_path: Path) -> None:
    def answer(call: schema.ToolCallUpdate, _: Any) -> str:
        return "allow_once" if call.title == "touch first" else "reject_once"

    editor, replies = Editor(answer), ScriptedProvider(part)
    async with served(replies, editor, max_depth=2) as place:
        done = await place.say(await place.begin(tmp_path), "both")
        assert len((await place.agent.list_sessions()).sessions) == 1
    assert done.stop_reason == "end_turn"
    assert sorted(str(call.title) for call, _ in editor.asked) == ["touch first", "touch second"]
    assert [each.name for each in tmp_path.iterdir()] == ["first"]
    results = [each.content for each in replies.requests[-1].messages[-1].tool_results]
    assert [result.split("\n")[0] for result in results] == ["first done", "second not done"]
    titles = [update.title for update in editor.of("tool_call_update") if update.title]
    assert titles[:2] == ["Sub-agent: first", "Sub-agent: second"]


async def test_a_late_answer_is_not_taken_for_one_to_another_question(tmp_path: Path) -> None:
    """The first sub-agent is stopped while it asks; the second asks next."""
    loop = asyncio.get_running_loop()
    answers: list[asyncio.Future[str]] = [loop.create_future(), loop.create_future()]
    editor = Editor(lambda *_: answers[len(editor.asked) - 1])
    async with served(ScriptedProvider(part), editor, max_depth=2) as place:
        session = await place.begin(tmp_path)
        done = asyncio.create_task(place.say(session, "both"))
        await editor.until(lambda: editor.asked)
        above = next(each for each in place.manager.list_open() if each.id == session)
        name = str(editor.asked[0][0].title).removeprefix("touch ")
        next(each for each in above.children if each.title == name).cancel()
        await editor.until(lambda: len(editor.asked) == 2)
        answers[0].set_result("allow_once")
        await place.agent.list_sessions()  # what was sent before is taken by now
        answers[1].set_result("reject_once")
        assert (await done).stop_reason == "end_turn"
    assert list(tmp_path.iterdir()) == []
