"""What a store must find: every node of every branch of every session."""

from __future__ import annotations

from datetime import UTC, datetime

from omni_tui.core.messages import Message, Text, Thinking, ToolResult, ToolUse
from omni_tui.session.store.base import SessionRecord, Store
from omni_tui.session.store.conformance.samples import places, said
from omni_tui.session.store.hits import BLOCK, TITLES, Hit
from omni_tui.session.tree import Tree

WORDLESS = ("", " ", '"', '""', "*", "-", "🎉", "\x00", "()", "'; --", "\ud83d", "^", '" "*')
"""Queries in which there is no word."""

HARMLESS = (
    'hello"',
    "hello*",
    "(hello",
    "hello)",
    "-hello",
    "^hello",
    "words:hello",
    "{words}:hello",
    "hello\x00world",
    "hello'; DROP TABLE nodes; --",
    'hello""world',
    "hello + world",
    "AND hello",
    "\ud83dhello",
    "hello " * 100_000,
    '"' * 100_000 + "hello",
    "%hello%",
    "near(hello world, 2)",
)
"""Queries that some language of queries would take for more than words."""


FILTERED: tuple[tuple[str, tuple[tuple[str, int | None], ...]], ...] = (
    # By what wrote it, and by what it does
    ("model:demo", (("old", 4), ("old", 2))),
    ("MODEL:CHÄT fuji", (("old", 2),)),
    ("model:demo model:other", ()),
    ("model:nobody", ()),
    ("tool:read", (("new", 2),)),
    ("tool:READ_file tool:bash look", (("new", 2),)),
    ("tool:read_file tool:grep", ()),
    ("tool:read fuji", ()),
    # By its name
    ("label:best", (("new", 1), ("old", 4))),
    ('label:"best of"', (("old", 4),)),
    ("label:best fuji", (("new", 1),)),
    ("label:worst", ()),
    # By whose it is; alone, without what tools wrote
    ("role:user", (("new", 1), ("old", 3), ("old", 1))),
    ("role:Assistant fuji", (("old", 2),)),
    ("role:assistant role:user", ()),
    # By when it was said, or the session written to: from `after` on, and sooner than `before`
    ("before:2026-02-01T00:00Z", (("old", 1),)),
    ("after:2026-02-01T00:00Z before:2026-03-01T00:00Z", (("old", 2),)),
    ("after:2026-02-01T00:00:00+00:00 before:2026-04-01T00:00Z role:user", (("old", 3),)),
    ("fuji after:2026-03-01T00:00Z", (("old", None), ("new", 1))),
    ("before:1999", ()),
    # By where it was said; the title is found where it is what one asks for
    ("session:ol fuji", (("old", None), ("old", 2))),
    ('session:"mount fu" climb', (("old", 4),)),
    ("title:FUJI", (("old", None), ("old", 4), ("old", 3), ("old", 2), ("old", 1))),
    ("title:fuji climb", (("old", 4),)),
    ("title:fuji role:user", (("old", 3), ("old", 1))),
    ("session:nowhere", ()),
    # Whatever the order, and beside quotes
    ('"climb it" model:demo', (("old", 4),)),
    ('model:demo "climb it"', (("old", 4),)),
    # What is no filter is words
    ("thing:fuji", ()),
    ('"role:user"', ()),
    ("xrole:user", ()),
    # What cannot be read finds nothing, whatever else there is
    ("role:robot", ()),
    ("fuji role:", ()),
    ("fuji before:someday", ()),
    ("fuji after:2026-13", ()),
    ('fuji label:""', ()),
)
"""Queries with filters, and the places they find in `filterable`, in order."""


async def filterable(store: Store) -> None:
    """Two sessions whose messages differ in all that a filter can ask for."""
    tree = Tree()
    for month, message, facts in (
        (1, Message.user("Where is it?"), {}),
        (2, Message.assistant("Mount Fuji is in Japan."), {"model": "demo/chät"}),
        (3, Message.user("And then?"), {}),
        (4, Message.assistant("Climb it."), {"model": "demo/big", "label": "The Best of all"}),
    ):
        tree.push(message, created_at=datetime(2026, month, 1, tzinfo=UTC), **facts)  # type: ignore[arg-type]
    await store.create(SessionRecord(id="old", title="Mount Fuji"))
    await store.save_tree("old", tree.take_changes())
    tree, late = Tree(), datetime(2026, 5, 1, tzinfo=UTC)
    tree.push(Message.user("What of fuji?"), created_at=late, label="best")
    read, run = ToolUse(id="1", name="read_file"), ToolUse(id="2", name="Bash")
    look = Message.assistant([Text(text="I look."), read, run])
    tree.push(look, created_at=late, model="other/chat")
    results = [ToolResult(tool_use_id=use.id, name=use.name, content="x") for use in (read, run)]
    tree.push(Message.user(results), created_at=late)
    await store.create(SessionRecord(id="new", title="Later"))
    await store.save_tree("new", tree.take_changes())


