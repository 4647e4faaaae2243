"""What systemd is told of the service: datagrams to the socket it names in the environment, see sd_notify(3).

Without systemd nothing is said, and nothing else changes.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import MutableMapping

from semwatchd.core.paths import one_line
from semwatchd.core.ports import Log

SEND_LIMIT_S = 1.0  #: systemd's own queue may be full for a moment; the service must not wait for it


class ServiceManager:
    """core.ports.Lifecycle for systemd. Nothing here raises.

    Parameters
    ----------
    address
        Path of a Unix datagram socket, or ``@NAME`` in the abstract name space; None says nothing.
    watchdog_s
        How long systemd waits for :meth:`alive` before it takes the service for hung; None: for ever.
    """

    def __init__(self, address: str | None, watchdog_s: float | None, log: Log) -> None:
        self._watchdog_s = watchdog_s
        self._address = address
        self._log = log

    @property
    def watchdog_s(self) -> float | None:
        """Seconds systemd waits for a sign of life."""
        return self._watchdog_s

    def ready(self) -> None:
        """Say that the service does its work, after a start or a reload."""
        self._say("READY=1")

    def reloading(self) -> None:
        """Say that the configuration is being read anew; :meth:`ready` ends it."""
        self._say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the service is on its way out."""
        self._say("STOPPING=1")

    def alive(self) -> None:
        """Put off the moment at which the service is taken for hung."""
        self._say("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Show a line in ``systemctl status``."""
        self._say(f"STATUS={one_line(text)}")

    def extend(self, seconds: float) -> None:
        """Ask that the start or stop under way may take this much longer from now."""
        self._say(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")

    def _say(self, *lines: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(SEND_LIMIT_S)
                sender.sendto("\n".join(lines).encode(), _where(self._address))
        except OSError as error:
            self._log.warning("service_manager_unreachable", said=lines[0], error=str(error))


def service_manager(environment: MutableMapping[str, str], log: Log) -> ServiceManager:
    """Take what systemd has put into the environment out of it, so that no child speaks in our name.

    Parameters
    ----------
    environment
        ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` are removed.
    """
    address = environment.pop("NOTIFY_SOCKET", None)
    usec = environment.pop("WATCHDOG_USEC", None)
    pid = environment.pop("WATCHDOG_PID", None)
    if address is not None and address[:1] not in {"/", "@"}:
        log.warning("service_manager_unreachable", address=address, error="not a Unix socket")
        address = None
    return ServiceManager(address, _watchdog_s(usec, pid), log)


def _watchdog_s(usec: str | None, pid: str | None) -> float | None:
    for_us = pid is None or pid == str(os.getpid())
    if usec is None or not usec.isdecimal() or not for_us:
        return None
    return int(usec) / 1e6 or None


def _where(address: str) -> str:
    return "\0" + address[1:] if address.startswith("@") else address
