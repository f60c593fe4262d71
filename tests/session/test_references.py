"""A session and a label in one word; titles may hold an @ all the same."""

from __future__ import annotations

import pytest

from omni_tui.core.errors import AmbiguousIdError, NotFoundError
from omni_tui.core.messages import Message
from omni_tui.session.references import labelled, split_reference
from omni_tui.session.store import MemoryStore, SessionRecord
from omni_tui.session.tree import Tree

GARDEN, MAIL = "garden-session-of-test", "mail-session-of-tests0"


@pytest.fixture
async def store() -> MemoryStore:
    made = MemoryStore()
    await made.create(SessionRecord(id=GARDEN, title="The garden"))
    await made.create(SessionRecord(id=MAIL, title="ann@example.org@work"))
    return made


@pytest.mark.parametrize(
    ("wanted", "id", "label"),
    [
        (GARDEN, GARDEN, None),
        ("garden", GARDEN, None),
        ("garden@beans", GARDEN, "beans"),
        ("the garden@beans", GARDEN, "beans"),
        ("garden@a@b", GARDEN, "a@b"),
        ("ann@example.org@work", MAIL, None),
        ("ann@ex", MAIL, None),
        ("ann@example.org@work@sent", MAIL, "sent"),
        ("ann@ex@sent", MAIL, "sent"),
    ],
)
async def test_a_reference_is_split_where_a_session_fits(
    store: MemoryStore, wanted: str, id: str, label: str | None
) -> None:
    assert await split_reference(store, wanted) == (id, label)


@pytest.mark.parametrize("wanted", ["nobody", "nobody@x", "@x", "garden@", "@", ""])
async def test_what_fits_no_session_is_an_error(store: MemoryStore, wanted: str) -> None:
    with pytest.raises(NotFoundError):
        await split_reference(store, wanted)


def tree() -> Tree:
    made = Tree()
    for label in ("beans", "bean salad", "peas", None, "hidden"):
        made.push(Message.user("x"), label=label)
    made.prune(5)
    return made


def test_a_label_is_found_whole_or_by_its_beginning() -> None:
    assert labelled(tree(), "beans") == 1
    assert labelled(tree(), "bean ") == 2
    assert labelled(tree(), "p") == 3


def test_a_label_that_fits_several_or_none_is_an_error_that_helps() -> None:
    with pytest.raises(AmbiguousIdError, match=r"beans \(1\), bean salad \(2\)"):
        labelled(tree(), "bea")
    for wanted in ("hidden", "nothing"):
        with pytest.raises(NotFoundError) as caught:
            labelled(tree(), wanted)
        assert caught.value.hint == "its labels are: beans, bean salad, peas"
    with pytest.raises(NotFoundError) as caught:
        labelled(Tree(), "x")
    assert caught.value.hint == "it has no labels"
