"""`suimon mcp`: the published table for assistants, over standard input or HTTP on loopback."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import click

from assets.workbench import Workbench
from pipelines.workbench import make_workbench
from resources.errors import ConfigurationError
from resources.services import open_port

PORT = 8765


@click.command()
@click.option("--http", is_flag=True, help="Serve streamable HTTP on 127.0.0.1 instead of standard input.")
@click.option("--port", type=click.IntRange(1, 65535), help=f"For --http; by default {PORT}.")
@click.option("--role", help="The database role that asks; by default the reader role.")
@click.option(
    "--tokens", type=click.Path(path_type=Path), help="For --http: a file of roles and tokens; each request needs one."
)
@click.option("--new-token", metavar="ROLE", help="Print a new token and its line for the file, and end.")
def mcp(http: bool, port: int | None, role: str | None, tokens: Path | None, new_token: str | None) -> None:  # noqa: FBT001
    """Serve the published table to assistants that speak MCP: search, read, list, and ask where an LLM is declared."""
    if new_token is not None:
        _print_token(new_token)
        return
    if find_spec("mcp") is None:
        raise ConfigurationError(f"The MCP SDK is not installed; run {sys.executable} -m pip install 'suimon[mcp]'.")
    if tokens is not None and not http:
        raise ConfigurationError("--tokens is for --http; over standard input, --role says who asks.")
    if port is not None and not http:
        raise ConfigurationError("--port is for --http; over standard input there is none.")
    if tokens is not None and role is not None:
        raise ConfigurationError("Give --role or --tokens: with tokens, each request says who asks.")
    _serve(make_workbench(), http=http, port=port or PORT, role=role, tokens=tokens)


def _print_token(role: str) -> None:
    from pipelines.serving.tokens import new_token

    token, line = new_token(role)
    click.echo(f"token, for the client:  {token}")
    click.echo(f"line, for the file:     {line}")


def _serve(bench: Workbench, *, http: bool, port: int, role: str | None, tokens: Path | None) -> None:
    import anyio

    from pipelines.answering import SharedAnswers
    from pipelines.serving.asking import reading_client
    from pipelines.serving.mcp_server import Identity, build_server, http_app
    from pipelines.serving.tokens import TokenFile

    kept = TokenFile(tokens) if tokens is not None else None
    identity = Identity(reading_client(bench, role), kept, bench.names.prefix)
    if kept is None:
        anyio.run(identity.asking)  # Before anybody waits for it: who asks may read, and not everything.
    answers = SharedAnswers(bench) if bench.llm is not None else None
    server = build_server(identity, answer=answers, port=port)
    if not http:
        server.run("stdio")
        return
    import uvicorn

    with open_port(port) as listening:
        click.echo(f"MCP on http://127.0.0.1:{port}/mcp", err=True)
        serving = uvicorn.Config(http_app(server, port), log_level="warning", access_log=False)
        uvicorn.Server(serving).run(sockets=[listening])
