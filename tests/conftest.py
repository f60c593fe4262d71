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

settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared machine")


def pytest_collection_finish() -> None:
    """Let no collection of garbage look at the modules and tests again: a sixth of all the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def warm() -> Iterator[None]:
    """Let processes started by `warm.PYTHON` begin with their packages imported."""
    with warm_server():
        yield
