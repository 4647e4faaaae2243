"""What the process is asked by signals, and when."""

from __future__ import annotations

import signal


class Wishes:
    """Flags that the main loop looks at.

    The handlers only set them: a handler may interrupt anything, also itself, and a thread that takes the
    lock of an Event twice waits for itself.
    """

    def __init__(self) -> None:
        self.stopping = False  #: end in order
        self.hurried = False  #: do not wait for what runs; a person has asked twice
        self.reloading = False  #: read the configuration again
        self._told_to_stop = False

    def take_signals(self) -> None:
        """Hear SIGTERM, SIGINT and SIGHUP from now on; only in the main thread."""
        signal.signal(signal.SIGHUP, self.on_reload)  # so a closed terminal does not end the service
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.on_stop)

    def stop(self) -> None:
        """Ask for the end from within; a signal after that is a person's first word."""
        self.stopping = True

    def on_stop(self, *_: object) -> None:
        """Handle SIGTERM and SIGINT."""
        self.hurried = self._told_to_stop
        self._told_to_stop = self.stopping = True

    def on_reload(self, *_: object) -> None:
        """Handle SIGHUP."""
        self.reloading = True

    def take_reload(self) -> bool:
        """Whether a reload was asked for since the last call."""
        asked, self.reloading = self.reloading, False
        return asked
