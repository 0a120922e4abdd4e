"""The Dagster instance of this checkout: its home, its settings, its own database.

A DAGSTER_HOME that is already set is somebody's deployment: it is used as it is.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.config import Config
from pipelines.workbench import dagster_database_url, state_folder

if TYPE_CHECKING:
    import dagster as dg

SETTINGS = Path(__file__).resolve().parent.parent / "deploy" / "dagster.yaml"
STORAGE_VARIABLE = "SUIMON_DAGSTER_STORAGE_URL"


def prepare_home(config: Config) -> Path:
    """Set DAGSTER_HOME for this process and its children; returns it.

    Args:
        config: says where this checkout's state is.
    """
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    declared = os.environ.get("DAGSTER_HOME")
    if declared:
        return Path(declared)
    home = state_folder(config) / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    target = home / "dagster.yaml"
    if not target.exists() or target.read_bytes() != SETTINGS.read_bytes():
        shutil.copyfile(SETTINGS, target)
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ[STORAGE_VARIABLE] = storage_url(dagster_database_url(config))
    return home


def storage_url(dsn: str) -> str:
    """Name the driver in a DSN: SQLAlchemy 2.1 takes plain postgresql:// for psycopg 3.

    Args:
        dsn: a postgresql:// URL.
    """
    for scheme in ("postgresql://", "postgres://"):
        if dsn.startswith(scheme):
            return "postgresql+psycopg2://" + dsn.removeprefix(scheme)
    return dsn


def open_instance(config: Config) -> dg.DagsterInstance:
    """Open the instance of this checkout, making its home and database if needed."""
    prepare_home(config)
    import dagster

    return dagster.DagsterInstance.get()
