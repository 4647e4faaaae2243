"""The command that looks into the running daemon."""

from __future__ import annotations

import linecache
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from semwatchd.adapters.debug_socket import LONGEST_S, ask
from semwatchd.cli.exits import ConfigOption, JsonOption, load_or_defaults, print_json
from semwatchd.core.paths import one_line


def debug_command(
    config: ConfigOption = None,
    *,
    stacks: Annotated[
        bool, typer.Option("--stacks", help="Where each thread and each worker is; this is the default.")
    ] = False,
    memory: Annotated[
        float | None,
        typer.Option(
            min=1, max=LONGEST_S, metavar="SECONDS", help="Trace memory for so long: which lines hold more?"
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Look into the running daemon; its work goes on."""
    state_dir = load_or_defaults(config).state_dir
    said: dict[str, Any] = {}
    if stacks or memory is None:
        said |= ask(state_dir, "stacks")
    if memory is not None:
        said |= ask(state_dir, "memory", memory)
    if as_json:
        print_json(said)
        return
    print(f"semwatchd {said['version']}, pid {said['pid']}")
    if "threads" in said:
        _show_stacks(said)
    if "memory" in said:
        _show_memory(said["memory"])


def _show_stacks(said: Mapping[str, Any]) -> None:
    for thread in said["threads"]:
        cpu = "" if thread["cpu_s"] is None else f", {thread['cpu_s']:.1f} s of processor time"
        print(f"\nthread {thread['name']} ({thread['native_id']}{cpu}), innermost first")
        for place in thread["places"]:
            print(f"  {place['file']}:{place['line']} in {place['function']}{_source(place)}")
    for worker in said["workers"]:
        print(f"\nworker {worker['slot']} (pid {worker['pid']})")
        for line in (
            worker["stacks"] or "no answer: it is starting, stopped, or held by the kernel"
        ).splitlines():
            print(f"  {one_line(line)}")


def _show_memory(memory: Mapping[str, Any]) -> None:
    print(
        f"\nmemory, from the middle to the end of {memory['seconds']:g} s: "
        f"traced {_kib(memory['traced_diff_bytes'])}, resident {_kib(memory['rss_diff_bytes'])} to "
        f"{memory['rss_bytes'] / 2**20:.1f} MiB; the tracer took {memory['tracer_bytes'] / 2**20:.1f} MiB"
    )
    for line in memory["lines"]:
        held = f"now {line['size_bytes'] / 1024:.1f} KiB in {line['objects']}"
        print(
            f"  {_kib(line['size_diff_bytes'])} in {line['objects_diff']:+d} objects ({held}): "
            f"{line['file']}:{line['line']}{_source(line)}"
        )


def _kib(size_bytes: int) -> str:
    return f"{size_bytes / 1024:+.1f} KiB"


def _source(place: Mapping[str, Any]) -> str:
    text = linecache.getline(place["file"], place["line"]).strip()
    return f": {one_line(text)}" if text else ""
