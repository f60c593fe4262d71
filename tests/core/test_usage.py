"""Token counts and money add up."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from omni_tui.core.usage import Usage

COUNTS = st.integers(min_value=0, max_value=10**9)
USAGES = st.builds(
    Usage,
    input=COUNTS,
    output=COUNTS,
    cache_read=COUNTS,
    cache_write=COUNTS,
    cost=st.none()
    | COUNTS.map(lambda cents: cents / 4),  # exact in binary, so that order does not matter
)


@given(st.lists(USAGES, max_size=6), st.randoms())
def test_a_sum_has_every_count_of_its_parts_in_any_order(
    usages: list[Usage], random: Random
) -> None:
    shuffled = usages[:]
    random.shuffle(shuffled)
    total = sum(shuffled, Usage())
    assert total == sum(usages, Usage())
    for name in ("input", "output", "cache_read", "cache_write", "cost"):
        parts = [getattr(usage, name) or 0 for usage in usages]
        assert (getattr(total, name) or 0) == sum(parts)
    assert (total.cost is None) == all(usage.cost is None for usage in usages)


def test_what_was_read_counts_the_cache_too() -> None:
    usage = Usage(input=100, output=7, cache_read=20, cache_write=3)
    assert usage.read == 123
    assert Usage().read == 0
