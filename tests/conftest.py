"""What holds for every test: SVG baselines, and no property judged by how fast the machine is."""

import gc
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from pytest_textual_snapshot import SVGImageExtension
from warm import warm_server

# Here, before a test of anything else imports it.
pytest.register_assert_rewrite("omni_tui.session.store.conformance")

# Whatever the version of the snapshot library.
SVGImageExtension.file_extension = "svg"

# The same examples each time: what is found by chance is no fault of the change at hand, and
# `make search` looks for it.
settings.register_profile(
    "fixed", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.register_profile(
    "search", settings.get_profile("fixed"), derandomize=False, max_examples=3000, print_blob=True
)
settings.load_profile("fixed")


def pytest_collection_finish() -> None:
    """Let no collection of garbage look at the modules and tests again: a sixth of all the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def warm() -> Iterator[None]:
    """Let processes started by `warm.PYTHON` begin with their packages imported."""
    with warm_server():
        yield
