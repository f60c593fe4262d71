"""The files of the JSONL store: what a person finds in them, and what becomes of damaged ones."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from omni_tui.core.errors import (
    NotFoundError,
    StoreError,
    StoreUnavailableError,
    StoreVersionError,
)
from omni_tui.core.messages import Message
from omni_tui.core.usage import Usage
from omni_tui.session.store import SessionRecord
from omni_tui.session.store.conformance.samples import assert_same, branching, places, stored
from omni_tui.session.store.jsonl import JSONLStore
from omni_tui.session.store.jsonl_log import NodeLog
from omni_tui.session.tree import Changes, Node, Tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "above" / "sessions"


@pytest.fixture
async def jsonl(root: Path) -> AsyncIterator[JSONLStore]:
    async with JSONLStore(root) as store:
        yield store


async def save(root: Path, tree: Tree, id: str = "s") -> None:
    async with JSONLStore(root) as store:
        await store.save_tree(id, tree.take_changes())


async def loaded(root: Path, id: str = "s") -> Tree:
    async with JSONLStore(root) as store:
        return (await store.load(id)).tree


def lines(root: Path, id: str = "s") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / id / "nodes.jsonl").read_bytes().splitlines()]


# What a person finds


async def test_each_message_is_a_line_that_says_what_it_is(root: Path, jsonl: JSONLStore) -> None:
    tree = await stored(jsonl, title="Hills")
    tree.push(
        Message.user("Näxt?"),
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        run_id="r",
        usage=Usage(input=1, cost=0.5),
    )
    await jsonl.save_tree("s", tree.take_changes())
    first, second, third = lines(root)
    assert (first["more"], first["node"]["id"], second["node"]["id"]) == (True, 1, 2)
    assert second["cursors"] == [[None, 1], [1, 2]]
    assert second["head"] == 2
    assert first["at"] == second["at"] < third["at"]
    del third["at"]
    assert third == {
        "node": {
            "id": 3,
            "parent_id": 2,
            "kind": "prompt",
            "run_id": "r",
            "created_at": "2026-01-02T00:00:00.000Z",
            "input": 1,
            "output": 0,
            "cache_read": 0,
            "cache_write": 0,
            "cost": 0.5,
        },
        "message": json.loads(tree[3].raw),
        "cursors": [[2, 3]],
        "head": 3,
    }
    assert "Näxt?" in (root / "s" / "nodes.jsonl").read_text("utf-8")
    file = (root / "s" / "session.json").read_text("utf-8")
    assert file.startswith('{\n  "format": 1,\n')
    assert file.endswith("}\n")
    assert json.loads(file)["record"]["title"] == "Hills"


async def test_the_log_only_grows_and_a_new_name_does_not_touch_it(
    root: Path, jsonl: JSONLStore
) -> None:
    tree = await stored(jsonl, tree=branching())
    log, before = root / "s" / "nodes.jsonl", b""
    for step in (
        lambda: tree.navigate(4),
        lambda: tree.update(4, label="nicer"),
        lambda: tree.push(Message.user("more")),
        lambda: tree.remove(5),
        lambda: tree.prune(4),
    ):
        before = log.read_bytes()
        step()
        await jsonl.save_tree("s", tree.take_changes())
        assert log.read_bytes().startswith(before)
        assert log.stat().st_size > len(before)
        assert_same((await jsonl.load("s")).tree, tree)
    whole = log.read_bytes()
    await jsonl.save_state("s", title="Other", drafts={"1": "x"})
    await jsonl.save_tree("s", Changes())
    assert log.read_bytes() == whole


async def test_what_alters_a_node_does_not_write_its_message_again(
    root: Path, jsonl: JSONLStore
) -> None:
    tree = Tree()
    tree.push(Message.user("long " * 10_000))
    await stored(jsonl, tree=tree)
    tree.update(1, label="here")
    await jsonl.save_tree("s", tree.take_changes())
    last = lines(root)[-1]
    assert last["node"]["label"] == "here"
    assert "message" not in last
    assert_same(await loaded(root), tree)


async def test_nobody_else_may_read_the_files(root: Path, jsonl: JSONLStore) -> None:
    await stored(jsonl)
    await jsonl.lease("s")
    modes = {
        str(path.relative_to(root.parent)): path.stat().st_mode & 0o777
        for path in (root, *root.rglob("*"))
        if path.name != ".gitignore"
    }
    assert modes == {
        "sessions": 0o700,
        "sessions/.leases": 0o700,
        "sessions/.leases/s": 0o600,
        "sessions/s": 0o700,
        "sessions/s/nodes.jsonl": 0o600,
        "sessions/s/session.json": 0o600,
    }
    assert root.parent.stat().st_mode & 0o777 == 0o700


async def test_git_sees_only_what_is_to_be_kept(root: Path, jsonl: JSONLStore) -> None:
    await stored(jsonl)
    await jsonl.lease("s")
    assert (root / ".leases" / ".gitignore").read_text() == "*\n"
    (root / ".git").mkdir()
    (root / "README").write_text("mine")
    assert [each.id for each in await jsonl.list()] == ["s"]


async def test_a_copy_of_a_folder_is_another_session(root: Path, jsonl: JSONLStore) -> None:
    tree = await stored(jsonl, title="Hills")
    shutil.copytree(root / "s", root / "copy")
    tree.push(Message.user("only in s"))
    await jsonl.save_tree("s", tree.take_changes())
    assert sorted(each.id for each in await jsonl.list()) == ["copy", "s"]
    copy = await jsonl.load("copy")
    assert (copy.record.id, copy.record.title, len(copy.tree)) == ("copy", "Hills", 2)


# Names


@pytest.mark.parametrize(
    "id", ["../out", "..", ".", ".git", "a/b", "/etc/passwd", "a\x00b", "a%2Fb", "räume", "CON:x"]
)
async def test_no_id_leads_out_of_the_folder(root: Path, jsonl: JSONLStore, id: str) -> None:
    for call in (jsonl.load(id), jsonl.delete(id), jsonl.lease(id), jsonl.save_state(id, title="")):
        with pytest.raises(NotFoundError):
            await call
    await jsonl.release(id)
    tree = await stored(jsonl, id)
    await jsonl.lease(id)
    assert_same((await jsonl.load(id)).tree, tree)
    assert [each.id for each in await jsonl.list()] == [id]
    (made,) = (path for path in root.iterdir() if path.name != ".leases")
    assert list(root.parent.iterdir()) == [root]
    assert not made.name.startswith(".")
    await jsonl.delete(id)
    assert [path.name for path in root.iterdir()] == [".leases"]


@pytest.mark.parametrize("id", ["", "x" * 201, "\ud800"])
async def test_an_id_that_makes_no_name_is_refused(jsonl: JSONLStore, id: str) -> None:
    with pytest.raises(StoreError, match="makes no name"):
        await jsonl.create(SessionRecord(id=id))
    assert not await jsonl.exists(id)
    assert await jsonl.list() == []


async def test_a_link_is_no_session(root: Path, jsonl: JSONLStore, tmp_path: Path) -> None:
    await stored(jsonl)
    shutil.move(root / "s", tmp_path / "elsewhere")
    (root / "s").symlink_to(tmp_path / "elsewhere")
    assert not await jsonl.exists("s")
    assert await jsonl.list() == []
    await stored(jsonl, "t")
    (root / "t" / "nodes.jsonl").unlink()
    (root / "t" / "nodes.jsonl").symlink_to(tmp_path / "elsewhere" / "nodes.jsonl")
    with pytest.raises(StoreUnavailableError):
        await JSONLStore(root).load("t")


# Damage


async def torn(root: Path, first: Tree, kept: int, *, step: int = 1) -> None:
    """Cut the log at every byte behind `kept`: the rest counts for nothing and is cut off.

    At every `step`th of them the session is gone on with.
    """
    log, file = root / "s" / "nodes.jsonl", root / "s" / "session.json"
    whole, record = log.read_bytes(), file.read_bytes()
    assert whole[kept - 1 : kept] == b"\n"
    before = (await loaded(root)).path
    for cut in range(kept, len(whole)):
        log.write_bytes(whole[:cut])
        file.write_bytes(record)
        read = NodeLog(log)
        read.read(warn=False)
        assert_same(read.kept.tree(), first)
        if (cut - kept) % step:
            continue
        async with JSONLStore(root) as store:
            (summary,) = await store.list()
            assert summary.nodes == len(first)
            tree = (await store.load("s")).tree
            assert_same(tree, first)
            tree.push(Message.user("on it goes"))
            await store.save_tree("s", tree.take_changes())
            assert_same((await store.load("s")).tree, tree)
        assert log.read_bytes().startswith(whole[:kept])
        assert all(line["at"] for line in lines(root)), "whole lines only"
        assert len(lines(root)) == whole[:kept].count(b"\n") + 1
    log.write_bytes(whole)
    assert (await loaded(root)).path == before


async def test_a_last_line_torn_at_any_byte_is_as_if_it_had_not_been_written(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with JSONLStore(root) as store:
        tree = await stored(store)
        kept = (root / "s" / "nodes.jsonl").stat().st_size
        first = (await store.load("s")).tree
        tree.push(Message.user("ü?"))
        await store.save_tree("s", tree.take_changes())
    with caplog.at_level(logging.WARNING):
        await torn(root, first, kept, step=3)
    assert "ends in the middle of a commit" in caplog.text


async def test_a_commit_of_many_nodes_torn_at_any_byte_leaves_nothing(root: Path) -> None:
    async with JSONLStore(root) as store:
        tree = await stored(store)
        kept = (root / "s" / "nodes.jsonl").stat().st_size
        first = (await store.load("s")).tree
        tree.navigate(1)
        for text in "abc":
            tree.push(Message.user(text))
        tree.remove(2)
        await store.save_tree("s", tree.take_changes())
        assert len(lines(root)) == 5
    await torn(root, first, kept, step=13)


async def test_a_damaged_line_is_left_out_and_the_rest_is_there(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with JSONLStore(root) as store:
        await stored(store, tree=Tree())
        tree = Tree()
        for number in range(5):
            tree.push(Message.user(f"message {number}"))
            await store.save_tree("s", tree.take_changes())
    log = root / "s" / "nodes.jsonl"
    good = log.read_bytes().splitlines(keepends=True)
    for bad in (
        b"\xff\xfe\n",
        b"\n",
        b"{}\n",
        b'{"at":1}\n',
        b"[" * 5000 + b"\n",
        good[2][:40] + b"\n",
    ):
        caplog.clear()
        log.write_bytes(b"".join((*good[:2], bad, *good[3:])))
        async with JSONLStore(root) as store:
            tree = (await store.load("s")).tree
            assert list(tree.nodes) == [1, 2, 4, 5]
            assert [hit.node_id for hit in await store.search("message")] == [5, 4, 2, 1]
            (summary,) = await store.list()
            assert summary.preview == "message 4"
        assert "line 3 is damaged and left out" in caplog.text
        assert "\x1b" not in caplog.text


async def test_a_damaged_last_line_of_a_commit_keeps_the_others_of_it(root: Path) -> None:
    async with JSONLStore(root) as store:
        tree = await stored(store)
        tree.push(Message.user("later"))
        await store.save_tree("s", tree.take_changes())
    log = root / "s" / "nodes.jsonl"
    good = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join((good[0], b"?" + good[1], good[2])))
    assert list((await loaded(root)).nodes) == [1, 3]


async def test_a_file_that_was_put_in_the_place_of_the_old_one_is_read_anew(
    root: Path, jsonl: JSONLStore
) -> None:
    tree = await stored(jsonl)
    log = root / "s" / "nodes.jsonl"
    early = log.read_bytes()
    tree.push(Message.user("later"))
    await jsonl.save_tree("s", tree.take_changes())
    assert len((await jsonl.load("s")).tree) == 3
    log.write_bytes(early)
    assert len((await jsonl.load("s")).tree) == 2
    other = log.with_name("other")
    other.write_bytes(early.replace(b"hello", b"HELLO"))
    other.replace(log)
    assert (await jsonl.load("s")).tree[1].message.text == "HELLO"


async def test_a_list_is_true_when_the_process_died_before_it_wrote_the_record(
    root: Path, jsonl: JSONLStore
) -> None:
    tree = await stored(jsonl)
    await stored(jsonl, "younger")
    file = root / "s" / "session.json"
    before = file.read_bytes()
    tree.push(Message.user("the last words"), usage=Usage(cost=1.0))
    await jsonl.save_tree("s", tree.take_changes())
    expected = await jsonl.list()
    file.write_bytes(before)
    async with JSONLStore(root) as store:
        assert await store.list() == expected
        assert expected[0].preview == "the last words"
        assert (await store.load("s")).record.updated_at == expected[0].updated_at


async def test_a_list_reads_no_message(
    root: Path, jsonl: JSONLStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        await stored(jsonl, f"s{number}")

    def read(log: NodeLog, *, warn: bool = True) -> None:
        raise AssertionError("a log was read")

    monkeypatch.setattr(NodeLog, "read", read)
    async with JSONLStore(root) as store:
        assert len(await store.list()) == 20
        assert (await store.list())[0].preview == "hi"


@pytest.mark.parametrize("content", [b"", b"{", b'{"format":1}', b"\xff", b"[]"])
async def test_a_session_with_a_damaged_record_does_not_hide_the_others(
    root: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with JSONLStore(root) as store:
        await stored(store)
        await stored(store, "bad")
        (root / "bad" / "session.json").write_bytes(content)
        for _ in range(2):
            assert [each.id for each in await store.list()] == ["s"]
            assert await store.latest() == "s"
        assert caplog.text.count("cannot be read and is left out") == 1
        assert places(await store.search("hello")) == [("s", 1)]
        with pytest.raises(StoreUnavailableError, match="damaged"):
            await store.load("bad")
        await store.delete("bad")
        assert not (root / "bad").exists()


async def test_a_session_of_a_newer_program_is_refused_and_untouched(
    root: Path, jsonl: JSONLStore
) -> None:
    tree = await stored(jsonl)
    file = root / "s" / "session.json"
    file.write_text(file.read_text().replace('"format": 1', '"format": 2'))
    before = file.read_bytes(), (root / "s" / "nodes.jsonl").read_bytes()
    tree.push(Message.user("x"))
    for call in (
        jsonl.load("s"),
        jsonl.save_tree("s", tree.take_changes()),
        jsonl.save_state("s", title="x"),
    ):
        with pytest.raises(StoreVersionError, match="has format 2, this program knows 1"):
            await call
    assert (file.read_bytes(), (root / "s" / "nodes.jsonl").read_bytes()) == before


async def test_a_message_that_is_no_json_is_kept_as_it_is(root: Path, jsonl: JSONLStore) -> None:
    for id, raw in enumerate((b"{damaged", b'"text"', b"{\n}", b"[1]", b""), 1):
        node = Node(id, None, raw, "prompt", created_at=datetime(2026, 1, 1, tzinfo=UTC))
        if id == 1:
            await jsonl.create(SessionRecord(id="s"))
        await jsonl.save_tree("s", Changes(nodes=(node,), head=id))
        assert (await loaded(root))[id].raw == raw
        assert (await jsonl.list())[0].preview == "(damaged)"
    assert await jsonl.search("damaged") == ()


async def test_a_write_that_fails_leaves_nothing_and_can_be_done_again(
    root: Path, jsonl: JSONLStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = await stored(jsonl)
    before = (await jsonl.load("s")).tree
    tree.push(Message.user("does not fit"))
    changes = tree.take_changes()
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) > 50:
            return write(descriptor, data[:50])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("omni_tui.session.store.jsonl_log.os.write", full)
        with pytest.raises(StoreUnavailableError, match="No space left"):
            await jsonl.save_tree("s", changes)
    assert_same((await jsonl.load("s")).tree, before)
    await jsonl.save_tree("s", changes)
    assert_same((await jsonl.load("s")).tree, tree)
    assert_same(await loaded(root), tree)


async def test_leftovers_are_cleared_up_and_never_listed(root: Path) -> None:
    async with JSONLStore(root) as store:
        await stored(store)
    (root / "s").rename(root / ".gone-1234")
    for name, age in ((".new-old", 7200), (".new-young", 0)):
        (root / name).mkdir()
        moment = (root / name).stat().st_mtime - age
        os.utime(root / name, (moment, moment))
    async with JSONLStore(root) as store:
        assert await store.list() == []
    assert sorted(path.name for path in root.iterdir()) == [".leases", ".new-young"]


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailableError, match="file/sessions"):
        await JSONLStore(tmp_path / "file" / "sessions").open()


async def test_a_closed_store_says_so(root: Path) -> None:
    store = JSONLStore(root)
    await store.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        await store.list()
    assert not root.exists()


async def test_looking_makes_no_folder(root: Path) -> None:
    await with_store(root)
    assert not root.exists()


async def with_store(root: Path) -> None:
    store = JSONLStore(root)
    assert await store.list() == []
    assert not await store.exists("s")
    assert await store.search("x") == ()
    await store.close()
