-- Forks, replies being written, summaries, hidden branches and where copied messages came from.

ALTER TABLE sessions ADD COLUMN origin_id TEXT;
ALTER TABLE sessions ADD COLUMN origin_node INTEGER;
ALTER TABLE sessions ADD COLUMN partials TEXT NOT NULL DEFAULT '{}';

-- SQLite cannot change a CHECK: the table is built anew, with the same seq.
CREATE TABLE nodes_4 (
  seq          INTEGER PRIMARY KEY,
  session_id   TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  id           INTEGER NOT NULL,
  parent_id    INTEGER,
  cursor       INTEGER,
  kind         TEXT NOT NULL CHECK (kind IN ('prompt', 'reply', 'calls', 'results', 'summary')),
  status       TEXT NOT NULL CHECK (status IN ('done', 'cancelled', 'failed')),
  error        TEXT,
  label        TEXT,
  model        TEXT,
  stop_reason  TEXT,
  run_id       TEXT,
  created_at   TEXT NOT NULL,
  duration_ms  INTEGER,
  input        INTEGER,
  output       INTEGER,
  cache_read   INTEGER,
  cache_write  INTEGER,
  cost         REAL,
  pruned       INTEGER NOT NULL DEFAULT 0,
  origin       TEXT,
  message      TEXT NOT NULL,
  UNIQUE (session_id, id),
  FOREIGN KEY (session_id, parent_id) REFERENCES nodes (session_id, id) DEFERRABLE INITIALLY DEFERRED
) STRICT;

INSERT INTO nodes_4 (seq, session_id, id, parent_id, cursor, kind, status, error, label, model,
    stop_reason, run_id, created_at, duration_ms, input, output, cache_read, cache_write, cost, message)
  SELECT seq, session_id, id, parent_id, cursor, kind, status, error, label, model,
    stop_reason, run_id, created_at, duration_ms, input, output, cache_read, cache_write, cost, message
  FROM nodes ORDER BY seq;

DROP TABLE nodes;
ALTER TABLE nodes_4 RENAME TO nodes;
CREATE INDEX nodes_by_parent ON nodes (session_id, parent_id, cost, kind);
