"""Identifiers. JSON shows them as integers; `LoadId` is a sortable text."""

from typing import NewType

ConnectorId = NewType("ConnectorId", int)
TaskId = NewType("TaskId", int)
ExecutionId = NewType("ExecutionId", int)
LoadId = NewType("LoadId", str)
"""One attempt to load one table: 32 lower-case hex digits, safe in an object key."""
