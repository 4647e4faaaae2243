"""The command line: thin; one function per command."""

from __future__ import annotations

import sys

import typer

from semwatchd.cli.bench import bench_app
from semwatchd.cli.care import journal_app
from semwatchd.cli.debug import debug_command
from semwatchd.cli.depth import depth_command, doctor_command
from semwatchd.cli.exits import CONFIGURATION, TRY_LATER, USAGE
from semwatchd.cli.journal import audit_command, outbox_app, quarantine_app, status_command
from semwatchd.cli.learning import synth_command
from semwatchd.cli.offline import analyze_command, backfill_command, demo_command
from semwatchd.cli.service import config_app, healthcheck_command, install_service_command, run_command
from semwatchd.cli.training import evaluate_app, train_app
from semwatchd.core.errors import ConfigError, EnvironmentFault
from semwatchd.core.paths import one_line

_CLICK_USAGE = 2

app = typer.Typer(
    name="semwatchd",
    help="Watch a scanning electron microscope, measure every image, lose none.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run_command)
app.command("demo")(demo_command)
app.command("analyze")(analyze_command)
app.command("backfill")(backfill_command)
app.add_typer(config_app, name="config")
app.command("status")(status_command)
app.command("audit")(audit_command)
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(outbox_app, name="outbox")
app.add_typer(journal_app, name="journal")
app.command("healthcheck")(healthcheck_command)
app.command("debug")(debug_command)
app.command("install-service")(install_service_command)
app.command("synth")(synth_command)
app.command("depth")(depth_command)
app.command("doctor")(doctor_command)
app.add_typer(train_app, name="train")
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(bench_app, name="bench")


def main() -> None:
    """Run the command line and end the process with sysexits' codes."""
    try:
        app()
    except SystemExit as end:
        sys.exit(USAGE if end.code == _CLICK_USAGE else end.code)
    except ConfigError as error:
        problems = map(one_line, error.problems)
        print(f"configuration: {len(error.problems)} problem(s)", *problems, sep="\n", file=sys.stderr)
        sys.exit(CONFIGURATION)
    except EnvironmentFault as error:
        print(one_line(str(error)), file=sys.stderr)
        sys.exit(TRY_LATER)
