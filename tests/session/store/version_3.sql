PRAGMA application_id = 1330466377;
PRAGMA user_version = 3;
BEGIN TRANSACTION;
CREATE TABLE nodes (
  seq          INTEGER PRIMARY KEY,            -- stable across VACUUM
  session_id   TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  id           INTEGER NOT NULL,
  parent_id    INTEGER,                        -- NULL: a root
  cursor       INTEGER,                        -- the child last chosen
  kind         TEXT NOT NULL CHECK (kind IN ('prompt', 'reply', 'calls', 'results')),
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
  message      TEXT NOT NULL,                  -- JSON: role, content blocks, created_at
  UNIQUE (session_id, id),
  FOREIGN KEY (session_id, parent_id) REFERENCES nodes (session_id, id) DEFERRABLE INITIALLY DEFERRED
) STRICT;
INSERT INTO "nodes" VALUES(1,'AAAAAAAAAAAAAAAAAAAAAA',1,NULL,5,'prompt','done',NULL,NULL,NULL,NULL,NULL,'2026-05-06T07:08:09.123Z',NULL,NULL,NULL,NULL,NULL,NULL,'{"role":"user","content":[{"type":"text","text":"Name three mountains; 東京の近く"}],"created_at":"2026-05-06T07:08:09.123000Z"}');
INSERT INTO "nodes" VALUES(2,'AAAAAAAAAAAAAAAAAAAAAA',2,1,3,'calls','done',NULL,NULL,'demo/chat','tool_use','r1','2026-05-06T07:08:09.123Z',NULL,NULL,NULL,NULL,NULL,NULL,'{"role":"assistant","content":[{"type":"thinking","text":"pondering"},{"type":"text","text":"I ask."},{"type":"tool_use","id":"t1","name":"task","input":{"prompt":"climb"}}],"created_at":"2026-05-06T07:08:09.123000Z"}');
INSERT INTO "nodes" VALUES(3,'AAAAAAAAAAAAAAAAAAAAAA',3,2,4,'results','done',NULL,NULL,NULL,NULL,NULL,'2026-05-06T07:08:09.123Z',NULL,NULL,NULL,NULL,NULL,NULL,'{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","name":"task","content":"verbatim output"}],"created_at":"2026-05-06T07:08:09.123000Z"}');
INSERT INTO "nodes" VALUES(4,'AAAAAAAAAAAAAAAAAAAAAA',4,3,NULL,'reply','done',NULL,NULL,'demo/chat','stop','r1','2026-05-06T07:08:09.123Z',NULL,NULL,NULL,NULL,NULL,NULL,'{"role":"assistant","content":[{"type":"text","text":"Mount Fuji, of course."}],"created_at":"2026-05-06T07:08:09.123000Z"}');
INSERT INTO "nodes" VALUES(5,'AAAAAAAAAAAAAAAAAAAAAA',5,1,NULL,'reply','done',NULL,'try',NULL,NULL,NULL,'2026-05-06T07:08:09.123Z',NULL,NULL,NULL,NULL,NULL,NULL,'{"role":"assistant","content":[{"type":"text","text":"Kilimanjaro on another branch"}],"created_at":"2026-05-06T07:08:09.123000Z"}');
INSERT INTO "nodes" VALUES(6,'BBBBBBBBBBBBBBBBBBBBBB',1,NULL,2,'prompt','done',NULL,NULL,NULL,NULL,NULL,'2026-05-06T07:08:09.123Z',NULL,NULL,NULL,NULL,NULL,NULL,'{damaged');
INSERT INTO "nodes" VALUES(7,'BBBBBBBBBBBBBBBBBBBBBB',2,1,NULL,'reply','done',NULL,NULL,NULL,NULL,NULL,'2026-05-06T07:08:09.123Z',NULL,NULL,NULL,NULL,NULL,NULL,'{"role":"assistant","content":[{"type":"text","text":"Up the Fuji trail"}],"created_at":"2026-05-06T07:08:09.123000Z"}');
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
  depth           INTEGER NOT NULL DEFAULT 0   -- how many sessions stand above it
) STRICT;
INSERT INTO "sessions" VALUES('AAAAAAAAAAAAAAAAAAAAAA','Mountains',0,'demo/chat',NULL,'{}',NULL,'{}','[]','2026-05-06T07:08:09.123Z','2026-11-21T15:08:31.537Z',5,1,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "sessions" VALUES('BBBBBBBBBBBBBBBBBBBBBB','Climbing',0,NULL,NULL,'{}',NULL,'{}','[]','2026-05-06T07:08:09.123Z','2026-11-21T15:08:31.545Z',2,1,NULL,NULL,NULL,'AAAAAAAAAAAAAAAAAAAAAA',2,'t1',1);
CREATE INDEX sessions_by_update ON sessions (updated_at, id) WHERE parent_id IS NULL;
CREATE INDEX sessions_by_parent ON sessions (parent_id, parent_node) WHERE parent_id IS NOT NULL;
CREATE INDEX nodes_by_parent ON nodes (session_id, parent_id, cost);
CREATE VIRTUAL TABLE message_words USING fts5 (
  words, content = '', tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO message_words (rowid, words) VALUES (1, 'Name three mountains;  東  京  の  近  く ');
INSERT INTO message_words (rowid, words) VALUES (2, 'I ask.');
INSERT INTO message_words (rowid, words) VALUES (4, 'Mount Fuji, of course.');
INSERT INTO message_words (rowid, words) VALUES (5, 'Kilimanjaro on another branch');
INSERT INTO message_words (rowid, words) VALUES (7, 'Up the Fuji trail');
COMMIT;
