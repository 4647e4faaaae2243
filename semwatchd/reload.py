"""What a running daemon takes from a changed configuration: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pydantic import BaseModel

from semwatchd.adapters.logs import set_level
from semwatchd.adapters.prometheus import PrometheusTelemetry
from semwatchd.config import Config
from semwatchd.core.errors import ConfigError
from semwatchd.core.ports import Log
from semwatchd.engine.health import Health, HealthBoard
from semwatchd.engine.watched import WatchedFolder
from semwatchd.lookout import folders_of

#: Settings that can change while the line runs: only what brings the jobs is put up anew.
LIVE = frozenset({"log_level", "watch", "plans"})


def admit(old: Config, new: Config) -> Config:
    """Return the new configuration if the running daemon can take it.

    Raises
    ------
    ConfigError
        Something else has changed, or there is nothing left to watch; one line for each key.
    """
    problems = [
        f"{key}: has changed, and only a restart can apply that"
        for key in changed_keys(old, new)
        if key.split(".")[0] not in LIVE
    ]
    if not new.watch:
        problems.append("watch: no folder to watch; add [[watch]] with root and tool")
    if problems:
        raise ConfigError(problems)
    return new


def changed_keys(old: BaseModel, new: BaseModel) -> Iterator[str]:
    """Name what differs, as it is written in the file: ``log_level``, ``workers.count``, ``watch``."""
    for name in type(old).model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        if isinstance(before, BaseModel) and isinstance(after, BaseModel):
            yield from (f"{name}.{key}" for key in changed_keys(before, after))
        else:
            yield name


class LiveConfig:
    """The configuration the daemon runs on, and what becomes of it when it is read again.

    Parameters
    ----------
    load
        Reads the configuration; raises ConfigError with all that is wrong with it.
    """

    def __init__(
        self,
        config: Config,
        load: Callable[[], Config],
        *,
        telemetry: PrometheusTelemetry,
        health: HealthBoard,
        log: Log,
    ) -> None:
        self._load = load
        self._telemetry = telemetry
        self._health = health
        self._log = log
        self._take(config, folders_of(config))

    def reload(self) -> bool:
        """Read the configuration and take it; if anything about it is wrong keep this one, and say so.

        Returns
        -------
            Whether it was taken; the folders are then to be watched anew.
        """
        before = self.config
        try:
            config = admit(before, self._load())
            folders = folders_of(config)
        except ConfigError as error:
            self._keep(error.problems)
            return False
        except OSError as error:
            self._keep([str(error)])
            return False
        self._take(config, folders)
        set_level(config.log_level)
        changed = list(changed_keys(before, config))
        self._log.info("config_reloaded", changed=changed, config=config.digest)
        return True

    def _take(self, config: Config, folders: Sequence[WatchedFolder]) -> None:
        self.config, self.folders = config, folders
        self._telemetry.config_loaded(config.digest)
        self._telemetry.expect(
            tools=sorted({folder.tool for folder in folders}),
            roots=[folder.root for folder in folders],
            shares=[folder.root for folder in folders if folder.network],
        )
        self._health.set("configuration", Health.OK)

    def _keep(self, problems: Sequence[str]) -> None:
        self._log.error("config_reload_failed", problems=problems, config=self.config.digest)
        self._telemetry.config_refused()
        reason = f"the changed file was not taken, the one before is in force: {'; '.join(problems)}"
        self._health.set("configuration", Health.DEGRADED, reason, "correct it and reload, or restart")
