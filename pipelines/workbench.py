"""From a declaration and an environment to a workbench: which database, which endpoint, which folder.

Only variables that begin with SUIMON_ are read, and those that `collections.yaml` names as `${VAR}`. A
DATABASE_URL or an API key that merely happens to be in the environment is used for nothing.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from pathlib import Path

from dotenv import load_dotenv

from assets.workbench import Doors, Progress, Workbench, silent
from pipelines.config import Config, config_path, load
from resources.local_stack import LocalStack
from resources.postgres import Names

DATABASE_VARIABLE = "SUIMON_DATABASE_URL"
DAGSTER_DATABASE_VARIABLE = "SUIMON_DAGSTER_DATABASE_URL"
STATE_VARIABLE = "SUIMON_STATE"


def read_environment_file(environ: Mapping[str, str] = os.environ) -> None:
    """Take `.env` beside collections.yaml into the environment, without overriding anything."""
    load_dotenv(config_path(environ).parent / ".env", override=False)


def whoami() -> str:
    """Return who runs this process, as user@host: kept with what a person confirms."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def state_folder(config: Config, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of this checkout's own state: SUIMON_STATE, else .suimon beside the declaration."""
    declared = environ.get(STATE_VARIABLE)
    return Path(declared).resolve() if declared else config.root / ".suimon"


def local_stack(config: Config) -> LocalStack:
    """Return the embedded stack of this checkout; nothing is started."""
    return LocalStack(state_folder(config))


def make_workbench(config: Config | None = None, progress: Progress = silent) -> Workbench:
    """Assemble the workbench of a declaration; no door is opened yet.

    Args:
        config: by default, `collections.yaml` as `pipelines.config` finds it.
        progress: told how far long stages are.

    Raises:
        ConfigurationError: the declaration is wrong.
    """
    config = config or load()
    stack = local_stack(config)
    declared = config.declaration
    return Workbench(
        collections=declared.collections,
        spaces=declared.spaces,
        llm=declared.llm,
        answers=declared.answers,
        root=config.root,
        doors=Doors(
            database_url=lambda: os.environ.get(DATABASE_VARIABLE) or stack.postgres_url("suimon"),
            embedding_url=stack.embedding_url,
            llm_url=stack.llm_url,
        ),
        names=Names(declared.database.prefix),
        state_folder=state_folder(config),
        progress=progress,
        index_memory_mb=declared.upkeep.index_memory_mb,
    )


def dagster_database_url(config: Config) -> str:
    """Return the DSN of Dagster's own database: the declared one, else one of the embedded Postgres."""
    return os.environ.get(DAGSTER_DATABASE_VARIABLE) or local_stack(config).postgres_url("dagster")
