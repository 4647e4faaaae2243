"""In-memory twin of the service manager."""

from __future__ import annotations


class RecordingManager:
    """core.ports.Lifecycle that remembers what it was told."""

    def __init__(self, watchdog_s: float | None = None) -> None:
        self.watchdog_s = watchdog_s
        self.said: list[str] = []
        self.lines: list[str] = []

    def ready(self) -> None:
        self.said.append("ready")

    def reloading(self) -> None:
        self.said.append("reloading")

    def stopping(self) -> None:
        self.said.append("stopping")

    def alive(self) -> None:
        self.said.append("alive")

    def status(self, text: str) -> None:
        self.lines.append(text)

    def extend(self, seconds: float) -> None:
        self.said.append(f"extend {seconds:g}")
