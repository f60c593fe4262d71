"""What a store must do with records: all that is kept beside a tree."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from omni_tui.core.errors import AlreadyExistsError, NotFoundError
from omni_tui.core.messages import Message
from omni_tui.session.store.base import SessionRecord, Store
from omni_tui.session.store.conformance.samples import (
    FULL_RECORD,
    HOSTILE,
    branching,
    raising,
    stored,
)
from omni_tui.session.tree import Tree


class RecordConformance:
    """Records are kept whole, written in parts, and gone when deleted."""

    async def test_a_record_comes_back_as_it_went(self, store: Store) -> None:
        await store.create(SessionRecord(id="above"))
        await store.create(FULL_RECORD)
        loaded = await store.load("full")
        assert loaded.record == FULL_RECORD
        assert len(loaded.tree) == 0

    async def test_what_is_loaded_shares_nothing_with_the_store(self, store: Store) -> None:
        await stored(store, options={"a": [1]}, drafts={"1": "x"})
        first = await store.load("s")
        first.record.options["a"].append(2)
        first.record.drafts["2"] = "y"
        first.tree.push(Message.user("only here"))
        second = await store.load("s")
        assert second.record.options == {"a": [1]}
        assert second.record.drafts == {"1": "x"}
        assert len(second.tree) == 2

    async def test_a_stored_record_does_not_change_with_the_dictionaries_it_was_made_of(
        self,
        store: Store,
    ) -> None:
        options: dict[str, Any] = {"a": [1]}
        await store.create(SessionRecord(id="s", options=options))
        options["a"].append(2)
        assert (await store.load("s")).record.options == {"a": [1]}

    async def test_state_is_written_in_parts(self, store: Store) -> None:
        await store.create(SessionRecord(id="above"))
        await store.create(FULL_RECORD)
        await store.save_state(
            "full", title=None, drafts={}, approvals=("x",), title_is_manual=False
        )
        record = (await store.load("full")).record
        assert (record.title, record.drafts, record.approvals) == (None, {}, ("x",))
        assert record.title_is_manual is False
        assert (record.model, record.options) == (FULL_RECORD.model, FULL_RECORD.options)
        assert record.created_at == FULL_RECORD.created_at
        assert record.updated_at > FULL_RECORD.updated_at

    async def test_the_time_of_the_last_change_can_be_told(self, store: Store) -> None:
        await stored(store)
        await stored(store, "later")
        old = datetime(2020, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
        await store.save_state("s", updated_at=old)
        assert (await store.load("s")).record.updated_at == old
        assert [each.id for each in await store.list()] == ["later", "s"]
        await store.save_state("s", title="new")
        assert (await store.load("s")).record.updated_at > old

    async def test_what_a_record_was_born_with_cannot_be_written_later(self, store: Store) -> None:
        await stored(store)
        for name in ("origin_id", "origin_node", "parent_id", "depth"):
            with raising(TypeError, name):
                await store.save_state("s", **{name: 1})  # type: ignore[arg-type]
        await store.save_state("s", partials={"run": {"text": "half"}})
        assert (await store.load("s")).record.partials == {"run": {"text": "half"}}

    async def test_state_that_no_record_has_is_refused(self, store: Store) -> None:
        await stored(store)
        for name in ("colour", "id", "created_at"):
            with raising(TypeError, name):
                await store.save_state("s", **{name: "x"})  # type: ignore[arg-type]

    async def test_an_id_is_stored_once(self, store: Store) -> None:
        await stored(store)
        with raising(AlreadyExistsError):
            await store.create(SessionRecord(id="s", title="other"))
        assert (await store.load("s")).record.title is None

    async def test_an_unknown_session_is_not_found_by_any_verb(self, store: Store) -> None:
        await stored(store, "other")
        tree = branching()
        for call in (
            store.load("s"),
            store.save_tree("s", tree.take_changes()),
            store.save_state("s", title="x"),
            store.delete("s"),
            store.lease("s"),
        ):
            with raising(NotFoundError, "'s'"):
                await call
        assert not await store.exists("s")
        await store.release("s")

    async def test_a_deleted_session_leaves_nothing_behind(self, store: Store) -> None:
        await stored(store)
        await stored(store, "other")
        await store.delete("s")
        assert not await store.exists("s")
        await store.create(SessionRecord(id="s"))
        assert len((await store.load("s")).tree) == 0
        assert len((await store.load("other")).tree) == 2

    async def test_text_that_utf8_refuses_is_kept_as_well_as_can_be(self, store: Store) -> None:
        for id, text in enumerate(HOSTILE):
            await self._keeps(store, f"s{id}", text)

    async def _keeps(self, store: Store, id: str, text: str) -> None:
        clean = re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)
        tree = Tree()
        tree.push(Message.user(text), label=text, error=text, status="failed")
        state = {"title": text, "options": {text: text}, "drafts": {"1": text}, "cwd": text}
        await stored(store, id, tree, **state)
        loaded = await store.load(id)
        record, node = loaded.record, loaded.tree[1]
        assert (node.message.text, node.label, node.error) == (clean, clean, clean)
        assert (record.title, record.cwd) == (clean, clean)
        assert (record.options, record.drafts) == ({clean: clean}, {"1": clean})
        await store.save_state(id, title=f"{id} {text}!", system=text)
        assert (await store.load(id)).record.system == clean
        assert await store.find(f"{id} {clean}!") == id
