"""An agent that speaks ACP by the package's own agent side, and does what the prompt names.

Called as `fake_acp.py FOLDER [FLAG …]`: it keeps its conversations and its notes in the folder.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import acp
from acp import helpers, schema

FOLDER = Path(sys.argv[1])
FLAGS = sys.argv[2:]
OPTIONS = [
    schema.PermissionOption(option_id="always", name="Always", kind="allow_always"),
    schema.PermissionOption(option_id="yes", name="Allow", kind="allow_once"),
    schema.PermissionOption(option_id="never", name="Never", kind="reject_always"),
    schema.PermissionOption(option_id="no", name="Reject", kind="reject_once"),
]


def note(kind: str, **facts: Any) -> None:
    with (FOLDER / "notes").open("a") as file:
        file.write(json.dumps({"kind": kind, **facts}) + "\n")


class Fake:
    def __init__(self) -> None:
        self.said: dict[str, list[tuple[str, str]]] = {}
        self.cancelled = asyncio.Event()

    def on_connect(self, client: Any) -> None:
        self.client = client

    async def initialize(self, **facts: Any) -> acp.InitializeResponse:
        offered = facts["client_capabilities"]
        note("start", pid=os.getpid(), env=dict(os.environ), cwd=os.getcwd())
        note("offered", files=offered.fs.read_text_file, terminal=offered.terminal)
        return acp.InitializeResponse(
            protocol_version=7 if "newer" in FLAGS else acp.PROTOCOL_VERSION,
            agent_capabilities=schema.AgentCapabilities(
                load_session="forgets" not in FLAGS,
                prompt_capabilities=schema.PromptCapabilities(image="sees" in FLAGS),
            ),
        )

    async def new_session(self, **_: Any) -> acp.NewSessionResponse:
        if "locked" in FLAGS:
            raise acp.RequestError.auth_required()
        id = f"s{len(list(FOLDER.glob('s*.json')))}"
        self.said[id] = []
        self.keep(id)
        note("new", session=id)
        return acp.NewSessionResponse(session_id=id)

    async def load_session(self, session_id: str, **_: Any) -> acp.LoadSessionResponse:
        note("load", session=session_id)
        file = FOLDER / f"{session_id}.json"
        if not file.exists():
            raise acp.RequestError.resource_not_found(session_id)
        self.said[session_id] = [(who, text) for who, text in json.loads(file.read_text())]
        for who, text in self.said[session_id]:
            update = (
                helpers.update_user_message_text(text)
                if who == "person"
                else helpers.update_agent_message_text(text)
            )
            await self.client.session_update(session_id, update)
        return acp.LoadSessionResponse()

    async def prompt(self, session_id: str, prompt: list[Any], **_: Any) -> acp.PromptResponse:
        texts = [block.text for block in prompt if block.type == "text"]
        note("prompt", text="".join(texts), kinds=[block.type for block in prompt])
        self.session = session_id
        self.said[session_id].append(("person", "".join(texts)))
        what = texts[-1].split()
        reason = await getattr(self, f"do_{what[0]}", self.do_hello)(*what[1:])
        self.keep(session_id)
        return acp.PromptResponse(stop_reason=reason or "end_turn")

    async def cancel(self, session_id: str, **_: Any) -> None:
        note("cancel", session=session_id)
        self.cancelled.set()

    def keep(self, session: str) -> None:
        (FOLDER / f"{session}.json").write_text(json.dumps(self.said[session]))

    async def update(self, update: Any) -> None:
        await self.client.session_update(self.session, update)

    async def say(self, *pieces: str) -> None:
        for piece in pieces:
            self.said[self.session].append(("agent", piece))
            await self.update(helpers.update_agent_message_text(piece))

    async def ask(self, call: schema.ToolCallUpdate, options: Any = OPTIONS) -> str:
        answer = await self.client.request_permission(self.session, call, options)
        chosen = getattr(answer.outcome, "option_id", "nothing")
        note("answer", chosen=chosen)
        return str(chosen)

    # What a prompt can name

    async def do_hello(self, *_: str) -> None:
        print("a banner", flush=True)
        await self.say("Hello ", "there.")

    async def do_think(self) -> None:
        entries = [helpers.plan_entry("do it")]
        await self.update(helpers.update_plan(entries))
        await self.update(helpers.update_agent_thought_text("Hm, "))
        await self.update(helpers.update_agent_thought_text("well."))
        await self.say("Done.")

    async def do_run(self, command: str = "ls", *flags: str) -> None:
        await self.say("Running.")
        given = {"command": command}
        await self.update(helpers.start_tool_call("c1", "Run it", kind="execute", status="pending"))
        call = schema.ToolCallUpdate(tool_call_id="c1", raw_input=given)
        options = [each for each in OPTIONS if each.kind != "allow_once" or "always" not in flags]
        if await self.ask(call, options) == "yes":
            await self.update(helpers.update_tool_call("c1", status="in_progress"))
            output = [helpers.tool_content(helpers.text_block("a\nb"))]
            await self.update(helpers.update_tool_call("c1", status="completed", content=output))
            await self.say("It ran.")
        else:
            await self.update(helpers.update_tool_call("c1", status="failed"))
            await self.say("Then not.")

    async def do_both(self) -> None:
        """Two calls at once, the second asked about before the first is done; words between."""
        for id in ("c1", "c2"):
            given = {"command": id}
            start = helpers.start_tool_call(
                id, id, kind="execute", status="in_progress", raw_input=given
            )
            await self.update(start)
            await self.say(f"Started {id}. ")
        await self.ask(schema.ToolCallUpdate(tool_call_id="c2"))
        for id in ("c2", "c1"):
            await self.update(
                helpers.update_tool_call(id, status="completed", raw_output={"of": id})
            )

    async def do_unasked(self) -> None:
        """A question about a call that was never told, of a file that is to change."""
        call = schema.ToolCallUpdate(
            tool_call_id="c9",
            title="Write a.py",
            kind="edit",
            content=[helpers.tool_diff_content("a.py", "new", "old")],
        )
        await self.ask(call)
        await self.update(helpers.update_tool_call("c9", status="completed"))

    async def do_wait(self) -> schema.StopReason:
        await self.say("Waiting.")
        await self.cancelled.wait()
        return "cancelled"

    async def do_ignore(self) -> None:
        child = subprocess.Popen(["sleep", "1000"])
        note("child", pid=child.pid)
        await self.say("Deaf.")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        await asyncio.Event().wait()

    async def do_crash(self) -> None:
        await self.say("Oh")
        await self.update(helpers.start_tool_call("c1", "x", kind="other", status="in_progress"))
        print("it hurts", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    async def do_fail(self) -> None:
        raise acp.RequestError.internal_error({"details": "no more money"})

    async def do_strange(self) -> None:
        for line in ('{"method": "session/update", "params": {"update": {"x": 1}}}', "[1]", "{"):
            print(line, flush=True)
        print('{"jsonrpc": "2.0", "method": "_own/thing", "params": {}}', flush=True)
        try:
            await self.client.read_text_file(self.session, "/etc/passwd")
        except acp.RequestError as error:
            await self.say(f"refused {error.code}")

    async def do_nothing(self) -> None:
        """End without a word."""


if __name__ == "__main__":
    asyncio.run(acp.run_agent(Fake()))  # type: ignore[arg-type]
