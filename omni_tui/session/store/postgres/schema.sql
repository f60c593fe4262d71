-- The tables of omni-tui, version 1, in a schema of their own. You may query them while programs run;
-- change them only while none does. Times of sessions and nodes are UTC, ISO 8601 with milliseconds, so
-- that they sort as text; cast them to timestamptz. JSON is text: cast it to jsonb, but for the rare
-- message in which someone wrote a NUL.
--
--   SELECT title, id FROM sessions WHERE parent_id IS NULL ORDER BY updated_at DESC;
--   SELECT id, parent_id, message::jsonb #>> '{content,0,text}' FROM nodes WHERE session_id = '…';
--   SELECT model, sum(cost) FROM nodes WHERE model IS NOT NULL GROUP BY model;
--
-- In text a NUL, which PostgreSQL cannot hold, stands as the characters DLE and 0, and DLE as two of
-- them.

CREATE TABLE schema_version (version INTEGER NOT NULL);

CREATE TABLE sessions (
  seq             BIGINT GENERATED ALWAYS AS IDENTITY, -- the order they were stored in
  id              TEXT COLLATE "C" PRIMARY KEY, -- 22 URL-safe characters
  title           TEXT,
  title_words     TSVECTOR,                     -- its words, folded
  title_is_manual INTEGER NOT NULL DEFAULT 0,   -- 1: a person named it
  model           TEXT,                         -- provider/model
  system          TEXT,                         -- the system prompt
  options         TEXT NOT NULL DEFAULT '{}',   -- JSON object: inference options
  cwd             TEXT,                         -- the folder it was started in
  drafts          TEXT NOT NULL DEFAULT '{}',   -- JSON object: unsent text by branch
  approvals       TEXT NOT NULL DEFAULT '[]',   -- JSON array: rules allowed in this session
  created_at      TEXT COLLATE "C" NOT NULL,
  updated_at      TEXT COLLATE "C" NOT NULL,
  head            BIGINT,                       -- the node the next message goes under
  root_cursor     BIGINT,                       -- the root last chosen
  parent_id       TEXT COLLATE "C" REFERENCES sessions (id) ON DELETE CASCADE, -- whose sub-agent it is
  parent_node     BIGINT,                       -- the message there that asked for it
  parent_use      TEXT,                         -- and the id of the tool use in that message
  depth           INTEGER NOT NULL DEFAULT 0,   -- how many sessions stand above it
  origin_id       TEXT,                         -- the session it was forked from, which may be gone,
  origin_node     BIGINT,                       -- and the message there
  partials        TEXT NOT NULL DEFAULT '{}'    -- JSON object: replies being written, by run
);

CREATE INDEX sessions_by_update ON sessions (updated_at, id) WHERE parent_id IS NULL;

CREATE INDEX sessions_by_parent ON sessions (parent_id, parent_node) WHERE parent_id IS NOT NULL;

CREATE INDEX sessions_by_words ON sessions USING gin (title_words);

-- One row a message. Siblings are the versions of one moment; the active path leads from a root to
-- sessions.head. Ids count up within a session, and that is the order things happened in. A summary
-- stands for the path from its root to its parent; it is on no path itself.
CREATE TABLE nodes (
  seq          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  session_id   TEXT COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  id           BIGINT NOT NULL,
  parent_id    BIGINT,                          -- NULL: a root
  cursor       BIGINT,                          -- the child last chosen
  kind         TEXT NOT NULL CHECK (kind IN ('prompt', 'reply', 'calls', 'results', 'summary')),
  status       TEXT NOT NULL CHECK (status IN ('done', 'cancelled', 'failed')),
  error        TEXT,                            -- why the run failed that ended here
  label        TEXT,                            -- a name a person gave
  model        TEXT,                            -- provider/model that wrote it
  stop_reason  TEXT,
  run_id       TEXT,
  created_at   TEXT COLLATE "C" NOT NULL,
  duration_ms  BIGINT,                          -- how long the step took
  input        BIGINT,                          -- tokens read at the full price
  output       BIGINT,                          -- tokens written
  cache_read   BIGINT,
  cache_write  BIGINT,
  cost         DOUBLE PRECISION,                -- US dollars; null if the price is unknown
  pruned       INTEGER NOT NULL DEFAULT 0,      -- 1: a person hid it, and with it all below
  origin       TEXT,                            -- JSON object: node_id, session_id, how it came from there
  message      TEXT NOT NULL,                   -- JSON: role, content blocks, created_at
  preview      TEXT NOT NULL,                   -- its words as one short line
  words        TSVECTOR NOT NULL,               -- what people and models said, without case and accents;
                                                -- each character of a script without spaces is a word,
                                                -- and '*' alone stands for more words than it can hold
  UNIQUE (session_id, id),
  FOREIGN KEY (session_id, parent_id) REFERENCES nodes (session_id, id) DEFERRABLE INITIALLY DEFERRED
);

-- Finds children, and counts nodes, tips and cost for a list of sessions without reading a message.
CREATE INDEX nodes_by_parent ON nodes (session_id, parent_id) INCLUDE (cost, kind);

CREATE INDEX nodes_by_words ON nodes USING gin (words);

-- Who has a session open, and which runs grow its branches: see omni_tui.session.store.branches.
CREATE TABLE leases (
  session_id   TEXT COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  run_id       TEXT COLLATE "C" NOT NULL,       -- of a branch; empty: the session itself
  node_id      BIGINT,                          -- the message from which the run grows its branch
  owner        TEXT NOT NULL,                   -- the store that holds it
  pid          BIGINT NOT NULL,                 -- the process that has it,
  start        TEXT,                            -- when that process started
  host         TEXT NOT NULL,                   -- its machine,
  place        TEXT,                            -- and where on that machine its pid means something
  expires_at   TIMESTAMPTZ NOT NULL,            -- renewed while the process lives
  PRIMARY KEY (session_id, run_id)
);

CREATE INDEX leases_by_owner ON leases (owner);
