"""The tree of errors is what its page says, and each says what to do next."""

from __future__ import annotations

import re

import pytest

from omni_tui.core import errors
from omni_tui.core.errors import AgentRunError, OmniError, ProviderError


def test_the_table_of_the_module_names_every_error_under_its_parent() -> None:
    assert errors.__doc__ is not None
    listed: dict[str, str] = {}
    parent = ""
    for line in errors.__doc__.splitlines():
        names = re.findall(r"\b\w+Error\b", line)
        if re.match(r" {6}\w", line):
            parent = names.pop(0)
            listed[parent] = "OmniError"
        if line.startswith("      "):
            listed.update(dict.fromkeys(names, parent))
    defined = {
        name: cls
        for name, cls in vars(errors).items()
        if isinstance(cls, type) and issubclass(cls, OmniError) and cls is not OmniError
    }
    assert set(listed) == set(defined)
    for name, above in listed.items():
        assert issubclass(defined[name], getattr(errors, above))


def test_an_error_shows_its_hint_and_keeps_facts_apart() -> None:
    error = ProviderError("It failed.", hint="try again", status=503)
    assert str(error) == "It failed. (try again)"
    assert error.message == "It failed."
    assert error.details == {"status": 503}
    assert str(OmniError("Plain.")) == "Plain."


@pytest.mark.parametrize(
    ("name", "retryable"),
    [
        ("RateLimitError", True),
        ("OverloadedError", True),
        ("ConnectionFailedError", True),
        ("BrokenStreamError", True),
        ("AuthError", False),
        ("RequestError", False),
        ("ContextLengthError", False),
        ("UnknownModelError", False),
    ],
)
def test_only_faults_that_pass_are_worth_a_retry(name: str, retryable: bool) -> None:
    assert getattr(errors, name).retryable is retryable


def test_a_run_that_gave_nothing_says_how_it_ended() -> None:
    error = AgentRunError("no", outcome="cancelled")
    assert error.outcome == "cancelled"
