"""What this server offers, so that the page hides what is not there. Each area adds its name."""

from typing import Final

FEATURES: Final = (
    "alerts",
    "audit",
    "cdc",
    "executions.logs",
    "history",
    "incremental",
    "metrics",
    "plan",
    "preview",
    "schedules",
    "snowflake",
    "taskfiles",
    "tokens",
    "users",
    "validate",
    "verify",
)
