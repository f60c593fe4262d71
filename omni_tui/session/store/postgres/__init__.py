"""Sessions in a PostgreSQL database: the way past one machine.

It needs the package psycopg, which the extra `postgres` installs.
"""

from omni_tui.session.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
