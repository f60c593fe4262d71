"""The tests that every store of sessions passes, for the authors of stores.

Inherit `StoreConformance` in a test module and give it a fixture `store`; for a store that outlives
its process inherit `DurableConformance` too, and give it a fixture `open_store`. The classes that
`StoreConformance` is made of can be inherited one by one. All tests are coroutines: an asyncio
plugin of pytest runs them. To read what was compared when one fails, put this into `conftest.py`:

    pytest.register_assert_rewrite("omni_tui.session.store.conformance")
"""

from omni_tui.session.store.conformance.durable import DurableConformance
from omni_tui.session.store.conformance.families import FamilyConformance
from omni_tui.session.store.conformance.leases import LeaseConformance
from omni_tui.session.store.conformance.lists import ListConformance
from omni_tui.session.store.conformance.records import RecordConformance
from omni_tui.session.store.conformance.search import SearchConformance
from omni_tui.session.store.conformance.trees import TreeConformance

__all__ = [
    "DurableConformance",
    "FamilyConformance",
    "LeaseConformance",
    "ListConformance",
    "RecordConformance",
    "SearchConformance",
    "StoreConformance",
    "TreeConformance",
]


class StoreConformance(
    TreeConformance,
    RecordConformance,
    ListConformance,
    FamilyConformance,
    LeaseConformance,
    SearchConformance,
):
    """What every store does.

    The fixture `store` gives a `Store` without sessions, a fresh one for each test, and closes it
    when the test is over.
    """
