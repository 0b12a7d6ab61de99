"""Runs with their receipts, and one lease for each pipeline."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "bief_runs",
        sa.Column("run_id", sa.String(64), primary_key=True),
        sa.Column("pipeline", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("receipt", sa.JSON),
        sa.Column("error", sa.Text, nullable=False, server_default=""),
    )
    op.create_index("bief_runs_by_start", "bief_runs", ["started_at"])
    op.create_index(
        "bief_one_running_run",
        "bief_runs",
        ["pipeline"],
        unique=True,
        sqlite_where=sa.text("state = 'running'"),
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_table(
        "bief_leases",
        sa.Column("pipeline", sa.String(64), primary_key=True),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("run_id", sa.String(64)),
        sa.Column("owner", sa.JSON),
        sa.Column("expires_at", sa.Float, nullable=False),
    )
