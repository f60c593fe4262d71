"""One of several processes that do everything at one file; prints what it was told is stored.

Usage: sqlite_mixer.py DATABASE NAME COUNT. Prints `ready`, waits for a line, does so many things,
and prints one JSON object: `own` and `shared` (the texts of nodes by session and id), `deleted`
(sessions), `lost` (how often another was faster, by kind of error) and `done` (how often each was
done).
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable

from omni_tui.core.errors import NotFoundError, StoreError, StoreUnavailableError
from omni_tui.core.messages import Message
from omni_tui.session.store import SessionRecord, SQLiteStore
from omni_tui.session.tree import Tree

SLOTS = 3
"""Sessions that all processes share, at any time."""

OWN = 6
"""Sessions that a process has for itself, at most."""


class Mixer:
    """Does one thing after another, at random, and keeps account."""

    def __init__(self, store: SQLiteStore, name: str) -> None:
        self.store = store
        self.name = name
        self.chance = random.Random(name)
        self.trees: dict[str, Tree] = {}
        self.slots: dict[int, str] = {}
        self.own: dict[str, dict[int, str]] = {}
        self.shared: dict[str, dict[int, str]] = {}
        self.deleted: list[str] = []
        self.lost: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.count = 0

    async def act(self) -> None:
        """One thing, to a session of its own or to a shared one."""
        acts: dict[Callable[[str], Awaitable[None]], int] = {
            self.save: 45,
            self.state: 12,
            self.load: 10,
            self.lease: 10,
            self.release: 10,
            self.search: 4,
            self.list: 4,
            self.delete: 2,
        }
        self.count += 1
        act = self.chance.choices(list(acts), list(acts.values()))[0]
        if self.chance.random() < 0.5:
            if not self.own or (len(self.own) < OWN and self.chance.random() < 0.05):
                await self.begin(f"{self.name}-{self.count}", self.own)
            await act(self.chance.choice(list(self.own)))
            self.done[act.__name__] += 1
            return
        slot = self.chance.randrange(SLOTS)
        id = self.slots.get(slot) or await self.join(slot)
        try:
            if id not in self.trees:
                self.trees[id] = (await self.store.load(id)).tree
            await act(id)
            self.done[act.__name__] += 1
        except StoreUnavailableError:
            raise
        except StoreError as error:
            self.lost[type(error).__name__] += 1
            self.trees.pop(id, None)  # to be read anew
            if isinstance(error, NotFoundError):
                del self.slots[slot]

    async def begin(self, id: str, mine: dict[str, dict[int, str]]) -> None:
        await self.store.create(SessionRecord(id=id))
        mine[id] = {}
        self.trees[id] = Tree()
        self.done["create"] += 1

    async def join(self, slot: int) -> str:
        """The session that stands in this slot now; ids are never used again."""
        standing = [each.id for each in await self.store.list(1000)]
        found = sorted(id for id in standing if id.startswith(f"shared-{slot}-"))
        if found:
            self.shared.setdefault(found[0], {})
        else:
            found = [f"shared-{slot}-{self.name}-{self.count}"]
            await self.begin(found[0], self.shared)
        self.slots[slot] = found[0]
        return found[0]

    async def save(self, id: str) -> None:
        tree = self.trees[id]
        if len(tree) and self.chance.random() < 0.1:
            tree.navigate(self.chance.choice(list(tree.nodes)))
        text = f"{self.name} says {self.count}"
        node = tree.push(Message.user(text))
        await self.store.save_tree(id, tree.take_changes())
        (self.own if id in self.own else self.shared)[id][node.id] = text

    async def state(self, id: str) -> None:
        await self.store.save_state(id, title=f"title {self.count}", drafts={"1": self.name})

    async def load(self, id: str) -> None:
        tree = (await self.store.load(id)).tree
        if id in self.own:
            assert {n.id: n.message.text for n in tree.nodes.values()} == self.own[id]

    async def lease(self, id: str) -> None:
        await self.store.lease(id)

    async def release(self, id: str) -> None:
        await self.store.release(id)

    async def search(self, id: str) -> None:
        assert len(await self.store.search(f"{self.name} says")) <= 20

    async def list(self, id: str) -> None:
        assert len(await self.store.list()) >= len(self.own)

    async def delete(self, id: str) -> None:
        await self.store.delete(id)
        self.deleted.append(id)
        self.own.pop(id, None)
        self.trees.pop(id, None)
        self.slots = {slot: held for slot, held in self.slots.items() if held != id}


async def main(path: str, name: str, count: int) -> None:
    async with SQLiteStore(path) as store:
        mixer = Mixer(store, name)
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(count):
            await mixer.act()
        account = ("own", "shared", "deleted", "lost", "done")
        print(json.dumps({key: getattr(mixer, key) for key in account}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
