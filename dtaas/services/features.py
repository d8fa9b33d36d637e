"""What this server offers, so that the page hides what is not there. Each area adds its name."""

from typing import Final

FEATURES: Final = (
    "alerts",
    "audit",
    "cdc",
    "dead_letters",
    "executions.logs",
    "history",
    "incremental",
    "metrics",
    "plan",
    "preview",
    "schedules",
    "schema_drift",
    "snowflake",
    "taskfiles",
    "tokens",
    "transformations",
    "users",
    "validate",
    "verify",
)
