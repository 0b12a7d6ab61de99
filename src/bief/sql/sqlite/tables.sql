-- Bief's own tables and views in an SQLite file. Times are ISO text in UTC, as SQLite's date functions read them.

-- The form of these tables: a later version of Bief knows by it what it has to change.
CREATE TABLE IF NOT EXISTS _bief_format (version INTEGER NOT NULL);

INSERT INTO _bief_format SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM _bief_format);

-- The ledger: one row per load that landed.
CREATE TABLE IF NOT EXISTS _bief_loads (
    load_id INTEGER PRIMARY KEY AUTOINCREMENT,
    pipeline TEXT NOT NULL,
    stream TEXT NOT NULL,
    table_name TEXT NOT NULL,
    mode TEXT NOT NULL,
    batch_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    xid BIGINT,
    committed_at TIMESTAMP_TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f000Z', 'now')),
    rows_read BIGINT NOT NULL DEFAULT 0,
    rows_loaded BIGINT NOT NULL DEFAULT 0,
    rows_superseded BIGINT NOT NULL DEFAULT 0,
    rows_deleted BIGINT NOT NULL DEFAULT 0,
    rows_rejected BIGINT NOT NULL DEFAULT 0,
    rows_refused BIGINT NOT NULL DEFAULT 0,
    rows_filtered BIGINT NOT NULL DEFAULT 0,
    rows_deduplicated BIGINT NOT NULL DEFAULT 0,
    rows_released BIGINT NOT NULL DEFAULT 0,
    position TEXT,
    complete BOOLEAN NOT NULL DEFAULT FALSE,
    position_before TEXT,
    complete_before BOOLEAN NOT NULL DEFAULT FALSE,
    rebuilding BOOLEAN NOT NULL DEFAULT FALSE,
    rolled_back_at TIMESTAMP_TEXT,
    UNIQUE (pipeline, batch_id)
);

-- Where each stream was left, and who may write it (epoch).
CREATE TABLE IF NOT EXISTS _bief_state (
    pipeline TEXT NOT NULL,
    stream TEXT NOT NULL,
    table_name TEXT NOT NULL,
    position TEXT,
    complete BOOLEAN NOT NULL DEFAULT FALSE,
    version BIGINT NOT NULL DEFAULT 0,
    epoch BIGINT NOT NULL DEFAULT 0,
    staging TEXT,
    rebuilding BOOLEAN NOT NULL DEFAULT FALSE,
    total_rows BIGINT,
    last_success TIMESTAMP_TEXT,
    PRIMARY KEY (pipeline, stream)
);

-- The rejected rows, each with its reason and with an id that people can type: <load_id>-<ordinal in the load>.
CREATE TABLE IF NOT EXISTS _bief_quarantine (
    rejected_id TEXT PRIMARY KEY,
    load_id BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    run_id TEXT NOT NULL,
    pipeline TEXT NOT NULL,
    stream TEXT NOT NULL,
    table_name TEXT NOT NULL,
    origin TEXT NOT NULL,
    rule TEXT NOT NULL,
    column_name TEXT NOT NULL,
    reason TEXT NOT NULL,
    raw TEXT NOT NULL,
    rejected_at TIMESTAMP_TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f000Z', 'now'))
);
CREATE INDEX IF NOT EXISTS _bief_quarantine_stream ON _bief_quarantine (pipeline, stream, load_id, ordinal);

-- The run log: one row per run and stream.
CREATE TABLE IF NOT EXISTS _bief_steps (
    step_id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL,
    pipeline TEXT NOT NULL,
    stream TEXT NOT NULL,
    table_name TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at TIMESTAMP_TEXT NOT NULL,
    finished_at TIMESTAMP_TEXT,
    records_extracted BIGINT NOT NULL DEFAULT 0,
    records_loaded BIGINT NOT NULL DEFAULT 0,
    records_rejected BIGINT NOT NULL DEFAULT 0,
    error_message TEXT,
    UNIQUE (run_id, pipeline, stream)
);

CREATE VIEW IF NOT EXISTS etl_logs AS
SELECT
    step_id AS id,
    started_at AS execution_date,
    table_name,
    records_extracted,
    records_loaded,
    CASE WHEN status IN ('success', 'running') THEN status ELSE 'failed' END AS status,
    error_message,
    round((julianday(coalesce(finished_at, 'now')) - julianday(started_at)) * 86400, 3) AS execution_time_seconds
FROM _bief_steps;

CREATE VIEW IF NOT EXISTS sync_metadata AS
SELECT table_name, last_success AS last_sync_date, total_rows AS total_records
FROM (
    SELECT *, row_number() OVER (PARTITION BY table_name ORDER BY last_success DESC) AS recency
    FROM _bief_state WHERE last_success IS NOT NULL
) AS states
WHERE recency = 1;
