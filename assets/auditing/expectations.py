"""The bridge to Great Expectations 1.x: bounds in, counts of unexpected rows out, pages for people.

Great Expectations runs its queries inside Postgres on a connection of its own. Results are asked for
without sample values, so that no text of a document can be in them. It takes seconds to import, so that
nothing imports it before there are rows to audit.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

from assets.auditing.suite import Audit
from resources.errors import PermanentError
from resources.postgres import Database, Session

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")


@dataclass(frozen=True)
class Measured:
    """What Great Expectations counted for one audit.

    Attributes:
        rows: rows with a value.
        unexpected: rows outside the bounds.
    """

    rows: int
    unexpected: int


def sqlalchemy_url(database: Database, session: Session) -> str:
    """Write the DSN as SQLAlchemy wants it, under the pipeline role and its search path.

    A URL needs a host part; libpq takes the socket's folder from the query.
    """
    parts = {key: str(value) for key, value in conninfo_to_dict(database.dsn).items() if value is not None}
    user = quote(parts.pop("user", ""), safe="")
    password = quote(parts.pop("password", ""), safe="")
    host = parts.pop("host", "")
    port = parts.pop("port", "")
    name = quote(parts.pop("dbname", ""), safe="")
    schemas = ",".join(session.identifiers[key].as_string().strip('"') for key in ("corpus", "extension"))
    parts["options"] = f"-c role={database.role('pipeline')} -c search_path={schemas}"
    address = "localhost" if not host or host.startswith("/") else host
    if host.startswith("/"):
        parts["host"] = host
    login = f"{user}:{password}@" if password else f"{user}@" if user else ""
    where = f"{address}:{port}" if port else address
    query = "&".join(f"{key}={quote(value, safe='')}" for key, value in parts.items())
    return f"postgresql+psycopg://{login}{where}/{name}?{query}"


def measure(
    url: str, suite: str, batches: Mapping[str, str], audits: Sequence[Audit], report: Path | None
) -> dict[str, Measured]:
    """Run audits and return what each counted, by its name.

    Args:
        url: an SQLAlchemy address.
        suite: title of the suite.
        batches: the finished query of each batch, by name.
        audits: bounds on their columns.
        report: folder to build Data Docs in.

    Raises:
        PermanentError: an audit could not be run at all.
    """
    import great_expectations as gx

    with _closing_connections():
        context = _context()
        # Each batch becomes a temporary table of that connection: its query then runs once, not once an audit.
        source = context.data_sources.add_postgres(
            f"postgres_{uuid.uuid4().hex[:8]}", connection_string=url, create_temp_table=True
        )
        measured: dict[str, Measured] = {}
        definitions: list[Any] = []
        for name, query in batches.items():
            asset = source.add_query_asset(name, query=query)
            batch = asset.add_batch_definition_whole_table(name)
            chosen = [audit for audit in audits if audit.batch == name]
            made = context.suites.add(gx.ExpectationSuite(name=f"{suite}: {name}"))
            for audit in chosen:
                made.add_expectation(_expectation(audit))
            definitions.append(
                context.validation_definitions.add(
                    gx.ValidationDefinition(name=f"{suite}: {name}", data=batch, suite=made)
                )
            )
        checkpoint = context.checkpoints.add(
            gx.Checkpoint(
                name=suite,
                validation_definitions=definitions,
                result_format={"result_format": "BASIC", "partial_unexpected_count": 0},
            )
        )
        if report is not None:
            _add_site(context, report)
        outcome = checkpoint.run()
        for validated in outcome.run_results.values():
            for result in validated.results:
                measured.update(_read(result))
        if report is not None:
            context.build_data_docs(["pages"])
    return measured


@contextmanager
def _closing_connections() -> Iterator[None]:
    """Close every psycopg connection that SQLAlchemy opens inside the block.

    Great Expectations copies a data source for each batch, each copy with engines of its own, and closes few
    of them; what it leaves open would hold a snapshot or count against max_connections.
    """
    import psycopg
    from sqlalchemy import event
    from sqlalchemy.pool import Pool

    opened: list[psycopg.Connection[Any]] = []

    def remember(connection: Any, _record: Any) -> None:
        driver = getattr(connection, "driver_connection", connection)
        if isinstance(driver, psycopg.Connection):
            opened.append(driver)

    event.listen(Pool, "connect", remember)
    try:
        yield
    finally:
        event.remove(Pool, "connect", remember)
        for connection in opened:
            connection.close()


def _context() -> Any:
    """Make a context that lives in memory, shows no bars, and leaves no temporary folder behind."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    return gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            progress_bars=ProgressBarsConfig(globally=False, metric_calculations=False),
            analytics_enabled=False,
        ),
    )


def _add_site(context: Any, folder: Path) -> None:
    context.add_data_docs_site(
        "pages",
        {
            "class_name": "SiteBuilder",
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        },
    )


def _expectation(audit: Audit) -> Any:
    from great_expectations import expectations

    return expectations.ExpectColumnValuesToBeBetween(
        column=audit.column,
        min_value=audit.minimum,
        max_value=audit.maximum,
        severity="warning" if audit.finding == "warn" else "critical",
        meta={"audit": audit.name},
        notes=audit.description,
    )


def _read(result: Any) -> dict[str, Measured]:
    name = result.expectation_config.meta["audit"]
    told = result.exception_info
    infos = [told] if "raised_exception" in told else list(told.values())
    if any(isinstance(info, dict) and info.get("raised_exception", False) for info in infos):
        raise PermanentError(f"The audit {name} could not be run; the traceback is in the log of this run.")
    details = result.result
    rows = int(details.get("element_count") or 0) - int(details.get("missing_count") or 0)
    return {name: Measured(rows, int(details.get("unexpected_count") or 0))}
