"""`suimon up` and `suimon down`: the UI, the daemon, the code location, and what they need."""

from __future__ import annotations

import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path

import click
import yaml

from pipelines.cli.output import console
from pipelines.config import Config, load
from pipelines.instance import open_instance, prepare_home
from pipelines.workbench import local_stack, make_workbench, state_folder
from resources.errors import ConfigurationError
from resources.services import Services, free_port, open_port

UI_PORT = 3000
CODE, DAEMON, UI, DOCS = "code-location", "daemon", "ui", "data-docs"


@click.command()
@click.option("--port", type=int, help=f"Port of the UI on loopback; {UI_PORT} if it is free.")
@click.option("--read-only", is_flag=True, help="A UI that launches nothing.")
def up(port: int | None, read_only: bool) -> None:  # noqa: FBT001
    """Start the UI, the daemon and what they need; print where the UI is."""
    from assets import partitions

    config = load()
    services = Services(state_folder(config))
    _check_port(services, port)
    home = prepare_home(config)
    bench = make_workbench(config)
    _ = bench.database  # Started and migrated before anything asks for it.
    if any(space.is_local for space in config.declaration.spaces.values()):
        local_stack(config).embedding_url()
    with open_instance(config) as instance:
        partitions.register(instance, config.declaration.collections)
    code = services.ensure(CODE, _code_command, _listens, seconds=120)
    workspace = _write_workspace(state_folder(config), code.port)
    services.ensure(DAEMON, lambda _: _dagster("daemon", "run", "-w", str(workspace)), lambda _: True, port=0)
    ui = services.ensure(
        UI, lambda chosen: _ui_command(workspace, chosen, read_only=read_only), _answers,
        port=port or _ui_port(), seconds=120,
    )  # fmt: skip
    docs = services.ensure(DOCS, lambda chosen: _docs_command(config, chosen), _listens)
    console.print(f"UI         http://127.0.0.1:{ui.port}")
    console.print(f"Data Docs  http://127.0.0.1:{docs.port}")
    console.print(f"logs       {services.log(UI).parent}")
    console.print(f"instance   {home}")
    console.print("`suimon down` ends it all.")


@click.command()
def down() -> None:
    """End everything that this checkout started."""
    ended = local_stack(load()).stop()
    console.print(f"ended: {', '.join(ended)}" if ended else "nothing of this checkout was running")


def _dagster(program: str, *arguments: str) -> list[str]:
    return [str(Path(sys.executable).parent / f"dagster-{program}"), *arguments]


def _code_command(port: int) -> list[str]:
    python = Path(sys.executable).parent / "dagster"
    return [
        str(python), "code-server", "start", "-m", "pipelines.definitions", "-h", "127.0.0.1", "-p", str(port),
        "--location-name", "suimon",
    ]  # fmt: skip


def _ui_command(workspace: Path, port: int, *, read_only: bool) -> list[str]:
    command = _dagster("webserver", "-h", "127.0.0.1", "-p", str(port), "-w", str(workspace))
    return [*command, "--read-only"] if read_only else command


def _docs_command(config: Config, port: int) -> list[str]:
    folder = state_folder(config) / "data_docs"
    folder.mkdir(parents=True, exist_ok=True)
    return [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)]


def _write_workspace(folder: Path, port: int) -> Path:
    """Point the UI and the daemon at the code location that runs already."""
    path = folder / "dagster" / "workspace.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    server = {"host": "127.0.0.1", "port": port, "location_name": "suimon"}
    path.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}), encoding="utf-8")
    return path


def _check_port(services: Services, asked: int | None) -> None:
    """Refuse a port for the UI that it will not get.

    Raises:
        ConfigurationError: the UI runs on another port already, or somebody else has this one.
    """
    if asked is None:
        return
    running = services.find(UI)
    if running is None:
        open_port(asked).close()
    elif running.port != asked:
        raise ConfigurationError(
            f"The UI runs on port {running.port} already; `suimon down` ends it, then start it with --port {asked}."
        )


def _ui_port() -> int:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", UI_PORT))
        except OSError:
            return free_port()
    return UI_PORT


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(port: int) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/server_info", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
