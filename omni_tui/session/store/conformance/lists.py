"""What a store must tell of many sessions: lists, pages, and what a person means by a name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from omni_tui.core.errors import AmbiguousIdError, NotFoundError
from omni_tui.core.messages import Message
from omni_tui.core.usage import Usage
from omni_tui.session.store.base import PREVIEW_LENGTH, SessionRecord, Store
from omni_tui.session.store.conformance.samples import branching, raising, stored
from omni_tui.session.tree import Tree


class ListConformance:
    """Sessions are listed, summed up, and found by id, beginning and title."""

    async def test_a_summary_counts_nodes_branches_and_money(self, store: Store) -> None:
        tree = branching()
        tree.navigate(1)
        tree.push(Message.assistant(" a\x1b[31m\nreply " + "x" * 200), usage=Usage(cost=0.25))
        await stored(store, tree=tree, title="T", model="demo/chat", cwd="/tmp")
        (summary,) = await store.list()
        assert (summary.id, summary.title, summary.model, summary.cwd) == (
            "s",
            "T",
            "demo/chat",
            "/tmp",
        )
        assert (summary.nodes, summary.branches) == (6, 3)
        assert abs(summary.cost - 0.35) < 1e-9
        assert summary.preview.startswith("a\N{REPLACEMENT CHARACTER}[31m reply x")
        assert len(summary.preview) == PREVIEW_LENGTH

    async def test_a_session_without_nodes_has_an_empty_summary(self, store: Store) -> None:
        await store.create(SessionRecord(id="s"))
        (summary,) = await store.list()
        assert (summary.nodes, summary.branches, summary.preview, summary.cost) == (0, 0, "", 0.0)
        assert await store.latest() == "s"

    async def test_a_summary_tells_which_session_it_was_forked_from(self, store: Store) -> None:
        await stored(store, "first")
        await stored(store, "fork", origin_id="first", origin_node=2)
        origins = {summary.id: summary.origin_id for summary in await store.list()}
        assert origins == {"first": None, "fork": "first"}

    async def test_summaries_of_a_tree_are_not_counted(self, store: Store) -> None:
        tree = await stored(store)
        tree.summarize(Message.user("They greeted."), covers=2)
        await store.save_tree("s", tree.take_changes())
        (summary,) = await store.list()
        assert (summary.nodes, summary.branches, summary.preview) == (2, 1, "hi")

    async def test_lists_run_from_the_newest_and_pages_follow_on(self, store: Store) -> None:
        start = datetime(2026, 1, 1, tzinfo=UTC)
        for index in range(7):
            # Three sessions share one moment, so that a page may end among equals.
            when = start + timedelta(seconds=min(index, 4))
            await store.create(SessionRecord(id=f"s{index}", updated_at=when))
        whole = [summary.id for summary in await store.list(limit=100)]
        assert whole == ["s6", "s5", "s4", "s3", "s2", "s1", "s0"]
        paged: list[str] = []
        before = None
        while page := await store.list(limit=2, before=before):
            paged += [summary.id for summary in page]
            before = page[-1]
        assert paged == whole

    async def test_saving_moves_a_session_to_the_top(self, store: Store) -> None:
        assert await store.latest() is None
        old = datetime(2020, 1, 1, tzinfo=UTC)
        for id in ("a", "b", "c"):
            await store.create(SessionRecord(id=id, updated_at=old))
        assert [summary.id for summary in await store.list()] == ["c", "b", "a"]
        tree = Tree()
        tree.push(Message.user("x"))
        await store.save_tree("a", tree.take_changes())
        assert await store.latest() == "a"
        # Both may come in one millisecond: then the id decides, and b is the higher one.
        await store.save_state("b", title="x")
        assert [summary.id for summary in await store.list()] == ["b", "a", "c"]

    async def test_a_session_is_found_by_id_beginning_and_title(self, store: Store) -> None:
        await stored(store, "abc1", title="Mountains of Tibet")
        await stored(store, "abd2", title="Rivers")
        await stored(store, "zz", title="abc")
        assert await store.find("abc1") == "abc1"
        assert await store.find("abd") == "abd2"
        assert await store.find("rIVERS") == "abd2"
        assert await store.find("mountains") == "abc1"
        assert await store.find("abc") == "zz", "a whole title goes before the beginning of an id"

    async def test_what_fits_several_sessions_lists_them(self, store: Store) -> None:
        await stored(store, "abc1", title="Mountains")
        await stored(store, "abc2", title="Rivers\x1b[2J")
        with raising(AmbiguousIdError, "abc1 Mountains, abc2 Rivers") as caught:
            await store.find("abc")
        assert caught.error.details["matches"] == [("abc1", "Mountains"), ("abc2", "Rivers\x1b[2J")]
        assert "\x1b" not in str(caught.error)

    async def test_what_fits_none_is_not_found(self, store: Store) -> None:
        await stored(store, "abc1")
        for wanted in ("nope", "", "%", "_", "ABC1", "../abc1", "abc1/", "\x00", "x" * 5000):
            with raising(NotFoundError):
                await store.find(wanted)
