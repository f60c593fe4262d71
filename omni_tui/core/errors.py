"""Every error a caller can meet, as one tree.

    OmniError
      ConfigError      a file, key or value of the configuration
      CatalogError     the data about models cannot be fetched or kept
      TreeError        NodeNotFoundError NotUserNodeError NotAssistantNodeError
                       MisplacedError
      StoreError       NotFoundError AmbiguousIdError AlreadyExistsError SessionLockedError
                       StoreVersionError StoreUnavailableError
      AgentError       BusyError IdleError QueueFullError HaltedError MaxStepsReachedError
                       TurnTimeoutError CancelledRequestError AgentRunError
      ProviderError    AuthError MissingKeyError RateLimitError OverloadedError RequestError
                       ContextLengthError ConnectionFailedError BrokenStreamError
                       UnknownModelError UnsupportedModalityError UnknownOptionError OutputError
      AttachmentError  a file that cannot go with a message
      ToolError        what a tool tells the model

The message names the thing and `hint` says what to do next; neither is ever a traceback.
"""

from __future__ import annotations

from typing import Any


class OmniError(Exception):
    """Base of all errors. `details` holds machine-readable facts and never a secret."""

    def __init__(self, message: str, *, hint: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(OmniError):
    """A configuration, theme or command-line value cannot be used."""


class CatalogError(OmniError):
    """The data about models cannot be fetched or kept; the copy from before is still used."""


class TreeError(OmniError):
    """A tree operation does not fit its node."""


class NodeNotFoundError(TreeError):
    """The tree has no node with this id."""


class NotUserNodeError(TreeError):
    """The operation needs a message a person wrote."""


class NotAssistantNodeError(TreeError):
    """The operation needs a model's reply."""


class MisplacedError(TreeError):
    """A message cannot follow the one it is put under."""


class StoreError(OmniError):
    """The store could not do what was asked."""


class NotFoundError(StoreError):
    """No such session."""


class AmbiguousIdError(StoreError):
    """A prefix or name fits several sessions; `details["matches"]` lists them."""


class AlreadyExistsError(StoreError):
    """A session with this id is already stored."""


class SessionLockedError(StoreError):
    """Another process has the session open; `details["pid"]` is its process id."""


class StoreVersionError(StoreError):
    """The file was written by a newer version, or is no omni-tui database."""


class StoreUnavailableError(StoreError):
    """The file cannot be opened, read or written."""


class AgentError(OmniError):
    """The agent cannot do what was asked in its present state."""


class BusyError(AgentError):
    """A run is under way; `details["status"]` says in which status."""


class IdleError(AgentError):
    """There is nothing to answer: the agent is not paused."""


class QueueFullError(AgentError):
    """No more prompts can wait."""


class HaltedError(BusyError):
    """The agent is halted; `unhalt()` thaws it."""


class MaxStepsReachedError(AgentError):
    """The run used all its steps."""


class TurnTimeoutError(AgentError):
    """A turn took longer than its limit."""


class AgentRunError(AgentError):
    """A run ended without an answer; `outcome` says how, `__cause__` why."""

    def __init__(
        self, message: str, *, outcome: str, hint: str | None = None, **details: Any
    ) -> None:
        super().__init__(message, hint=hint, **details)
        self.outcome = outcome


class CancelledRequestError(AgentRunError):
    """A run was cancelled; `phase` is `queued` (it never began) or `running`."""

    def __init__(self, message: str, *, phase: str, hint: str | None = None) -> None:
        super().__init__(message, outcome="cancelled", hint=hint, phase=phase)
        self.phase = phase


class ProviderError(OmniError):
    """A model could not answer. `retryable` says whether the same request may succeed later."""

    retryable = False


class AuthError(ProviderError):
    """The provider refused the key (401, 403)."""


class MissingKeyError(AuthError):
    """The environment variable with the key is not set."""


class RateLimitError(ProviderError):
    """Too many requests (429); `details["retry_after"]` in seconds when the provider said it."""

    retryable = True


class OverloadedError(ProviderError):
    """The provider failed or is overloaded (408, 409, 5xx, 529)."""

    retryable = True


class RequestError(ProviderError):
    """The provider refused the request as sent (400, 404, 413, 422)."""


class ContextLengthError(RequestError):
    """The conversation is longer than the model's window."""


class ConnectionFailedError(ProviderError):
    """The provider could not be reached."""

    retryable = True


class BrokenStreamError(ProviderError):
    """The answer broke off or made no sense."""

    retryable = True


class UnknownModelError(ProviderError):
    """No provider serves this model string."""


class UnsupportedModalityError(ProviderError):
    """The model cannot read this kind of attachment; `details` has its `media_type` and `name`."""


class UnknownOptionError(ProviderError):
    """The provider's API has no such option; `details["keys"]` and `["allowed"]` list them."""


class OutputError(ProviderError):
    """The answer does not have the shape that was asked for.

    `details["path"]` says where (`$.age`), `["problem"]` what is wrong, `["text"]` is the answer.
    """


class AttachmentError(OmniError):
    """A file cannot be attached: it is missing, too large, or of a kind no model reads."""


class ToolError(OmniError):
    """A tool failed; the message goes to the model as an error result."""
