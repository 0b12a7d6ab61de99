"""Every sentence that Bief says to a destination, by name. Blanks in braces are quoted names and words of the dialect;
values are parameters. The tables themselves are made by the `tables.sql` of each database.
"""

from __future__ import annotations

from typing import Final

# -- The ledger: one row per load; its unique (pipeline, batch_id) is what "once" means.

CLAIM: Final = """
INSERT INTO {loads} (pipeline, stream, table_name, mode, batch_id, run_id, epoch, xid, committed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, {xid}, {now})
ON CONFLICT (pipeline, batch_id) DO NOTHING RETURNING load_id"""

LANDED: Final = """
SELECT load_id, rows_loaded, rows_superseded, rows_deleted, rows_refused
FROM {loads} WHERE pipeline = $1 AND batch_id = $2"""

RECORD_COUNTS: Final = """
UPDATE {loads} SET rows_read = $1, rows_loaded = $2, rows_superseded = $3, rows_deleted = $4, rows_rejected = $5,
    rows_refused = $6, rows_filtered = $7, rows_deduplicated = $8, rows_released = $9, position = $10, complete = $11,
    position_before = $12, complete_before = $13, rebuilding = $14
WHERE load_id = $15"""

STREAM_RUNS: Final = """
SELECT run_id, max(table_name), max(mode), min(load_id), max(load_id), max(CASE WHEN complete THEN load_id END),
    CAST(sum(rows_loaded) AS bigint), CAST(sum(rows_deleted) AS bigint), CAST(sum(rows_rejected) AS bigint),
    CAST(sum(rows_released) AS bigint), max(CASE WHEN rebuilding THEN 1 ELSE 0 END),
    min(CASE WHEN rolled_back_at IS NULL THEN 0 ELSE 1 END), max(committed_at)
FROM {loads} WHERE pipeline = $1 AND stream = $2 GROUP BY run_id ORDER BY max(load_id) DESC"""

# -- The state of a stream: its position, and the epoch that fences older runs.

NEW_STATE: Final = """
INSERT INTO {state} (pipeline, stream, table_name) VALUES ($1, $2, $3) ON CONFLICT (pipeline, stream) DO NOTHING"""

STATE: Final = """
SELECT position, complete, version, epoch, staging, rebuilding, table_name, total_rows, last_success
FROM {state} WHERE pipeline = $1 AND stream = $2"""

TAKE_OVER: Final = """
UPDATE {state} SET epoch = epoch + 1, table_name = $1, position = $2, complete = $3, staging = $4, rebuilding = $5
WHERE pipeline = $6 AND stream = $7"""

ADVANCE: Final = """
UPDATE {state} SET version = version + 1, position = $1, complete = $2, staging = $3, rebuilding = $4
WHERE pipeline = $5 AND stream = $6 AND version = $7 AND epoch = $8"""

FINISH: Final = """
UPDATE {state} SET total_rows = $1, last_success = {now} WHERE pipeline = $2 AND stream = $3"""

# Only where a round has been finished: before that, sync_metadata shows nothing.
COUNTED: Final = """
UPDATE {state} SET total_rows = $1 WHERE pipeline = $2 AND stream = $3 AND total_rows IS NOT NULL"""

# -- The quarantine. `{stage}` holds what is said of rows by their id.

QUARANTINED: Final = """
SELECT rejected_id, load_id, run_id, pipeline, stream, table_name, origin, rule, reason, raw, column_name, rejected_at
FROM {quarantine} WHERE (load_id, ordinal) > ($1, $2) {conditions} ORDER BY load_id, ordinal LIMIT {limit}"""

QUARANTINE_COUNTS: Final = """
SELECT pipeline, stream, rule, count(*) FROM {quarantine} WHERE load_id > $1 {conditions}
GROUP BY pipeline, stream, rule ORDER BY pipeline, stream, rule"""

RELEASE: Final = "DELETE FROM {quarantine} WHERE rejected_id IN (SELECT rejected_id FROM {stage})"

RESTATE: Final = """
UPDATE {quarantine} AS q SET rule = s.rule, column_name = s.column_name, reason = s.reason FROM {stage} AS s
WHERE q.rejected_id = s.rejected_id
    AND (q.rule <> s.rule OR q.column_name <> s.column_name OR q.reason <> s.reason)"""

