-- Bief's own tables and views in a DuckDB file.

CREATE SEQUENCE IF NOT EXISTS _bief_load_ids;

CREATE SEQUENCE IF NOT EXISTS _bief_step_ids;

-- The form of these tables: a later version of Bief knows by it what it has to change.
CREATE TABLE IF NOT EXISTS _bief_format (version INTEGER NOT NULL);

INSERT INTO _bief_format SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM _bief_format);

-- The ledger: one row per load that landed.
CREATE TABLE IF NOT EXISTS _bief_loads (
    load_id bigint DEFAULT nextval('_bief_load_ids') PRIMARY KEY,
    pipeline text NOT NULL,
    stream text NOT NULL,
    table_name text NOT NULL,
    mode text NOT NULL,
    batch_id text NOT NULL,
    run_id text NOT NULL,
    epoch bigint NOT NULL,
    xid bigint,
    committed_at timestamptz NOT NULL DEFAULT now(),
    rows_read bigint NOT NULL DEFAULT 0,
    rows_loaded bigint NOT NULL DEFAULT 0,
    rows_superseded bigint NOT NULL DEFAULT 0,
    rows_deleted bigint NOT NULL DEFAULT 0,
    rows_rejected bigint NOT NULL DEFAULT 0,
    rows_refused bigint NOT NULL DEFAULT 0,
    rows_filtered bigint NOT NULL DEFAULT 0,
    rows_deduplicated bigint NOT NULL DEFAULT 0,
    rows_released bigint NOT NULL DEFAULT 0,
    position text,
    complete boolean NOT NULL DEFAULT FALSE,
    position_before text,
    complete_before boolean NOT NULL DEFAULT FALSE,
    rebuilding boolean NOT NULL DEFAULT FALSE,
    rolled_back_at timestamptz,
    UNIQUE (pipeline, batch_id)
);

-- Where each stream was left, and who may write it (epoch).
CREATE TABLE IF NOT EXISTS _bief_state (
    pipeline text NOT NULL,
    stream text NOT NULL,
    table_name text NOT NULL,
    position text,
    complete boolean NOT NULL DEFAULT FALSE,
    version bigint NOT NULL DEFAULT 0,
    epoch bigint NOT NULL DEFAULT 0,
    staging text,
    rebuilding boolean NOT NULL DEFAULT FALSE,
    total_rows bigint,
    last_success timestamptz,
    PRIMARY KEY (pipeline, stream)
);

-- The rejected rows, each with its reason and with an id that people can type: <load_id>-<ordinal in the load>.
CREATE TABLE IF NOT EXISTS _bief_quarantine (
    rejected_id text NOT NULL,
    load_id bigint NOT NULL,
    ordinal bigint NOT NULL,
    run_id text NOT NULL,
    pipeline text NOT NULL,
    stream text NOT NULL,
    table_name text NOT NULL,
    origin text NOT NULL,
    rule text NOT NULL,
    column_name text NOT NULL,
    reason text NOT NULL,
    raw text NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT now()
);

-- The run log: one row per run and stream.
CREATE TABLE IF NOT EXISTS _bief_steps (
    step_id bigint DEFAULT nextval('_bief_step_ids') PRIMARY KEY,
    run_id text NOT NULL,
    pipeline text NOT NULL,
    stream text NOT NULL,
    table_name text NOT NULL,
    status text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    records_extracted bigint NOT NULL DEFAULT 0,
    records_loaded bigint NOT NULL DEFAULT 0,
    records_rejected bigint NOT NULL DEFAULT 0,
    error_message text,
    UNIQUE (run_id, pipeline, stream)
);

CREATE OR REPLACE VIEW etl_logs AS
SELECT
    step_id AS id,
    started_at AS execution_date,
    table_name,
    records_extracted,
    records_loaded,
    CASE WHEN status IN ('success', 'running') THEN status ELSE 'failed' END AS status,
    error_message,
    round(epoch(coalesce(finished_at, now()) - started_at), 3) AS execution_time_seconds
FROM _bief_steps;

CREATE OR REPLACE VIEW sync_metadata AS
SELECT table_name, last_success AS last_sync_date, total_rows AS total_records
FROM (
    SELECT *, row_number() OVER (PARTITION BY table_name ORDER BY last_success DESC) AS recency
    FROM _bief_state WHERE last_success IS NOT NULL
) AS states
WHERE recency = 1;
