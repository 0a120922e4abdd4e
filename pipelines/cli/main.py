"""The entry point: finds the command, and turns every failure into one sentence and an exit code.

0  done                          3  not published: an audit or the gate said no
1  a fault of ours               4  try again later: a source, an endpoint or a lease was not to be had
2  your input is wrong           5  `status --check` or `verify` found something that needs a person
"""

from __future__ import annotations

import difflib
import importlib
import logging
import logging.handlers
import sys
from pathlib import Path

import click

from resources.errors import SuimonError

COMMANDS = {
    "up": ("pipelines.cli.service", "Start the UI, the daemon and what they need; print where the UI is."),
    "down": ("pipelines.cli.service", "End everything that this checkout started."),
    "refresh": ("pipelines.cli.refresh", "Bring collections up to date now."),
    "profile": ("pipelines.cli.profile", "Have an LLM describe the documents that have no profile yet."),
    "retry": ("pipelines.cli.retry", "Try what is in quarantine again."),
    "plan": ("pipelines.cli.plan", "Say what a refresh would do and cost; send nothing."),
    "status": ("pipelines.cli.status", "Show what readers see, what is held back, and how the last runs ended."),
    "preview": ("pipelines.cli.preview", "Show what becomes of a file: its elements and chunks, without a database."),
    "search": ("pipelines.cli.search", "Search the published table."),
    "evaluate": ("pipelines.cli.evaluate", "Ask the golden questions now, by each leg of the search."),
    "embed": ("pipelines.cli.search", "Print the vector of some words as an SQL literal."),
    "ask": ("pipelines.cli.ask", "Answer a question from the published table, with citations."),
    "evaluate-answers": ("pipelines.cli.ask", "Ask golden questions, and say how good the answers are."),
    "mcp": ("pipelines.cli.mcp", "Serve the published table to assistants that speak MCP."),
    "publishes": ("pipelines.cli.publishes", "List the publishes of a collection, and which can be brought back."),
    "rollback": ("pipelines.cli.publishes", "Bring a publish back, and pin the collection to it."),
    "unpin": ("pipelines.cli.publishes", "Let a collection that was rolled back publish again."),
    "space": ("pipelines.cli.space", "Move to another model: add a space, fill it, promote it, drop the old one."),
    "readers": ("pipelines.cli.readers", "Show who may read what; bring declared rules into force with --apply."),
    "verify": ("pipelines.cli.verify", "Compare ledger, chunks, vectors and index; mend them with --repair."),
    "sweep": ("pipelines.cli.sweep", "Remove what no head and no kept publish reaches."),
    "erase": ("pipelines.cli.erase", "Remove a document at once, everywhere, and keep it out."),
    "drop": ("pipelines.cli.sweep", "Remove a collection that is no longer declared."),
    "migrate": ("pipelines.cli.setup", "Bring the database's schema up to this version."),
    "check": ("pipelines.cli.setup", "Validate collections.yaml, offline."),
    "doctor": ("pipelines.cli.doctor", "Test everything that a refresh needs, and say what to do."),
    "demo": ("pipelines.cli.demo", "Refresh the sample collections and search them."),
}


class _Lazy(click.Group):
    """A group whose commands are imported when they are called: help and `check` stay instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean {near[0]}?" if near else "`suimon --help` lists them."
            ctx.fail(f"There is no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="suimon")
def suimon() -> None:
    """Keep a Postgres + pgvector table level with a body of documents."""


def _log_fault(error: BaseException) -> Path:
    """Write a traceback into the log of this checkout and return its path."""
    import os

    from pipelines.workbench import STATE_VARIABLE

    folder = Path(os.environ.get(STATE_VARIABLE) or ".suimon") / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder.resolve() / "suimon.log"
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=5_000_000, backupCount=2, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("suimon.faults")
    logger.propagate = False
    logger.addHandler(handler)
    logger.error("a fault of ours", exc_info=error)
    handler.close()
    return path


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its code."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        arguments: of the command line; by default this process's own.
    """
    from pipelines.workbench import read_environment_file

    try:
        read_environment_file()
        result = suimon.main(args=arguments, prog_name="suimon", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.ClickException as error:
        click.echo(f"suimon: {error.format_message()}", err=True)
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("suimon: stopped; what was finished is kept.", err=True)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except SuimonError as error:
        click.echo(f"suimon: {error.args[0]}", err=True)
        return error.exit_code
    except Exception as error:
        path = _log_fault(error)
        click.echo(f"suimon: a fault of ours ({type(error).__name__}); the traceback is in {path}.", err=True)
        return 1


if __name__ == "__main__":
    main()