# -- The rollback of what one run has loaded into one stream.

LOADS_OF_RUN: Final = "SELECT load_id FROM {loads} WHERE pipeline = $1 AND stream = $2 AND run_id = $3"

FIRST_POSITION: Final = """
SELECT position_before, complete_before FROM {loads} WHERE pipeline = $1 AND stream = $2 AND run_id = $3
ORDER BY load_id LIMIT 1"""

DELETE_LOADS: Final = "DELETE FROM {table} WHERE load_id IN ({loads_of_run})"

DELETE_LOADED: Final = "DELETE FROM {into} WHERE _load_id IN ({loads_of_run})"

# First no version of the run is current, so that the unique index on current versions has room for the old ones.
HIDE_VERSIONS: Final = """
UPDATE {into} SET is_current = FALSE WHERE is_current AND _load_id IN ({loads_of_run})"""

# A version was closed by the run if a version that the run opened begins where it ends; of a chain, the newest.
REOPEN_VERSIONS: Final = """
UPDATE {into} AS t SET valid_to = NULL, is_current = TRUE
FROM (SELECT DISTINCT {key}, valid_from FROM {into} WHERE _load_id IN ({loads_of_run})) AS s
WHERE {same_key} AND t.valid_to = s.valid_from AND t._load_id < $4 AND ({keys_of_t}, t._load_id) IN (
    SELECT {key}, max(_load_id) FROM {into} WHERE _load_id < $4 GROUP BY {key})"""

# A version without any length ends where it begins, whoever closed it.
DOUBTFUL_VERSIONS: Final = """
SELECT count(*) FROM {into} AS t JOIN (
    SELECT {key}, min(valid_from) AS opened FROM {into} WHERE _load_id IN ({loads_of_run}) GROUP BY {key}
) AS s ON {same_key} WHERE t._load_id < $4 AND t.valid_to = t.valid_from AND t.valid_to > s.opened"""

MARK_ROLLED_BACK: Final = """
UPDATE {loads} SET rolled_back_at = {now}
WHERE pipeline = $1 AND stream = $2 AND run_id = $3 AND rolled_back_at IS NULL"""

RESTORE: Final = """
UPDATE {state} SET version = version + 1, position = $1, complete = $2, total_rows = $3, last_success = (
    SELECT max(committed_at) FROM {loads} WHERE pipeline = $4 AND stream = $5 AND complete AND rolled_back_at IS NULL)
WHERE pipeline = $4 AND stream = $5 AND version = $6 AND epoch = $7"""

STEP_ROLLED_BACK: Final = """
UPDATE {steps} SET status = 'rolled back', error_message = $1 WHERE run_id = $2 AND pipeline = $3 AND stream = $4"""

# -- The run log that etl_logs shows: one row per run and stream.

NOW: Final = "SELECT {now}"

STEP_ADDS: Final = """
UPDATE {steps} SET status = 'running', finished_at = NULL, error_message = NULL,
    records_extracted = records_extracted + $1, records_loaded = records_loaded + $2,
    records_rejected = records_rejected + $3
WHERE run_id = $4 AND pipeline = $5 AND stream = $6"""

STEP_BEGINS: Final = """
INSERT INTO {steps} (run_id, pipeline, stream, table_name, status, started_at,
    records_extracted, records_loaded, records_rejected)
VALUES ($1, $2, $3, $4, 'running', $5, $6, $7, $8)"""

STEP_ENDS: Final = """
UPDATE {steps} SET status = $1, error_message = $2, finished_at = {clock}
WHERE run_id = $3 AND pipeline = $4 AND stream = $5 AND status = 'running'"""

STEP_EXISTS: Final = """
SELECT status FROM {steps} WHERE run_id = $1 AND pipeline = $2 AND stream = $3"""

STEPS_CRASHED: Final = """
UPDATE {steps} SET status = 'crashed', error_message = $1, finished_at = {now}
WHERE pipeline = $2 AND stream = $3 AND run_id <> $4 AND status = 'running'"""

# -- Rows, in the four modes. `{into}` is the table or the staging table of a round, `{stage}` the rows of this load.

COUNT: Final = "SELECT count(*) FROM {table}"