class SearchConformance:
    """Any text is a query, and none is an operator."""

    async def test_a_message_is_found_with_all_that_tells_where_it_is(self, store: Store) -> None:
        tree = await said(store, "s", "Where is Fuji?", "In Japan.", title="Mountains")
        (hit,) = await store.search("fuji")
        assert hit == Hit(
            session_id="s",
            title="Mountains",
            parent_id=None,
            node_id=1,
            role="user",
            time=tree[1].created_at,
            snippet="Where is Fuji?",
            matches=((9, 13),),
        )
        (reply,) = await store.search("japan")
        assert (reply.node_id, reply.role) == (2, "assistant")

    async def test_every_branch_and_root_is_searched(self, store: Store) -> None:
        tree = await said(store, "s", "question", "first answer")
        tree.navigate(1)
        tree.push(Message.assistant("second answer"))
        tree.navigate(None)
        tree.push(Message.user("another question"))
        await store.save_tree("s", tree.take_changes())
        assert places(await store.search("first")) == [("s", 2)]
        assert sorted(places(await store.search("answer"))) == [("s", 2), ("s", 3)]
        assert sorted(places(await store.search("question"))) == [("s", 1), ("s", 4)]

    async def test_thinking_and_what_tools_wrote_are_not_found(self, store: Store) -> None:
        tree = Tree()
        tree.push(Message.user("go"))
        use = ToolUse(id="t", name="bash", input={"command": "cat secret"})
        tree.push(Message.assistant([Thinking(text="secret"), Text(text="I look."), use]))
        tree.push(Message.user([ToolResult(tool_use_id="t", name="bash", content="secret")]))
        await store.create(SessionRecord(id="s"))
        await store.save_tree("s", tree.take_changes())
        assert await store.search("secret") == ()
        assert places(await store.search("look")) == [("s", 2)]

    async def test_hidden_branches_are_found_and_summaries_are_not(self, store: Store) -> None:
        tree = await said(store, "s", "hello", "first answer")
        tree.summarize(Message.user("They spoke of an answer."), covers=2)
        tree.prune(2)
        await store.save_tree("s", tree.take_changes())
        assert places(await store.search("answer")) == [("s", 2)]

    async def test_all_words_must_be_there_and_quoted_ones_side_by_side(self, store: Store) -> None:
        await said(store, "s", "the red fox", "a fox, red as fire", "the red deer")
        assert sorted(places(await store.search("red fox"))) == [("s", 1), ("s", 2)]
        assert places(await store.search('"red fox"')) == [("s", 1)]
        assert places(await store.search("red dee")) == [("s", 3)]
        assert await store.search("dee red") == ()

    async def test_scripts_without_spaces_are_searched(self, store: Store) -> None:
        await said(store, "s", "これは東京です", "我使用sqlite数据库", "한국어를 배우다")
        for query, node in (("東京", 1), ("京", 1), ("数据", 2), ("SQLite", 2), ("한국", 3)):
            assert places(await store.search(query)) == [("s", node)], query
        assert await store.search("京東") == ()

    async def test_a_query_without_words_finds_nothing(self, store: Store) -> None:
        await said(store, "s", "hello \x00 🎉 near", title="hello")
        for query in WORDLESS:
            assert await store.search(query) == (), query

    async def test_no_query_is_an_operator_or_an_error(self, store: Store) -> None:
        await said(store, "s", "words hello world and DROP TABLE nodes near 2")
        await said(store, "t", "operator and near")
        for query in HARMLESS:
            found = {hit.session_id for hit in await store.search(query)}
            assert found <= {"s"}, query[:40]
        assert places(await store.search("hello")) == [("s", 1)]
        assert sorted(places(await store.search("NEAR("))) == [("s", 1), ("t", 1)]

    async def test_operators_of_sqlite_are_words(self, store: Store) -> None:
        await said(store, "s", "this or that", "this", "this near that not those")
        assert places(await store.search("this OR that")) == [("s", 1)]
        assert places(await store.search("this NOT that")) == [("s", 3)]

    async def test_titles_are_found_and_follow_a_new_name(self, store: Store) -> None:
        await said(store, "s", "hello", title="Mountain talk")
        (hit,) = await store.search("mountain")
        assert (hit.node_id, hit.role, hit.snippet, hit.matches) == (
            None,
            None,
            "Mountain talk",
            ((0, 8),),
        )
        await store.save_state("s", title="Rivers")
        assert await store.search("mountain") == ()
        assert places(await store.search("river")) == [("s", None)]
        assert (await store.search("hello"))[0].title == "Rivers"

    async def test_sessions_of_sub_agents_are_found_and_say_so(self, store: Store) -> None:
        await said(store, "top", "hello")
        await said(store, "kid", "climb the hill", parent_id="top", parent_node=1, parent_use="t")
        (hit,) = await store.search("hill")
        assert (hit.session_id, hit.parent_id) == ("kid", "top")

    async def test_one_session_alone_can_be_searched(self, store: Store) -> None:
        for id in ("a", "b", "c"):
            await said(store, id, "hello", title="hello")
        assert sorted(places(await store.search("hello", session_id="b")), key=str) == [
            ("b", 1),
            ("b", None),
        ]
        assert await store.search("hello", session_id="nobody") == ()

    async def test_what_is_removed_or_deleted_is_not_found_any_more(self, store: Store) -> None:
        tree = await said(store, "s", "alpha", "beta")
        await said(store, "kid", "alpha", parent_id="s", parent_node=1, parent_use="t")
        await said(store, "other", "alpha")
        tree.remove(2)
        await store.save_tree("s", tree.take_changes())
        assert await store.search("beta") == ()
        await store.delete("s")
        assert places(await store.search("alpha")) == [("other", 1)]
        await said(store, "next", "gamma")
        assert places(await store.search("alpha")) == [("other", 1)]

    async def test_a_node_saved_again_is_found_once(self, store: Store) -> None:
        tree = await said(store, "s", "alpha")
        tree.update(1, label="here")
        await store.save_tree("s", tree.take_changes())
        assert places(await store.search("alpha")) == [("s", 1)]

    async def test_the_newest_of_equals_comes_first(self, store: Store) -> None:
        for id in ("a", "b"):
            await said(store, id, "same words", "same words")
        tree = (await store.load("a")).tree
        tree.push(Message.user("same words"))
        await store.save_tree("a", tree.take_changes())
        assert places(await store.search("same")) == [
            ("a", 3),
            ("b", 2),
            ("b", 1),
            ("a", 2),
            ("a", 1),
        ]

    async def test_what_fits_better_comes_before_what_is_newer(self, store: Store) -> None:
        await said(store, "s", "Deploy, deploy, deploy!", f"{'Other things. ' * 50} deploy")
        assert places(await store.search("deploy")) == [("s", 1), ("s", 2)]

    async def test_filters_narrow_what_is_found(self, store: Store) -> None:
        await filterable(store)
        for query, expected in FILTERED:
            assert tuple(places(await store.search(query))) == expected, query
            for id in ("old", "new"):
                within = tuple(place for place in expected if place[0] == id)
                found = tuple(places(await store.search(query, session_id=id)))
                assert found == within, (query, id)

    async def test_what_filters_alone_find_is_told_with_its_first_words(self, store: Store) -> None:
        await filterable(store)
        (climb, mount) = await store.search("model:demo")
        assert (climb.snippet, climb.matches, climb.role) == ("Climb it.", (), "assistant")
        assert mount.snippet == "Mount Fuji is in Japan."
        tree = Tree()
        tree.push(Message.assistant([ToolUse(id="1", name="grep"), ToolUse(id="2", name="bash")]))
        await store.create(SessionRecord(id="s"))
        await store.save_tree("s", tree.take_changes())
        assert (await store.search("tool:grep"))[0].snippet == "grep, bash"

    async def test_pages_of_what_filters_alone_find_run_from_the_newest(self, store: Store) -> None:
        await said(store, "s", *(f"{index}" for index in range(BLOCK + 20)))
        found: list[Hit] = []
        while page := await store.search("role:user", limit=33, offset=len(found)):
            found += page
        assert places(found) == [("s", id) for id in range(BLOCK + 19, 0, -2)]

    async def test_pages_follow_on_without_a_gap_or_a_double(self, store: Store) -> None:
        texts = [f"common {'x ' * (index % 7)}" for index in range(BLOCK * 2 + 50)]
        await said(store, "s", *texts)
        for number in range(TITLES + 3):
            await store.create(SessionRecord(id=f"t{number}", title="common"))
        found: list[Hit] = []
        while page := await store.search("common", limit=33, offset=len(found)):
            found += page
        assert len(set(places(found))) == len(found) == BLOCK * 2 + 50 + TITLES
        assert tuple(found) == await store.search("common", limit=1000)
        nodes = [hit.node_id for hit in found if hit.node_id is not None]
        assert min(nodes[:BLOCK]) > max(nodes[BLOCK : BLOCK * 2]) > max(nodes[BLOCK * 2 :])
        assert await store.search("common", limit=0) == ()
