"""A client's copy of the topics of `/ws`, kept as the documentation says: nothing but messages."""

from typing import Any


class LiveCopy:
    """Applies messages in order. `topics` maps a topic to its picture as plain data."""

    def __init__(self) -> None:
        self.topics: dict[str, Any] = {}
        self.executions: list[dict[str, Any]] = []
        self.seq = 0

    def apply(self, message: dict[str, Any]) -> None:
        self.seq += 1
        assert message["seq"] == self.seq
        assert message["v"] == 1
        topic, data = message["topic"], message["data"]
        match message["type"]:
            case "snapshot" if topic == "tasks":
                self.topics[topic] = {live["task"]["id"]: live for live in data["tasks"]}
            case "snapshot":
                self.topics[topic] = data
            case "delta" if topic == "tasks":
                self._tasks(self.topics[topic], data)
            case "delta":
                self._task(self.topics[topic], data)
            case "event":
                self.executions.append(data["execution"])
            case _:
                raise AssertionError(message)

    @staticmethod
    def _tasks(tasks: dict[int, Any], data: dict[str, Any]) -> None:
        for live in data.get("changed", ()):
            tasks[live["task"]["id"]] = live
        for task_id in data.get("removed", ()):
            tasks.pop(task_id, None)  # it may have come and gone between two messages
        for progress in data.get("progress", ()):
            tasks[progress["task_id"]]["progress"] = progress

    @staticmethod
    def _task(picture: dict[str, Any], data: dict[str, Any]) -> None:
        for name in ("task", "progress", "removed"):
            if name in data:
                picture[name] = data[name]
        tables = {str(t["table"]): t for t in picture["tables"]}
        tables |= {str(t["table"]): t for t in data.get("tables", ())}
        picture["tables"] = list(tables.values())