ANY_ROW: Final = "SELECT 1 FROM {table} LIMIT 1"

INSERT_STAGED: Final = """
INSERT INTO {into} ({columns}, _loaded_at, _load_id) SELECT {staged}, {now}, $1 FROM {stage} AS s"""

INSERT_UNSEEN: Final = """
INSERT INTO {into} ({columns}, _loaded_at, _load_id) SELECT {staged}, {now}, $1 FROM {stage} AS s
WHERE NOT EXISTS (SELECT 1 FROM {into} AS t WHERE {same_key} AND NOT {version_differs})"""

# WHERE TRUE: without it SQLite takes ON CONFLICT for the condition of a join.
UPSERT: Final = """
INSERT INTO {into} AS t ({columns}, _loaded_at, _load_id) SELECT {staged}, {now}, $1 FROM {stage} AS s WHERE TRUE
ON CONFLICT ({key}) DO UPDATE SET {assignments}, _loaded_at = excluded._loaded_at, _load_id = excluded._load_id
{guard}"""

MERGE: Final = """
MERGE INTO {into} AS t USING {stage} AS s ON ({same_key})
WHEN MATCHED {guard} THEN UPDATE SET {assignments}, _loaded_at = {now}, _load_id = $1
WHEN NOT MATCHED THEN INSERT ({columns}, _loaded_at, _load_id) VALUES ({staged}, {now}, $1)"""

DELETE_KEYS: Final = "DELETE FROM {into} WHERE ({key}) IN (SELECT {key} FROM {stage})"

CLOSE_CHANGED: Final = """
UPDATE {into} AS t SET valid_to = {valid_to}, is_current = FALSE FROM {stage} AS s
WHERE {same_key} AND t.is_current {guard} AND ({changed})"""

OPEN_VERSIONS: Final = """
INSERT INTO {into} ({columns}, valid_from, valid_to, is_current, _loaded_at, _load_id)
SELECT {staged}, {valid_from}, NULL, TRUE, {now}, $1 FROM {stage} AS s
WHERE NOT EXISTS (SELECT 1 FROM {into} AS t WHERE {same_key} AND (t.is_current {or_newer}))"""

CLOSE_KEYS: Final = """
UPDATE {into} SET valid_to = CASE WHEN valid_from > {now} THEN valid_from ELSE {now} END, is_current = FALSE
WHERE is_current AND ({key}) IN (SELECT {key} FROM {stage})"""

# -- Tables.

CREATE_TABLE: Final = "CREATE TABLE {table} ({definitions})"
DROP_TABLE: Final = "DROP TABLE {table}"
RENAME_TABLE: Final = "ALTER TABLE {table} RENAME TO {name}"
ADD_COLUMN: Final = "ALTER TABLE {table} ADD COLUMN {column} {type}"
SET_DEFAULT: Final = "ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {default}"
CHANGE_TYPE: Final = "ALTER TABLE {table} ALTER COLUMN {column} TYPE {type} USING {value}"
CREATE_INDEX: Final = "CREATE {unique} INDEX {name} ON {table} ({columns}) {where}"
EMPTY_TABLE: Final = "DELETE FROM {table}"
FORMAT: Final = "SELECT version FROM {table}"
# Rows of a new table stand in the order in which they came. Usually no key stands twice and nothing is deleted.
KEEP_NEWEST: Final = """
DELETE FROM {table} WHERE {row_id} IN (
    SELECT place FROM (
        SELECT t.{row_id} AS place, row_number() OVER (PARTITION BY {keys_of_t} ORDER BY t.{row_id} DESC) AS recency
        FROM {table} AS t JOIN (SELECT {key} FROM {table} GROUP BY {key} HAVING count(*) > 1) AS s ON {same_key}
    ) AS ranked WHERE recency > 1)"""
MOVE_ROWS: Final = "INSERT INTO {table} ({columns}) SELECT {columns} FROM {staging}"

# -- What the guard asks of a table in an open load.

FOUND: Final = "SELECT DISTINCT {columns} FROM {table} AS t JOIN {stage} AS s ON {same_key}"
MEASURE: Final = "SELECT count(*) AS rows{greatest} FROM {table}"
SCAN: Final = "SELECT {columns} FROM {table} {where}"
