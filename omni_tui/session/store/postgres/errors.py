"""PostgreSQL's errors in the words of a store."""

from __future__ import annotations

import psycopg
from psycopg import errors

from omni_tui.core.errors import StoreError, StoreUnavailableError
from omni_tui.core.safe_text import safe_line
from omni_tui.session.store.postgres.address import Address

# Rolled back in favour of another transaction, or because the server goes down or comes up.
_PASSING = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.TooManyConnections,
)


def is_passing(error: psycopg.Error) -> bool:
    """Whether the same job may succeed on another connection, in a moment."""
    if isinstance(error, _PASSING):
        return True
    # Without a code it comes from the connection, not from the server.
    return isinstance(error, psycopg.OperationalError) and error.sqlstate is None


def translate(error: psycopg.Error, address: Address) -> StoreError:
    """The error to raise in its place; it names the server and what to do, and no secret."""
    said = error.diag.message_primary or str(error)
    reason = address.without_secrets(safe_line(said, 300)).rstrip(".")
    if isinstance(error, errors.DataError):
        return StoreError(f"{address} cannot hold a value: {reason}.")
    if isinstance(error, errors.IntegrityError):
        return StoreError(f"{address} refused a row: {reason}.")
    if isinstance(error, errors.QueryCanceled | errors.LockNotAvailable):
        return StoreUnavailableError(
            f"{address} did not answer in time: {reason}.", hint="see how busy it is"
        )
    if isinstance(error, errors.InsufficientPrivilege):
        return StoreUnavailableError(
            f"{address} forbids it: {reason}.",
            hint="let its owner create the schema, and grant what is in it",
        )
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return StoreUnavailableError(f"{address} cannot be written: {reason}.")
    if error.sqlstate is None:
        return StoreUnavailableError(
            f"{address} cannot be reached: {reason}.", hint="see whether it runs and lets you in"
        )
    return StoreUnavailableError(f"{address} failed: {reason}.")
