-- Sessions of sub-agents: they hang under the session that began them, and go with it.

ALTER TABLE sessions ADD COLUMN parent_id TEXT REFERENCES sessions (id) ON DELETE CASCADE;
ALTER TABLE sessions ADD COLUMN parent_node INTEGER;
ALTER TABLE sessions ADD COLUMN parent_use TEXT;
ALTER TABLE sessions ADD COLUMN depth INTEGER NOT NULL DEFAULT 0;

DROP INDEX sessions_by_update;
CREATE INDEX sessions_by_update ON sessions (updated_at, id) WHERE parent_id IS NULL;
CREATE INDEX sessions_by_parent ON sessions (parent_id, parent_node) WHERE parent_id IS NOT NULL;
