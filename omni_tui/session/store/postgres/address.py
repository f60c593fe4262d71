"""Where a PostgreSQL server is, and how to say it without the password."""

from __future__ import annotations

import psycopg
from psycopg.abc import ConnParam
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from omni_tui.core.errors import ConfigError
from omni_tui.core.safe_text import safe_line

CONNECT_TIMEOUT = 10
"""Seconds to wait for a server to answer at all, unless the address says another."""

_SECRETS = ("password", "sslpassword", "oauth_client_secret")

_DEFAULTS: dict[str, ConnParam] = {
    "connect_timeout": CONNECT_TIMEOUT,
    "application_name": "omni-tui",
    # A peer that went without a word is noticed in half a minute, not in hours.
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


class Address:
    """An address as libpq reads it; shown, it says where the server is and no secret.

    Args:
        url: `postgresql://user:password@host:port/database?option=value`, or `key=value` pairs.
            What it does not say comes from libpq's environment variables and files (`PGHOST`,
            `~/.pgpass` and so on).

    Raises `ConfigError` when it cannot be read.
    """

    def __init__(self, url: str) -> None:
        given = _read(url)
        if given is None or not _makes_sense(given):
            raise ConfigError(
                "The address of the PostgreSQL server cannot be read.",
                hint="write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, "
                "and @ / : in a password as %40 %2F %3A",
            )
        self.conninfo = make_conninfo("", **(_DEFAULTS | given | {"client_encoding": "utf8"}))
        self._secrets = [str(given[name]) for name in _SECRETS if given.get(name)]
        host = given.get("host") or given.get("hostaddr") or "the local server"
        port = f":{given['port']}" if given.get("port") else ""
        database = f"/{given['dbname']}" if given.get("dbname") else ""
        self._shown = safe_line(f"PostgreSQL at {host}{port}{database}", 200)

    def without_secrets(self, text: str) -> str:
        """A text, say of an error, with the password blotted out if it should be in it."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def __str__(self) -> str:
        return self._shown

    def __repr__(self) -> str:
        return f"<{self._shown}>"


def _read(url: str) -> dict[str, ConnParam] | None:
    # The error of libpq quotes what it could not read, so it must not even be the context of ours.
    try:
        found = conninfo_to_dict(url)
    except (psycopg.Error, UnicodeError):
        return None
    return {name: value for name, value in found.items() if value is not None}


def _makes_sense(given: dict[str, ConnParam]) -> bool:
    # A mark that stands bare in a password cuts it up: pieces of it would be shown as the host.
    port = str(given.get("port", ""))
    places = [str(given.get(name, "")) for name in ("host", "hostaddr", "dbname")]
    return set(port) <= set("0123456789,") and not any("@" in place for place in places)
