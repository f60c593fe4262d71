"""What a query asks for beside words, and how times are read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omni_tui.session.store.filters import FILTERS, Filters
from omni_tui.session.store.words import MAX_TERMS, Query, Term

NOW = datetime(2026, 3, 10, 15, 30, 20, 999, tzinfo=UTC)


def local(*parts: int) -> datetime:
    """A moment of this machine's zone."""
    return datetime(*parts).astimezone()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026", local(2026, 1, 1)),
        ("2026-02", local(2026, 2, 1)),
        ("2026-02-03", local(2026, 2, 3)),
        ("2026-02-03T04:05", local(2026, 2, 3, 4, 5)),
        ("2026-02-03t04:05:06.789z", datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("2026-02-03T04:05+02:00", datetime(2026, 2, 3, 2, 5, tzinfo=UTC)),
        ("12h", NOW.replace(microsecond=0) - timedelta(hours=12)),
        ("7D", NOW.replace(microsecond=0) - timedelta(days=7)),
        ("2w", NOW.replace(microsecond=0) - timedelta(weeks=2)),
    ],
)
def test_times_are_read_as_a_person_writes_them(text: str, moment: datetime) -> None:
    assert Query(f"after:{text}", NOW).filters.after == moment
    assert Query(f"before:{text} x", NOW).filters.before == moment


def test_today_and_yesterday_begin_at_midnight() -> None:
    here = NOW.astimezone()
    today = local(here.year, here.month, here.day)
    assert Query("after:today", NOW).filters.after == today
    yesterday = Query("after:Yesterday", NOW).filters.after
    assert yesterday is not None
    assert timedelta(hours=22) < today - yesterday < timedelta(hours=26)


@pytest.mark.parametrize(
    "text",
    ["soon", "0000", "2026-13", "2026-02-30", "٢٠٢٦", "7y", "99999d", "-1d", "1e3", "0001-01-01x"],
)
def test_what_is_no_time_is_a_fault_that_names_the_filter(text: str) -> None:
    query = Query(f"fuji before:{text}")
    assert query.is_vain
    (fault,) = query.filters.faults
    assert fault.startswith("before: wants a time")
    assert text in fault


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_without_a_value_is_a_fault_that_names_it(name: str) -> None:
    for value in ("", '""', '"  "'):
        query = Query(f"{name.upper()}:{value} words")
        assert query.is_vain
        (fault,) = query.filters.faults
        assert fault.startswith(f"{name}: needs a value")


def test_words_and_filters_stand_in_any_order() -> None:
    query = Query('one model:Demo/Big "two three" label:"Nice try" fou')
    assert query.terms == (Term(("one",)), Term(("two", "three")), Term(("fou",), is_prefix=True))
    assert (query.filters.models, query.filters.labels) == (("demo/big",), ("nice try",))
    assert query.filters.faults == ()


def test_several_times_are_the_narrowest() -> None:
    filters = Query("before:2026-03 before:2026-02 after:2025 after:2024").filters
    assert (filters.before, filters.after) == (local(2026, 2, 1), local(2025, 1, 1))


def test_the_number_of_filters_is_bounded() -> None:
    assert len(Query("model:a " * 100).filters.models) == MAX_TERMS


@given(st.lists(st.tuples(st.sampled_from([*FILTERS]), st.text(max_size=30)), max_size=5))
def test_no_value_is_an_error(given_filters: list[tuple[str, str]]) -> None:
    filters = Filters(given_filters, NOW)
    assert bool(filters) == bool(given_filters)
    filters.fits_session("id", "a title")
    filters.fits_model("demo/chat")
    filters.fits_time(NOW)
    assert all("\n" not in fault for fault in filters.faults)
