"""Structured logs: JSON lines for machines, one readable line for a terminal."""

import logging
import sys

import structlog
from structlog.typing import Processor


def configure_logs(*, level: str, form: str, book: Processor | None = None) -> None:
    """Send the logs of the daemon and of its libraries to standard error.

    Events are constant snake_case words, facts are keys with their unit, and no value is ever a
    secret or a row.

    Args:
        level: debug, info, warning or error.
        form: json, text, or auto: text on a terminal.
        book: is shown every line before it is rendered.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if text
        else [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([book] if book is not None else []),
                *last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in (
        "alembic",
        "aiobotocore",
        "aiosqlite",
        "botocore",
        "httpx",
        "snowflake",
        "uvicorn",
    ):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def set_level(level: str) -> None:
    """Change the level of the running process; of noisy libraries only warnings are ever shown."""
    logging.getLogger().setLevel(level.upper())


def present_level() -> str:
    """Return the level in force."""
    return logging.getLevelName(logging.getLogger().level).lower()
