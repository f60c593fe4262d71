"""What an editor can do with sessions: open, list, load and close them, and choose how they run."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from acp import PROTOCOL_VERSION, helpers, schema
from acp_editor import Editor, choose, kinds, refusal, served

from omni_tui.core.messages import Attachment, Text
from omni_tui.llm.model_info import ModelInfo
from omni_tui.llm.providers.scripted import Call, Reply, ScriptedProvider, Think
from omni_tui.session.store.memory import MemoryStore

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


async def test_the_greeting_says_what_can_be_done(tmp_path: Path) -> None:
    async with served([], Editor()) as place:
        answer = await place.agent.initialize(protocol_version=7)
    able = answer.agent_capabilities
    assert answer.protocol_version == PROTOCOL_VERSION
    assert answer.agent_info is not None
    assert answer.agent_info.name == "omni-tui"
    assert answer.auth_methods == []
    assert able is not None
    assert able.load_session
    assert able.prompt_capabilities is not None
    assert able.prompt_capabilities.embedded_context
    assert not able.prompt_capabilities.audio
    assert able.mcp_capabilities == schema.McpCapabilities(http=False, sse=False)
    sessions = able.session_capabilities
    assert sessions is not None
    assert None not in (sessions.list, sessions.resume, sessions.close)
    assert (sessions.fork, sessions.delete) == (None, None)


@pytest.mark.parametrize(
    ("inputs", "sees"), [(("text",), False), (("text", "image"), True), (None, True)]
)
async def test_images_are_offered_unless_the_model_is_known_not_to_read_them(
    inputs: Any, sees: bool
) -> None:
    async with served([], Editor()) as place:
        info = ModelInfo(id="scripted/script", inputs=inputs)
        place.manager.registry.catalog.learn([info])
        able = (await place.agent.initialize(protocol_version=1)).agent_capabilities
    assert able is not None
    assert able.prompt_capabilities is not None
    assert able.prompt_capabilities.image is sees


@pytest.mark.parametrize(("cwd", "why"), [("src", "no absolute path"), ("/not/there", "no folder")])
async def test_a_folder_that_is_none_is_refused(cwd: str, why: str) -> None:
    async with served([], Editor()) as place:
        refused = await refusal(place.agent.new_session(cwd=cwd, mcp_servers=[]))
    assert refused.code == -32602
    assert why in str(refused)


async def test_tools_are_held_to_the_folder_of_their_session(tmp_path: Path) -> None:
    inside, beside = tmp_path / "inside", tmp_path / "beside.txt"
    inside.mkdir()
    beside.write_text("secret")
    replies: list[Reply] = [
        [Call("bash", {"command": "pwd"})],
        [Call("read_file", {"path": "../beside.txt"})],
        "Done.",
    ]
    editor = Editor(choose("allow_once"))
    async with served(replies, editor) as place:
        await place.say(await place.begin(inside), "look")
    first, second = (editor.call(update.tool_call_id) for update in editor.of("tool_call"))
    assert str(inside) in first["content"][0]["content"]["text"]
    assert [call.title for call, _ in editor.asked] == ["pwd", "Read ../beside.txt"]
    assert second["statuses"][-1] == "completed"


async def test_servers_that_cannot_be_used_are_named_once(tmp_path: Path) -> None:
    server = schema.McpServerStdio(name="files\x1b[2J", command="x", args=[], env=[])
    editor = Editor()
    async with served(["One.", "Two."], editor) as place:
        new = await place.agent.new_session(
            cwd=str(tmp_path), mcp_servers=[server], additional_directories=["/else"]
        )
        await place.say(new.session_id, "hi")
        await place.say(new.session_id, "ho")
    assert editor.text() == (
        "> omni-tui: MCP servers cannot be used yet, so these were left out: files�[2J\n\n"
        "> omni-tui: only the first folder counts as inside, these do not: /else\n\n"
        "One.Two."
    )


# What an editor sends


async def test_mentions_become_words_and_files_are_attached(tmp_path: Path) -> None:
    replies = ScriptedProvider(["I see."])
    text = helpers.embedded_text_resource("file:///w/b.py#L3:5", "x = 1\n")
    blob = helpers.embedded_blob_resource("file:///w/c.bin", base64.b64encode(b"words").decode())
    blocks: list[Any] = [
        helpers.text_block("Look at "),
        helpers.resource_link_block("a b.py", "file:///w/a%20b.py"),
        helpers.text_block(" and "),
        helpers.resource_link_block("page", "https://example.org/x"),
        helpers.resource_block(text),
        helpers.resource_block(blob),
        helpers.image_block(base64.b64encode(PNG).decode(), "image/png", uri="file:///w/p.png"),
    ]
    async with served(replies, Editor()) as place:
        session = await place.begin(tmp_path)
        await place.agent.prompt(session_id=session, prompt=blocks)
    words, *files = replies.requests[0].messages[0].content
    link = "[@page](https://example.org/x)"
    assert words == Text(text=f"Look at [@a b.py](/w/a b.py) and {link}")
    assert files == [
        Attachment(media_type="text/plain", data=b"x = 1\n", name="/w/b.py#L3:5"),
        Attachment(media_type="text/plain", data=b"words", name="/w/c.bin"),
        Attachment(media_type="image/png", data=PNG, name="p.png"),
    ]


@pytest.mark.parametrize(
    ("blocks", "why"),
    [
        ([], "empty"),
        ([helpers.audio_block("AAAA", "audio/wav")], "Sound"),
        ([helpers.image_block("no base64!", "image/png")], "no base64"),
        ([helpers.image_block(base64.b64encode(b"words").decode(), "image/png")], "no image"),
    ],
)
async def test_a_prompt_that_cannot_be_read_is_refused(
    tmp_path: Path, blocks: list[Any], why: str
) -> None:
    async with served(["Fine."], Editor()) as place:
        session = await place.begin(tmp_path)
        refused = await refusal(place.agent.prompt(session_id=session, prompt=blocks))
        assert refused.code == -32602
        assert why in str(refused)
        assert (await place.say(session, "then words")).stop_reason == "end_turn"


async def test_an_image_the_model_cannot_read_is_refused(tmp_path: Path) -> None:
    async with served([], Editor()) as place:
        info = ModelInfo(id="scripted/script", inputs=("text",))
        place.manager.registry.catalog.learn([info])
        session = await place.begin(tmp_path)
        image = helpers.image_block(base64.b64encode(PNG).decode(), "image/png")
        refused = await refusal(place.agent.prompt(session_id=session, prompt=[image]))
    assert (refused.code, refused.data) == (-32602, {"type": "UnsupportedModalityError"})


# Stored sessions


async def test_a_session_is_told_again_when_it_is_loaded(tmp_path: Path) -> None:
    store = MemoryStore()
    first: list[Reply] = [
        [Think("Hm."), Call("write_file", {"path": "a.txt", "content": "x\n"})],
        "Done.",
    ]
    wrote = Editor(choose("allow_once"))
    image: Any = helpers.image_block(base64.b64encode(PNG).decode(), "image/png")
    async with served(first, wrote, store=store) as place:
        session = await place.begin(tmp_path)
        words: Any = helpers.text_block("Write it.")
        await place.agent.prompt(session_id=session, prompt=[words, image])
    reader = Editor()
    replies = ScriptedProvider(["More."])
    async with served(replies, reader, store=store) as place:
        cwd = str(tmp_path)
        loaded = await place.agent.load_session(cwd=cwd, session_id=session, mcp_servers=[])
        told = list(reader.updates)
        assert (await place.say(session, "And?")).stop_reason == "end_turn"
    assert loaded.modes is not None
    assert kinds(told) == [
        "user_message_chunk",
        "agent_thought_chunk",
        "tool_call",
        "tool_call_update",
        "agent_message_chunk",
    ]
    assert [update.content.type for update in reader.of("user_message_chunk")] == ["text", "image"]
    assert reader.text() == "Done.More."
    before, after = wrote.call(), reader.call()
    assert after["content"] == before["content"]
    assert after["statuses"] == ["pending", "completed"]
    assert len(replies.requests[0].messages) == 5


async def test_a_session_can_be_resumed_without_telling_it_again(tmp_path: Path) -> None:
    store, editor = MemoryStore(), Editor()
    async with served(["One."], Editor(), store=store) as place:
        session = await place.begin(tmp_path)
        await place.say(session, "hi")
    replies = ScriptedProvider(["Two."])
    async with served(replies, editor, store=store) as place:
        await place.agent.resume_session(cwd=str(tmp_path), session_id=session)
        assert editor.updates == []
        await place.say(session, "ho")
    assert len(replies.requests[0].messages) == 3


async def test_sessions_are_listed_by_folder_and_page_by_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omni_tui.serve.acp.service.PAGE", 2)
    here, there = tmp_path / "here", tmp_path / "there"
    made: list[str] = []
    async with served(["Hello."] * 4, Editor()) as place:
        for folder in (here, here, there, here):
            folder.mkdir(exist_ok=True)
            made.append(await place.begin(folder))
            await place.say(made[-1], f"prompt {len(made)}")
        page = await place.agent.list_sessions(cwd=f"{here}/")
        rest = await place.agent.list_sessions(cwd=str(here), cursor=page.next_cursor)
        every = await place.agent.list_sessions()
        bad = await refusal(place.agent.list_sessions(cursor="nonsense"))
    assert [each.session_id for each in page.sessions] == [made[3], made[1]]
    assert [(each.session_id, each.title) for each in rest.sessions] == [(made[0], "prompt 1")]
    assert (rest.next_cursor, page.sessions[0].cwd) == (None, str(here))
    assert len(every.sessions) == 2
    assert bad.code == -32602


@pytest.mark.parametrize("id", ["none", "\x1b]0;x", ""])
async def test_a_session_nobody_knows_is_not_found(tmp_path: Path, id: str) -> None:
    async with served([], Editor()) as place:
        requests = [
            place.say(id, "hi"),
            place.agent.load_session(cwd=str(tmp_path), session_id=id, mcp_servers=[]),
            place.agent.set_session_mode(session_id=id, mode_id="plan"),
            place.agent.close_session(session_id=id),
        ]
        errors = [await refusal(request) for request in requests]
        await place.agent.cancel(session_id=id)
    assert [error.code for error in errors] == [-32002] * 4
    assert not any("\x1b" in str(error) for error in errors)


async def test_a_closed_session_must_be_loaded_again(tmp_path: Path) -> None:
    async with served(["One.", "Two."], Editor()) as place:
        session = await place.begin(tmp_path)
        await place.say(session, "hi")
        await place.agent.close_session(session_id=session)
        assert place.manager.list_open() == []
        assert (await refusal(place.say(session, "ho"))).code == -32002
        await place.agent.load_session(cwd=str(tmp_path), session_id=session, mcp_servers=[])
        assert (await place.say(session, "ho")).stop_reason == "end_turn"


# Choices


def options_of(answer: Any) -> dict[str, str]:
    return {each.id: each.current_value for each in answer.config_options}


async def test_modes_are_the_approval_modes(tmp_path: Path) -> None:
    editor = Editor()
    touch: Reply = [Call("bash", {"command": "touch here"})]
    async with served([touch, "Done."], editor) as place:
        new = await place.agent.new_session(cwd=str(tmp_path), mcp_servers=[])
        assert new.modes is not None
        assert new.modes.current_mode_id == "ask"
        assert [mode.id for mode in new.modes.available_modes] == [
            "ask",
            "auto-edit",
            "plan",
            "yolo",
        ]
        await place.agent.set_session_mode(session_id=new.session_id, mode_id="yolo")
        await place.say(new.session_id, "touch it")
        wrong = place.agent.set_session_mode(session_id=new.session_id, mode_id="wild")
        assert (await refusal(wrong)).code == -32602
    assert (tmp_path / "here").exists()
    assert editor.asked == []
    assert options_of(editor.of("config_option_update")[0])["mode"] == "yolo"


async def test_mode_model_and_thinking_can_be_chosen(tmp_path: Path) -> None:
    editor = Editor()
    async with served([], editor) as place:
        catalog = place.manager.registry.catalog
        catalog.learn([ModelInfo(id="scripted/deep", reasoning=True)])
        new = await place.agent.new_session(cwd=str(tmp_path), mcp_servers=[])
        assert options_of(new) == {"mode": "ask", "model": "scripted/script"}

        async def use(option: str, value: str) -> dict[str, str]:
            answer = await place.agent.set_config_option(
                config_id=option, session_id=new.session_id, value=value
            )
            return options_of(answer)

        assert (await use("mode", "plan"))["mode"] == "plan"
        assert editor.of("current_mode_update")[0].current_mode_id == "plan"
        chosen = await use("model", "scripted/deep")
        assert (chosen["model"], chosen["thinking"]) == ("scripted/deep", "default")
        assert (await use("thinking", "high"))["thinking"] == "high"
        (session,) = place.manager.list_open()
        assert (str(session.model), session.options.thinking) == ("scripted/deep", "high")
        assert (await use("thinking", "default"))["thinking"] == "default"
        for option, value in [("model", "nobody/x"), ("thinking", "hard"), ("color", "red")]:
            assert (await refusal(use(option, value))).code == -32602
        assert options_of(
            await place.agent.load_session(
                cwd=str(tmp_path), session_id=new.session_id, mcp_servers=[]
            )
        ) == {"mode": "plan", "model": "scripted/deep", "thinking": "default"}
