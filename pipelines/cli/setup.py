"""`suimon migrate` and `suimon check`: what is done before the first refresh, and in CI."""

from __future__ import annotations

import json
from pathlib import Path

import click

from assets.answers.questions import read_questions
from assets.quality.golden import read_golden
from assets.settings import Collection
from pipelines.config import Config, Declaration, config_path, load
from pipelines.workbench import make_workbench
from resources.errors import ConfigurationError
from resources.migrator import migrate as apply
from resources.migrator import read_state
from resources.postgres import Database, Names
from resources.tokenizers import load_tokenizer
from resources.wording import counted

SCHEMA_FILE = Path("docs") / "collections.schema.json"


@click.command()
@click.option("--check", "check_only", is_flag=True, help="Only say what is pending; exit with 2 if anything is.")
def migrate(check_only: bool) -> int:  # noqa: FBT001
    """Bring the database's schema up to this version."""
    config = load()
    bench = make_workbench(config)
    database = Database(bench.doors.database_url(), Names(config.declaration.database.prefix))
    state = read_state(database)
    if state.current:
        click.echo(f"The schema is up to date: {state.applied} migrations.")
        return 0
    pending = ", ".join(state.pending) or "no migration, but views and functions"
    if check_only:
        click.echo(f"Pending: {pending}. Run `suimon migrate`.")
        return 2
    apply(database)
    click.echo(f"Applied: {pending}.")
    return 0


@click.command()
@click.option("--schema", "show_schema", is_flag=True, help="Print the JSON Schema of collections.yaml instead.")
def check(show_schema: bool) -> None:  # noqa: FBT001
    """Validate collections.yaml, offline."""
    if show_schema:
        click.echo(schema())
        return
    config = load()
    check_declaration(config)
    declared = config.declaration
    click.echo(
        f"{config_path().name} is valid: {counted(len(declared.collections), 'collection')} "
        f"({', '.join(declared.collections) or 'none'}), "
        f"space{'s' if len(declared.spaces) > 1 else ''} {', '.join(declared.spaces)}."
    )
    asking = [name for name, collection in declared.collections.items() if collection.profiles is not None]
    if asking and declared.llm is None:
        click.echo(f"No llm is declared, so that no profiles are made for {', '.join(asking)}; see docs/profiles.md.")


def schema() -> str:
    """Return the JSON Schema of `collections.yaml`, for editors."""
    made = Declaration.model_json_schema()
    made["title"] = "collections.yaml of Suimon"
    # A space may be left empty: the bundled model then.
    made["properties"]["spaces"]["additionalProperties"] = {
        "anyOf": [made["properties"]["spaces"]["additionalProperties"], {"type": "null"}]
    }
    return json.dumps(made, indent=2, ensure_ascii=False)


def check_declaration(config: Config) -> None:
    """Check what validation alone cannot see: folders, cron expressions, time zones, sizes.

    Raises:
        ConfigurationError: one sentence that says what to change.
    """
    declared = config.declaration
    for space in declared.spaces.values():
        load_tokenizer(space.tokenizer)
    if declared.answers.questions is not None:
        try:
            read_questions(config.root / declared.answers.questions)
        except ConfigurationError as error:
            raise ConfigurationError(f"{config.path.name}: answers.questions: {error}") from None
    for name, collection in declared.collections.items():
        where = f"{config.path.name}: collections.{name}"
        local = "://" not in collection.source or collection.source.startswith("file://")
        folder = config.root / Path(collection.source.removeprefix("file://")).expanduser()
        if local and not folder.is_dir():
            raise ConfigurationError(
                f"{where}.source is {collection.source}, which is no folder; create or correct it."
            )
        _check_schedule(where, collection)
        read_golden(config.root, collection, name)
        if len(declared.spaces) == 1 and collection.chunking.max_tokens > declared.space.token_limit - 8:
            raise ConfigurationError(
                f"{where}.chunking.max_tokens is {collection.chunking.max_tokens}, but the model of space "
                f"{declared.space_name} reads {declared.space.token_limit}; set it to at most "
                f"{declared.space.token_limit - 8}."
            )


def _check_schedule(where: str, collection: Collection) -> None:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    import dagster as dg

    try:
        ZoneInfo(collection.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigurationError(
            f"{where}.timezone is {collection.timezone!r}, which is no time zone; write it as Asia/Tokyo."
        ) from None
    if collection.schedule is not None:
        try:
            dg.ScheduleDefinition(name="checked", job_name="refresh", cron_schedule=collection.schedule)
        except dg.DagsterInvalidDefinitionError:
            raise ConfigurationError(
                f"{where}.schedule is {collection.schedule!r}, which is no cron expression; write it as '0 3 * * *'."
            ) from None
