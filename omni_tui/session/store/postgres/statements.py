"""What is said to the server about sessions and nodes."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from omni_tui.session.store import rows

# What a node is and says never changes; everything else that is said of it may.
_FIXED = frozenset(
    {
        "id",
        "parent_id",
        "kind",
        "model",
        "stop_reason",
        "run_id",
        "created_at",
        "duration_ms",
        "origin",
        "message",
    }
)


def _names(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _values(count: int) -> sql.Composed:
    return sql.SQL(", ").join([sql.Placeholder()] * count)


def _set(columns: Iterable[str], template: str) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL(template).format(sql.Identifier(column)) for column in columns
    )


CREATE = sql.SQL(
    """
WITH made AS (
  INSERT INTO sessions ({columns}, title_words) VALUES ({values}, CAST(%s AS tsvector))
  ON CONFLICT (id) DO NOTHING RETURNING 1
) SELECT pg_notify(%s, %s) FROM made
"""
).format(columns=_names(rows.RECORD_COLUMNS), values=_values(len(rows.RECORD_COLUMNS)))
"""Values: a row, the words of the title, the channel, what to tell. Nothing comes back where the id
is taken."""

LOAD_SESSION = sql.SQL("SELECT {}, head, root_cursor FROM sessions WHERE id = %s").format(
    _names(rows.RECORD_COLUMNS)
)

LOAD_NODES = sql.SQL(
    "SELECT {}, convert_to(message, 'UTF8'), cursor FROM nodes WHERE session_id = %s ORDER BY id"
).format(_names(name for name in rows.NODE_COLUMNS if name != "message"))

SAVE_NODE = sql.SQL(
    """
INSERT INTO nodes AS n (session_id, {columns}, preview, words)
VALUES (%s, {values}, %s, CAST(%s AS tsvector))
ON CONFLICT (session_id, id) DO UPDATE SET {changes}
WHERE n.created_at = excluded.created_at AND n.run_id IS NOT DISTINCT FROM excluded.run_id
  AND n.kind = excluded.kind
"""
).format(
    columns=_names(rows.NODE_COLUMNS),
    values=_values(len(rows.NODE_COLUMNS)),
    changes=_set((name for name in rows.NODE_COLUMNS if name not in _FIXED), "{0} = excluded.{0}"),
)
"""Values: a session, a row, its preview and words. The guard keeps a second writer that gave out
the same id from altering the facts of the first one's node: then no row is written."""

# Each count reads its part of the covering index.
LIST = """
SELECT id, title, model, cwd, created_at, updated_at, origin_id,
  (SELECT count(*) FROM nodes WHERE session_id = s.id AND kind <> 'summary'),
  (SELECT count(DISTINCT parent_id) FROM nodes WHERE session_id = s.id AND kind <> 'summary'),
  (SELECT coalesce(sum(cost), 0) FROM nodes WHERE session_id = s.id),
  (SELECT preview FROM nodes WHERE session_id = s.id AND id = s.head)
FROM sessions AS s
WHERE parent_id IS NULL
  AND (%(updated_at)s::text IS NULL OR (updated_at, id) < (%(updated_at)s, %(id)s))
ORDER BY updated_at DESC, id DESC LIMIT %(limit)s
"""

# A tool use runs again where it was interrupted: then what it began last counts.
CHILD = """
SELECT id FROM sessions WHERE parent_id = %s AND parent_node = %s AND parent_use = %s
ORDER BY created_at DESC, seq DESC LIMIT 1
"""

FAMILY = """
WITH RECURSIVE family (id) AS (
  SELECT id FROM sessions WHERE id = %s
  UNION ALL SELECT s.id FROM sessions AS s JOIN family ON s.parent_id = family.id
) SELECT id FROM family
"""

LOCK = "SELECT 1 FROM sessions WHERE id = ANY(%s) ORDER BY id FOR UPDATE"

NOTIFY = "SELECT pg_notify(%s, %s)"


def change_session(columns: Iterable[str], *, title: bool) -> sql.Composed:
    """Write these columns of a session and tell of it, in one go.

    Values: those of the columns, the words of the title if `title`, the id, the channel, what to
    tell. Nothing comes back where there is no such session.
    """
    words = sql.SQL(", title_words = CAST(%s AS tsvector)") if title else sql.SQL("")
    return sql.SQL(
        """
WITH changed AS (UPDATE sessions SET {changes}{words} WHERE id = %s RETURNING 1)
SELECT pg_notify(%s, %s) FROM changed
"""
    ).format(changes=_set(columns, "{0} = %s"), words=words)
