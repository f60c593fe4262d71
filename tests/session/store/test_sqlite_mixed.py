"""Two processes that do everything at one file at once: nothing is lost, nobody is sent away."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from omni_tui.session.store import SQLiteStore
from omni_tui.session.store.maintenance import examine

MIXER = Path(__file__).with_name("sqlite_mixer.py")

NAMES = ("one", "two")

COUNT = 5_000
"""What each process does."""


def mix(path: Path) -> list[dict[str, Any]]:
    """Let them go at the same moment; the account each gives in the end."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, str(MIXER), str(path), name, str(COUNT)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for name in NAMES
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        ends = [process.communicate() for process in processes]
    assert [err for _, err in ends] == ["", ""]
    return [json.loads(out) for out, _ in ends]


@pytest.mark.timeout(180)
async def test_ten_thousand_things_two_processes_do_at_one_file(path: Path) -> None:
    accounts = mix(path)
    deleted = {id for account in accounts for id in account["deleted"]}
    async with SQLiteStore(path) as store:
        for account in accounts:
            for id, nodes in account["own"].items():
                stored = (await store.load(id)).tree.nodes
                assert {str(n.id): n.message.text for n in stored.values()} == nodes
            for id, nodes in account["shared"].items():
                if not await store.exists(id):
                    assert id in deleted
                    continue
                stored = (await store.load(id)).tree.nodes
                assert {key: stored[int(key)].message.text for key in nodes} == nodes
        for id in deleted:
            assert not await store.exists(id)
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT count(lease_pid) FROM sessions").fetchone() == (0,)
    assert [each for each in examine(path, deep=True) if each.level != "ok"] == []
    for account in accounts:
        done, lost = account["done"], account["lost"]
        assert sum(done.values()) + sum(lost.values()) >= COUNT
        assert min(done.values()) > 10, "all was done"
        assert lost["SessionLockedError"] > 10, "they met"
        assert lost["StoreError"] > 10
        assert set(lost) <= {"SessionLockedError", "StoreError", "NotFoundError"}
