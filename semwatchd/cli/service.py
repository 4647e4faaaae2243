"""Commands around the running service."""

from __future__ import annotations

import http.client
import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from semwatchd.cli.exits import DONE, FINDINGS, ConfigOption, JsonOption, load, load_or_defaults, print_json
from semwatchd.config import DEFAULT_PATH, Config, load_config
from semwatchd.core.errors import ConfigError
from semwatchd.daemon import Daemon, port_file
from semwatchd.offline.install import install_service

ANSWER_S = 5.0  # a health check that takes longer is itself the finding

config_app = typer.Typer(help="Check and show the configuration.", no_args_is_help=True)


def run_command(config: ConfigOption = None) -> None:
    """Run the daemon until SIGTERM."""
    settings = load(config)
    reread = partial(load_config, config or DEFAULT_PATH)
    if not settings.watch:
        raise ConfigError(["watch: no folder to watch; add [[watch]] with root and tool"])
    raise typer.Exit(Daemon(settings, reread).run())


@config_app.command("check")
def config_check(
    file: Annotated[Path | None, typer.Argument(help="The TOML file; or use -c.")] = None,
    config: ConfigOption = None,
) -> None:
    """List everything that is wrong with a configuration."""
    path = file or config or DEFAULT_PATH
    checked = load_config(path)
    for watch in checked.watch:
        if not watch.root.is_dir():
            print(f"note: watch root {watch.root} is not there now; the daemon will wait for it")
    print(f"{path}: good; {len(checked.watch)} folder(s), {len(checked.destinations)} destination(s)")


@config_app.command("show")
def config_show(config: ConfigOption = None) -> None:
    """Print the configuration as it takes effect, defaults and environment included."""
    print_json(load_or_defaults(config).model_dump(mode="json"))


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON Schema of the configuration."""
    print_json(Config.model_json_schema())


def install_service_command(
    prefix: Annotated[Path, typer.Option(help="Root of the system to write into.")] = Path("/"),
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the files and write nothing.")] = False,
) -> None:
    """Write the systemd unit and what belongs to it, and say what to do next."""
    install_service(prefix, Console(soft_wrap=True), dry_run=dry_run)


def healthcheck_command(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Ask the running daemon how it is: exit 0 when well or degraded, 1 when not."""
    settings = load(config)
    answer = _ask_health(settings)
    if as_json:
        print_json(answer)
    else:
        _show_health(answer)
    raise typer.Exit(DONE if answer["state"] in {"ok", "degraded"} else FINDINGS)


def _ask_health(config: Config) -> dict[str, object]:
    try:
        port = int(port_file(config).read_text("ascii"))
        connection = http.client.HTTPConnection(config.http.host, port, timeout=ANSWER_S)
        connection.request("GET", "/healthz")
        answer: dict[str, object] = json.loads(connection.getresponse().read())
    except FileNotFoundError:
        return _no_daemon(f"no daemon has run on {config.state_dir} yet")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return _no_daemon(f"no daemon answers on {config.http.host}: {error}")
    if not isinstance(answer, dict) or not {"state", "parts"} <= answer.keys():
        return _no_daemon("another program answers in the daemon's place")
    return answer


def _no_daemon(reason: str) -> dict[str, object]:
    part = {"state": "failed", "reason": reason, "todo": "start it; if it ended by itself, its log says why"}
    return {"state": "failed", "parts": {"daemon": part}}


def _show_health(answer: dict[str, object]) -> None:
    console = Console(soft_wrap=True)
    console.print(f"{answer['state']}", markup=False)
    parts = answer["parts"]
    if isinstance(parts, dict):
        for name, part in parts.items():
            advice = f" — {part['todo']}" if part.get("todo") else ""
            console.print(f"  {name}: {part['state']} {part['reason']}{advice}", markup=False)
