"""Where the time of each table of an execution went, by stage and by phase."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Add the columns."""
    for name in ("read_share", "transform_share", "write_share"):
        op.add_column("table_executions", sa.Column(name, sa.Double(), nullable=True))
    for name in ("loading_at", "loaded_at"):
        moment = sa.DateTime(timezone=True)
        op.add_column("table_executions", sa.Column(name, moment, nullable=True))
