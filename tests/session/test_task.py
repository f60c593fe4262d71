"""Sub-agents in sessions of their own: their answers, questions, costs, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from agent_helpers import Gate, Recorder, other_tasks, until_paused
from session_helpers import AT_ONCE, quiet, texts

from omni_tui.agent.decisions import Execute, Provide, Reject
from omni_tui.core.errors import NotFoundError, RequestError
from omni_tui.core.messages import ToolResult
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.scripted import Call, Fail, Reply, ScriptedProvider
from omni_tui.session.manager import SessionManager
from omni_tui.session.session import Session
from omni_tui.session.setup import Setup
from omni_tui.session.store import MemoryStore, SQLiteStore, Store
from omni_tui.tools.permissions import Permissions, Rule

Scripts = Mapping[str, Iterable[Reply]]
"""What is said in a conversation that begins with this prompt."""


def delegate(prompt: str, id: str | None = None) -> Call:
    return Call("task", {"description": f"do {prompt}", "prompt": prompt}, id=id)


class House:
    """A manager whose model follows one script for every conversation, by its first words."""

    def __init__(self, scripts: Scripts, *, store: Store | None = None, **setup: Any) -> None:
        lines = {first: iter(script) for first, script in scripts.items()}

        def respond(request: Request) -> Reply:
            return next(lines[request.messages[0].text])

        self.provider = ScriptedProvider(respond)
        self.manager = SessionManager(
            store or MemoryStore(),
            default_model="scripted/default",
            setup=Setup(**{"retry": AT_ONCE, "max_depth": 3, **setup}),
            registry=ProviderRegistry({"scripted": lambda: self.provider}),
        )
        self.session = self.manager.create(system="Be brief.", options={"temperature": 0.5})

    async def __aenter__(self) -> House:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.manager.shut_down()

    async def child(self, node: int = 2, use: str = "1", session: Session | None = None) -> Session:
        """The session a tool use began, as a person opens it."""
        found = await self.manager.find_child((session or self.session).id, node, use)
        assert found is not None
        opened, notice = await self.manager.open(found)
        assert notice is None
        return opened

    async def asking(self, use: str = "1") -> Session:
        """The session a tool use began, once it waits for an answer."""
        while True:
            found = await self.manager.find_child(self.session.id, 2, use)
            if found is not None:
                child, _ = await self.manager.open(found)
                if child.active_run is not None and child.active_run.paused is not None:
                    return child
            await asyncio.sleep(0)

    def results(self, node: int = 3) -> dict[str, ToolResult]:
        return {each.tool_use_id: each for each in self.session.tree[node].message.tool_results}


async def reached(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


async def test_a_sub_agent_answers_from_a_session_of_its_own() -> None:
    scripts: Scripts = {
        "count": [[delegate("look", "1")], "It is 4."],
        "look": [["First I look.", Call("look", {"at": "it"})], "Four."],
    }
    recorder = Recorder()
    async with House(scripts, tools=(recorder.tool("look"),)) as house:
        assert (await house.session.prompt("count")).text == "It is 4."
        child = await house.child()
        result = house.results()["1"]
        assert (result.content, result.is_error) == ("Four.", False)
        assert result.data is not None
        assert (result.data["session_id"], result.data["steps"]) == (child.id, 2)
        assert texts(child.tree)[0] == "look"
        assert (child.title, child.record.depth) == ("do look", 1)
        assert child.record.parent_id == house.session.id
        assert recorder.names == ["look"]


async def test_it_works_with_what_the_session_above_works_with(tmp_path: Path) -> None:
    scripts: Scripts = {"count": [[delegate("look", "1")], "Done."], "look": ["Four."]}
    recorder = Recorder()
    permissions = Permissions(tmp_path)
    tools = (recorder.tool("look"),)
    async with House(scripts, tools=tools, permissions=permissions, cwd=tmp_path) as house:
        house.session.allow("look")
        house.session.set_model("scripted/other")
        await house.session.prompt("count")
        above, below = house.provider.requests[:2]
        assert below.model == above.model == "other"
        assert below.system == above.system == "Be brief."
        assert below.options == above.options
        assert below.options.temperature == 0.5
        assert [tool.name for tool in below.tools] == [tool.name for tool in above.tools]
        child = await house.child()
        assert child.record.cwd == house.session.record.cwd
        assert child.permissions is not None
        assert child.permissions is not house.session.permissions
        assert [str(rule) for rule in child.permissions.rules] == ["look"]
        assert child.record.approvals == ("look",)


async def test_the_tool_is_offered_only_where_another_agent_may_stand_below() -> None:
    scripts: Scripts = {
        "a": [[delegate("b", "1")], "a done"],
        "b": [[delegate("c", "1")], "b done"],
        "c": ["c done"],
    }
    async with House(scripts) as house:
        assert (await house.session.prompt("a")).text == "a done"
        offered = [[tool.name for tool in each.tools] for each in house.provider.requests]
        assert offered == [["task"], ["task"], [], ["task"], ["task"]]
        middle = await house.child()
        lowest = await house.child(session=middle)
        assert (lowest.record.depth, texts(lowest.tree)) == (2, ["c", "c done"])


async def test_no_tool_is_offered_unless_the_set_up_says_so() -> None:
    async with House({"a": ["done"]}, max_depth=1) as house:
        await house.session.prompt("a")
        assert house.provider.requests[0].tools == ()


async def test_a_task_runs_unasked_even_where_only_reading_is_allowed(tmp_path: Path) -> None:
    scripts: Scripts = {"a": [[delegate("b", "1")], "a done"], "b": [[Call("write")], "b done"]}
    recorder = Recorder()
    permissions = Permissions(tmp_path, mode="plan")
    async with House(
        scripts, tools=(recorder.tool("write"),), permissions=permissions, cwd=tmp_path
    ) as house:
        await house.session.prompt("a")
        assert house.results()["1"].content == "b done"
        assert recorder.names == []  # the mode holds below as well


async def test_a_rule_can_forbid_tasks(tmp_path: Path) -> None:
    scripts: Scripts = {"a": [[delegate("b", "1")], "a done"]}
    permissions = Permissions(tmp_path, rules=[Rule.parse("task", "deny")])
    async with House(scripts, permissions=permissions, cwd=tmp_path) as house:
        await house.session.prompt("a")
        assert house.results()["1"].content.startswith("Tool rejected")
        assert await house.manager.find_child(house.session.id, 2, "1") is None


async def test_tasks_of_one_message_run_at_the_same_time() -> None:
    gates = {name: Gate(name) for name in ("left", "right")}
    scripts: Scripts = {
        "a": [[delegate("l", "1"), delegate("r", "2")], "done"],
        "l": [[Call("left")], "went left"],
        "r": [[Call("right")], "went right"],
    }
    async with House(scripts, tools=tuple(gate.tool for gate in gates.values())) as house:
        run = house.session.prompt("a")
        for gate in gates.values():
            await gate.started.wait()
        assert len(house.session.children) == 2
        gates["right"].open.set()
        gates["left"].open.set()
        await run
        assert [result.content for result in house.results().values()] == [
            "went left",
            "went right",
        ]
        assert house.session.children == set()


async def test_how_far_it_is_shows_as_the_output_of_the_tool() -> None:
    scripts: Scripts = {
        "a": [[delegate("b", "1")], "done"],
        "b": [["I look.\nAnd more.", Call("look", {"at": "x" * 500})], "Four."],
    }
    async with House(scripts, tools=(Recorder().tool("look"),)) as house:
        run = house.session.prompt("a")
        shown = [event.payload.text async for event in run if event.type == "tool_output"]  # type: ignore[union-attr]
        assert shown[0] == "I look.\n"
        assert shown[1].startswith('look {"at":"xxx')
        assert all(line.endswith("\n") and len(line) <= 121 for line in shown)
        assert len(shown) == 2


async def test_what_it_uses_counts_above_and_no_sum_over_sessions_counts_it_twice() -> None:
    scripts: Scripts = {"a": [[delegate("b", "1")], "done"], "b": ["Four."]}
    async with House(scripts) as house:
        response = await house.session.prompt("a")
        child = await house.child()
        below, above = child.tree.usage(), house.session.tree
        assert below.output > 0
        assert above[3].usage == below
        assert response.usage == above.usage()
        steps = [node.usage for node in above.nodes.values() if node.model is not None]
        own = sum(usage.output for usage in steps if usage is not None)
        assert above.usage().output == own + below.output


# Questions


def asking_house(tmp_path: Path, recorder: Recorder, store: Store | None = None) -> House:
    scripts: Scripts = {
        "a": [[delegate("l", "1"), delegate("r", "2")], "done"],
        "l": [[Call("write", {"n": 1})], [Call("write", {"n": 2})], "left"],
        "r": [[Call("write", {"n": 3})], "right"],
    }
    return House(
        scripts,
        tools=(recorder.tool("write"),),
        permissions=Permissions(tmp_path),
        cwd=tmp_path,
        store=store,
    )


async def test_its_questions_are_asked_above_one_after_the_other(tmp_path: Path) -> None:
    recorder = Recorder()
    async with asking_house(tmp_path, recorder) as house:
        run = house.session.prompt("a")
        asked = []
        for _ in range(3):
            pause = await until_paused(run)
            asked.append((pause.details["agent"], pause.tool_use.input["n"]))
            house.session.resume(Execute())
        await run
        assert sorted(asked) == [("do l", 1), ("do l", 2), ("do r", 3)]
        assert sorted(arguments["n"] for _, arguments in recorder.ran) == [1, 2, 3]


async def test_a_question_answered_below_is_taken_back_above(tmp_path: Path) -> None:
    recorder = Recorder()
    async with asking_house(tmp_path, recorder) as house:
        run = house.session.prompt("a")
        assert (await until_paused(run)).tool_use.input == {"n": 1}
        left, right = await house.asking("1"), await house.asking("2")
        left.resume(Execute())
        # The other, which waited for its turn, is asked above now.
        assert (await until_paused(run)).tool_use.input == {"n": 3}
        right.resume(Reject("not that"))
        assert (await until_paused(run)).tool_use.input == {"n": 2}
        house.session.resume(Execute())
        await run
        assert [arguments["n"] for _, arguments in recorder.ran] == [1, 2]
        assert house.session.active_run is None


async def test_a_question_that_waits_to_be_asked_above_can_be_answered_below(
    tmp_path: Path,
) -> None:
    recorder = Recorder()
    async with asking_house(tmp_path, recorder) as house:
        run = house.session.prompt("a")
        first = await until_paused(run)
        right = await house.asking("2")
        right.resume(Execute())
        await reached(lambda: not right.runs)
        await quiet()
        active = house.session.active_run
        assert active is not None
        assert active.paused is first  # as it was: that one waits for another
        for _ in range(2):
            house.session.resume(Execute())
            await quiet()
        await run
        assert [arguments["n"] for _, arguments in recorder.ran] == [3, 1, 2]


async def test_what_is_allowed_above_holds_for_those_at_work_below(tmp_path: Path) -> None:
    recorder = Recorder()
    async with asking_house(tmp_path, recorder) as house:
        run = house.session.prompt("a")
        await until_paused(run)
        right = await house.asking("2")
        house.session.allow("write")
        house.session.resume(Execute())
        right.resume(Execute())
        await run  # and the second use of the first is not asked about
        assert sorted(arguments["n"] for _, arguments in recorder.ran) == [1, 2, 3]


async def test_what_is_allowed_below_holds_there_alone(tmp_path: Path) -> None:
    async with asking_house(tmp_path, Recorder()) as house:
        run = house.session.prompt("a")
        left = await house.asking("1")
        left.allow("write")
        assert house.session.record.approvals == ()
        run.cancel()
        await run.wait()


async def test_a_question_two_floors_down_names_the_way(tmp_path: Path) -> None:
    scripts: Scripts = {
        "a": [[delegate("b", "1")], "a done"],
        "b": [[delegate("c", "1")], "b done"],
        "c": [[Call("write")], "c done"],
    }
    recorder = Recorder()
    async with House(
        scripts,
        tools=(recorder.tool("write"),),
        permissions=Permissions(tmp_path),
        cwd=tmp_path,
    ) as house:
        run = house.session.prompt("a")
        pause = await until_paused(run)
        assert pause.details["agent"] == "do b › do c"
        lowest = await house.child(session=await house.child())
        assert pause.details["session_id"] == lowest.id
        house.session.resume(Provide("written by hand"))
        assert (await run).text == "a done"
        assert recorder.names == []


async def test_the_time_a_person_takes_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = 0.0
    loop = asyncio.get_running_loop()
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + later)
    async with asking_house(tmp_path, Recorder()) as house:
        run = house.session.prompt("a")
        await until_paused(run)
        await house.asking("2")
        await quiet()
        later += 30 * 24 * 3600
        await quiet()
        for _ in range(3):
            house.session.resume(Execute())
            await quiet()
        assert await run.wait() == "completed"
        assert [result.is_error for result in house.results().values()] == [False, False]


# How they end


async def test_a_cancel_above_cancels_it(tmp_path: Path) -> None:
    gate = Gate()
    scripts: Scripts = {"a": [[delegate("b", "1")]], "b": [["I wait.", Call("wait")]]}
    async with House(scripts, tools=(gate.tool,)) as house:
        run = house.session.prompt("a")
        await gate.started.wait()
        run.cancel()
        assert await run.wait() == "cancelled"
        assert gate.was_cancelled
        child = await house.child()
        assert not child.runs
        assert child.tree[child.tree.path[-1]].status == "cancelled"
        assert house.session.tree[3].usage == child.tree.usage()


async def test_a_cancel_while_it_asks_leaves_no_question(tmp_path: Path) -> None:
    async with asking_house(tmp_path, Recorder()) as house:
        run = house.session.prompt("a")
        await until_paused(run)
        run.cancel()
        assert await run.wait() == "cancelled"
        for use in "12":
            child = await house.child(use=use)
            assert not child.runs
            assert child.tree.dangling(child.tree.path[-1]) == ()
            await house.manager.close(child.id)
        await quiet()
        assert other_tasks() == set()


async def test_a_cancel_of_it_alone_is_an_error_the_model_reads(tmp_path: Path) -> None:
    async with asking_house(tmp_path, Recorder()) as house:
        run = house.session.prompt("a")
        await until_paused(run)
        left = await house.asking("1")
        left.cancel()
        await until_paused(run)  # of the other
        house.session.resume(Execute())
        assert await run.wait() == "completed"
        stopped, answered = house.results().values()
        assert stopped.is_error
        assert stopped.content.startswith("The sub-agent was stopped by the user")
        assert answered.content == "right"


async def test_its_failure_is_an_error_with_what_it_had_said() -> None:
    scripts: Scripts = {
        "a": [[delegate("b", "1")], "done"],
        "b": [["Half an answer.", Call("look")], [Fail(RequestError("no"))]],
    }
    async with House(scripts, tools=(Recorder().tool("look"),)) as house:
        assert (await house.session.prompt("a")).text == "done"
        result = house.results()["1"]
        assert result.is_error
        assert result.content == "The sub-agent failed: no\n\nIts last words:\nHalf an answer."
        assert result.data is not None
        assert result.data["outcome"] == "error"


async def test_its_limit_of_steps_is_an_error_with_what_it_had_said() -> None:
    scripts: Scripts = {
        "a": [[delegate("b", "1")], "done"],
        "b": [["One.", Call("look")], ["Two.", Call("look")]],
    }
    async with House(scripts, tools=(Recorder().tool("look"),), max_steps=2) as house:
        await house.session.prompt("a")
        result = house.results()["1"]
        assert result.is_error
        assert (
            result.content == "The sub-agent reached its limit of 2 steps.\n\nIts last words:\nTwo."
        )


async def test_a_task_without_a_prompt_begins_nothing() -> None:
    scripts: Scripts = {"a": [[delegate(" ", "1")], "done"]}
    async with House(scripts) as house:
        await house.session.prompt("a")
        assert house.results()["1"].is_error
        assert await house.manager.find_child(house.session.id, 2, "1") is None


# Open, closed, deleted


async def test_it_is_closed_when_it_is_done_and_nobody_looks() -> None:
    scripts: Scripts = {"a": [[delegate("b", "1")], "done"], "b": ["Four."]}
    async with House(scripts) as house:
        await house.session.prompt("a")
        await reached(lambda: house.manager.list_open() == [house.session])
        child = await house.child()
        assert texts(child.tree) == ["b", "Four."]


async def test_it_stays_open_while_somebody_looks() -> None:
    gate = Gate()
    scripts: Scripts = {
        "a": [[delegate("b", "1")], "done"],
        "b": [[Call("wait")], "Four.", "Five."],
    }
    async with House(scripts, tools=(gate.tool,)) as house:
        run = house.session.prompt("a")
        await gate.started.wait()
        child = await house.child()
        assert child in house.session.children  # the very one that works
        gate.open.set()
        await run
        await quiet()
        assert child in house.manager.list_open()
        assert (await child.prompt("and one more?")).text == "Five."
        assert (await house.child()) is child


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_it_goes_with_the_session_above(tmp_path: Path, kind: str) -> None:
    gate = Gate()
    scripts: Scripts = {
        "a": [[delegate("b", "1")]],
        "b": [[delegate("c", "1")]],
        "c": [[Call("wait")]],
    }
    store: Store = MemoryStore() if kind == "memory" else SQLiteStore(tmp_path / "s.db")
    async with House(scripts, tools=(gate.tool,), store=store) as house:
        house.session.prompt("a")
        await gate.started.wait()
        child = await house.child()
        lowest = await house.child(session=child)
        await house.manager.delete(house.session.id)
        assert house.manager.list_open() == []
        for gone in (house.session, child, lowest):
            assert not await store.exists(gone.id)
        with pytest.raises(NotFoundError):
            await house.manager.open(lowest.id)


async def test_the_list_of_sessions_leaves_it_out_but_its_id_opens_it(tmp_path: Path) -> None:
    scripts: Scripts = {"a": [[delegate("b", "1")], "done"], "b": ["Four."]}
    async with House(scripts, store=SQLiteStore(tmp_path / "s.db")) as house:
        await house.session.prompt("a")
        child = await house.child()
        assert [each.id for each in await house.manager.list_stored()] == [house.session.id]
        assert await house.manager.store.find(child.id[:8]) == child.id


async def test_two_uses_with_one_id_have_a_session_each() -> None:
    scripts: Scripts = {
        "a": [[delegate("l", "1"), delegate("r", "1")], "done"],
        "l": ["left"],
        "r": ["right"],
    }
    async with House(scripts) as house:
        await house.session.prompt("a")
        said = [result.content for result in house.session.tree[3].message.tool_results]
        assert said == ["left", "right"]
