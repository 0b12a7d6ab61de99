-- Runs with their receipts, and one lease for each pipeline. All names begin with bief_: a team may keep the control
-- store in a database that it also uses for other things. The names of types are PostgreSQL's; SQLite takes any.

CREATE TABLE bief_runs (
    run_id text PRIMARY KEY,
    pipeline text NOT NULL,
    state text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    receipt json,
    error text NOT NULL DEFAULT ''
);
CREATE INDEX bief_runs_by_start ON bief_runs (started_at);

-- Two living runs of one pipeline cannot even be written down.
CREATE UNIQUE INDEX bief_one_running_run ON bief_runs (pipeline) WHERE state = 'running';

-- run_id NULL: nobody holds the lease. expires_at: seconds since 1970 by the clock of the database, never by that of a
-- worker.
CREATE TABLE bief_leases (
    pipeline text PRIMARY KEY,
    epoch integer NOT NULL,
    run_id text,
    owner json,
    expires_at double precision NOT NULL
);
