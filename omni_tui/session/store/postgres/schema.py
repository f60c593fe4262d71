"""Make sure that the tables are there, in the present version."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from psycopg import sql

from omni_tui.core.errors import StoreUnavailableError, StoreVersionError
from omni_tui.session.store.postgres.connections import Connection
from omni_tui.session.store.postgres.migrations import load_steps

SCHEMA_VERSION = 1
"""The version of the tables this program writes."""

# Any number will do, if it is the same in every program: "OMNI" in ASCII.
_LOCK = 0x4F4D4E49


async def prepare(
    connection: Connection,
    schema: str,
    *,
    version: int = SCHEMA_VERSION,
    steps: Mapping[int, str] | None = None,
) -> None:
    """Create the schema and its tables where they are missing, or migrate older ones.

    Nothing is written, and no right to write is needed, where all is as it should be. `version` and
    `steps` are those of this program unless given.

    Raises:
        StoreVersionError: A newer program wrote the tables, or they are another program's.
        StoreUnavailableError: The database cannot hold any text.
    """
    if await _version(connection, schema) == version:
        return
    async with connection.transaction():
        # Programs that start at one moment wait for each other here.
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        found = await _version(connection, schema)
        if found is None:
            await _require_utf8(connection)
            await connection.execute(
                sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema))
            )
            await _create(connection)
        elif found > version:
            raise StoreVersionError(
                f"The schema {schema} was written by a newer omni-tui: it has version {found}, "
                f"this program knows {version}.",
                hint="update omni-tui, or name another schema",
                found=found,
                known=version,
            )
        else:
            due = load_steps() if steps is None else steps
            for number in range(found + 1, version + 1):
                await connection.execute(due[number].encode())
            await connection.execute("UPDATE schema_version SET version = %s", (version,))


async def _version(connection: Connection, schema: str) -> int | None:
    """The version of the tables; `None` where there are none."""
    cursor = await connection.execute(
        "SELECT tablename::text FROM pg_tables WHERE schemaname = %s",
        (schema,),
    )
    names = {name for (name,) in await cursor.fetchall()}
    if "schema_version" in names:
        row = await (await connection.execute("SELECT version FROM schema_version")).fetchone()
        if row is not None:
            return int(row[0])
    elif not names & {"sessions", "nodes", "leases"}:
        return None
    raise StoreVersionError(
        f"The schema {schema} belongs to another program.", hint="name another schema"
    )


async def _require_utf8(connection: Connection) -> None:
    row = await (await connection.execute("SHOW server_encoding")).fetchone()
    if row is not None and row[0] != "UTF8":
        raise StoreUnavailableError(
            f"The database is in {row[0]} and cannot hold any text.",
            hint="create one with ENCODING 'UTF8'",
        )


async def _create(connection: Connection) -> None:
    script = files(__package__).joinpath("schema.sql").read_text("utf-8")
    await connection.execute(script.encode())
    await connection.execute("INSERT INTO schema_version VALUES (%s)", (SCHEMA_VERSION,))
