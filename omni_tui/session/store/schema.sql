-- The database of omni-tui, version 4. You may query it while the program runs; change it only while
-- it does not. Times are UTC, ISO 8601 with milliseconds, so that they sort as text. JSON columns work
-- with SQLite's functions:
--
--   SELECT title, id FROM sessions WHERE parent_id IS NULL ORDER BY updated_at DESC;
--   SELECT id, parent_id, json_extract(message, '$.content[0].text') FROM nodes WHERE session_id = '…';
--   SELECT model, sum(cost) FROM nodes WHERE model IS NOT NULL GROUP BY model;
--
-- What a sub-agent used stands in its own session, and as a sum in the session above it, in the
-- message with its answer, which has no model. To count nothing twice, take the sessions without a
-- parent_id, or the nodes with a model.

CREATE TABLE sessions (
  id              TEXT NOT NULL PRIMARY KEY,   -- 22 URL-safe characters
  title           TEXT,
  title_is_manual INTEGER NOT NULL DEFAULT 0,  -- 1: a person named it
  model           TEXT,                        -- provider/model
  system          TEXT,                        -- the system prompt
  options         TEXT NOT NULL DEFAULT '{}',  -- JSON object: inference options
  cwd             TEXT,                        -- the folder it was started in
  drafts          TEXT NOT NULL DEFAULT '{}',  -- JSON object: unsent text by branch
  approvals       TEXT NOT NULL DEFAULT '[]',  -- JSON array: rules allowed in this session
  created_at      TEXT NOT NULL,
  updated_at      TEXT NOT NULL,
  head            INTEGER,                     -- the node the next message goes under
  root_cursor     INTEGER,                     -- the root last chosen
  lease_pid       INTEGER,                     -- the process that has the session open,
  lease_start     TEXT,                        -- when that process started (pids are used again)
  lease_host      TEXT,                        -- and its machine
  parent_id       TEXT REFERENCES sessions (id) ON DELETE CASCADE, -- whose sub-agent it is, if any
  parent_node     INTEGER,                     -- the message there that asked for it
  parent_use      TEXT,                        -- and the id of the tool use in that message
  depth           INTEGER NOT NULL DEFAULT 0,  -- how many sessions stand above it
  origin_id       TEXT,                        -- the session it was forked from, which may be gone,
  origin_node     INTEGER,                     -- and the message there
  partials        TEXT NOT NULL DEFAULT '{}'   -- JSON object: replies being written, by run
) STRICT;

CREATE INDEX sessions_by_update ON sessions (updated_at, id) WHERE parent_id IS NULL;

CREATE INDEX sessions_by_parent ON sessions (parent_id, parent_node) WHERE parent_id IS NOT NULL;

-- One row a message. Siblings are the versions of one moment; the active path leads from a root to
-- sessions.head. Ids count up within a session, and that is the order things happened in. A summary
-- stands for the path from its root to its parent; it is on no path itself.
CREATE TABLE nodes (
  seq          INTEGER PRIMARY KEY,            -- stable across VACUUM
  session_id   TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  id           INTEGER NOT NULL,
  parent_id    INTEGER,                        -- NULL: a root
  cursor       INTEGER,                        -- the child last chosen
  kind         TEXT NOT NULL CHECK (kind IN ('prompt', 'reply', 'calls', 'results', 'summary')),
  status       TEXT NOT NULL CHECK (status IN ('done', 'cancelled', 'failed')),
  error        TEXT,                           -- why the run failed that ended here
  label        TEXT,                           -- a name a person gave
  model        TEXT,                           -- provider/model that wrote it
  stop_reason  TEXT,
  run_id       TEXT,
  created_at   TEXT NOT NULL,
  duration_ms  INTEGER,                        -- how long the step took
  input        INTEGER,                        -- tokens read at the full price
  output       INTEGER,                        -- tokens written
  cache_read   INTEGER,
  cache_write  INTEGER,
  cost         REAL,                           -- US dollars; null if the price is unknown
  pruned       INTEGER NOT NULL DEFAULT 0,     -- 1: a person hid it, and with it all below
  origin       TEXT,                           -- JSON object: node_id, session_id, how it came from there
  message      TEXT NOT NULL,                  -- JSON: role, content blocks, created_at
  UNIQUE (session_id, id),
  FOREIGN KEY (session_id, parent_id) REFERENCES nodes (session_id, id) DEFERRABLE INITIALLY DEFERRED
) STRICT;

-- Finds children, and counts nodes, tips and cost for a list of sessions without reading a message.
CREATE INDEX nodes_by_parent ON nodes (session_id, parent_id, cost, kind);

-- The words of what people and models said (not of thinking or of what tools wrote), by nodes.seq:
--
--   SELECT n.session_id, n.id FROM message_words JOIN nodes AS n ON n.seq = message_words.rowid
--     WHERE message_words MATCH 'fuji AND climb*' ORDER BY message_words.rowid DESC LIMIT 20;
--
-- It holds no text, and each character of a script without spaces is a word: to find 東京, match
-- '"東 京"'. Only omni-tui keeps it up: what other programs write into nodes is not found.
CREATE VIRTUAL TABLE message_words USING fts5 (
  words, content = '', tokenize = 'unicode61 remove_diacritics 2'
);
