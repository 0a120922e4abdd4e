"""`suimon doctor`: tests everything that a refresh needs, and says what to do."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice

import click

from assets.readers import read_rules
from assets.vectors.spaces import check_declared, read_spaces
from assets.workbench import Workbench
from pipelines.cli.output import console, emit_json
from pipelines.cli.setup import check_declaration
from pipelines.config import Config, load
from pipelines.workbench import DAGSTER_DATABASE_VARIABLE, DATABASE_VARIABLE, make_workbench, state_folder
from resources.errors import SuimonError
from resources.llm_endpoint import LlmEndpoint
from resources.migrator import read_state
from resources.postgres import ALLOW_OLD_PGVECTOR, Database
from resources.programs import ProgramFailed, ProgramTimeout, find_program, run_program
from resources.sandbox import network_isolation
from resources.sources import shown
from resources.wording import counted

ENOUGH_DISK_BYTES = 2_000_000_000

OCR_LANGUAGES = ("eng", "jpn", "jpn_vert")
"""What tesseract should know: English, and Japanese in lines and in columns."""

LIBREOFFICE = "libreoffice-writer-nogui libreoffice-impress-nogui"


@dataclass(frozen=True)
class Finding:
    """What one test found.

    Attributes:
        what: was tested.
        ok: whether a refresh can do with it.
        says: what was found, and what to do about it.
    """

    what: str
    ok: bool
    says: str


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
def doctor(as_json: bool) -> int:  # noqa: FBT001
    """Test everything that a refresh needs, and say what to do."""
    config = load()
    findings = list(examine(config))
    if as_json:
        emit_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            mark = "[green]ok  [/]" if finding.ok else "[red]FAIL[/]"
            console.print(f"{mark}  {finding.what:<22} {finding.says}")
    return 0 if all(finding.ok for finding in findings) else 2


def examine(config: Config) -> Iterator[Finding]:
    """Run every test, the cheap ones first; one that fails keeps no other from running."""
    bench = make_workbench(config)
    yield _try("declaration", lambda: _declaration(config))
    yield _try("state folder", lambda: _state(config))
    for name in config.declaration.collections:
        yield _try(f"source {name}", lambda name=name: _source(bench, name))  # type: ignore[misc]
    yield _try("database", lambda: _database(bench))
    yield _try("schema", lambda: _schema(bench))
    yield _try("readers", lambda: _readers(bench))
    several = len(config.declaration.spaces) > 1
    for name in config.declaration.spaces:
        what = f"endpoint of {name}" if several else "embedding endpoint"
        yield _try(what, lambda name=name: _endpoint(bench, name))  # type: ignore[misc]
    if bench.llm is not None:
        yield _try("LLM", lambda: ask_llm(bench))
    yield _try("spaces", lambda: _spaces(bench))
    yield _try("Dagster's database", lambda: _dagster(config))
    yield _try("parser isolation", _isolation)
    yield _try("tesseract", _tesseract)
    yield _try("LibreOffice", lambda: _tool("soffice", LIBREOFFICE, ".doc and .ppt"))
    yield _try("pandoc", lambda: _tool("pandoc", "pandoc", ".rst, .org and .rtf"))


def _try(what: str, test: Callable[[], str]) -> Finding:
    try:
        return Finding(what, ok=True, says=test())
    except SuimonError as error:
        return Finding(what, ok=False, says=str(error.args[0]))
    except Exception as error:
        return Finding(
            what, ok=False, says=f"a fault of ours or of a library: {type(error).__name__}; please report it."
        )


def _declaration(config: Config) -> str:
    check_declaration(config)
    collections = counted(len(config.declaration.collections), "collection")
    return f"{config.path.name}, {collections}; Python {sys.version.split()[0]}"


def _state(config: Config) -> str:
    folder = state_folder(config)
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < ENOUGH_DISK_BYTES:
        raise SuimonError(f"Only {free / 1e9:.1f} GB are free at {folder}; free some.")
    return f"{folder}, {free / 1e9:.0f} GB free"


def _source(bench: Workbench, name: str) -> str:
    some = len(list(islice(bench.source(name).list(), 1000)))
    return f"{'at least ' if some == 1000 else ''}{counted(some, 'document')} in {shown(bench.collection(name).source)}"


def _database(bench: Workbench) -> str:
    declared = DATABASE_VARIABLE in os.environ
    database = Database(bench.doors.database_url(), bench.names)
    with database.connect(role=None) as session:
        row = session.connection.execute(
            "SELECT current_setting('server_version'), (SELECT extversion FROM pg_extension WHERE extname = 'vector')"
        ).fetchone()
    server, pgvector = row or ("?", None)
    kind = f"declared in {DATABASE_VARIABLE}" if declared else "embedded"
    risk = f"; {ALLOW_OLD_PGVECTOR} is set, an old pgvector is accepted" if os.environ.get(ALLOW_OLD_PGVECTOR) else ""
    return f"PostgreSQL {server.split()[0]}, pgvector {pgvector or 'not created yet'}, {kind}{risk}"


def _readers(bench: Workbench) -> str:
    with bench.database_as_it_is.connect() as session:
        creators = [row["role"] for row in session.records("readers/read_creators")]
        rules = read_rules(session)
    if creators:
        raise SuimonError(
            f"{', '.join(creators)} may create in the schema that holds pgvector, and so offer functions to whoever "
            "searches it; REVOKE CREATE ON SCHEMA of it (public, as a rule) FROM them."
        )
    missing = sorted({role for rule in rules for role in rule.missing})
    if missing:
        return f"no such role: {', '.join(missing)}; who should read as it reads nothing until it is created"
    restricted = len({rule.collection for rule in rules if rule.readers is not None})
    return f"{counted(restricted, 'collection')} with declared readers, all of whose roles exist"


def _schema(bench: Workbench) -> str:
    state = read_state(Database(bench.doors.database_url(), bench.names))
    if state.current:
        return f"up to date, {state.applied} migrations"
    return f"{len(state.pending)} migrations pending; `suimon refresh` or `suimon migrate` applies them"


def _spaces(bench: Workbench) -> str:
    database = Database(bench.doors.database_url(), bench.names)
    if not read_state(database).current:
        return "none is kept yet"
    with database.connect() as session:
        kept = read_spaces(session)
    check_declared(bench, kept)
    return ", ".join(f"{space.name}{' (live)' if space.live else ''}" for space in kept) or "none is kept yet"


def _endpoint(bench: Workbench, name: str) -> str:
    space = bench.space(name)
    answer = bench.endpoint_of(name).run(
        lambda endpoint: endpoint.embed(["sluice gate"], space.model, space.dimensions)
    )
    where = f"bundled model at {bench.doors.embedding_url()}" if space.is_local else shown(space.base_url or "")
    return f"{where}: {answer.model or space.model}, {answer.vectors.shape[1]} dimensions"


def ask_llm(bench: Workbench) -> str:
    """Return where the declared LLM is and what it calls itself, after one short request.

    Raises:
        SuimonError: it does not answer, or not as it should.
    """
    llm = bench.declared_llm

    async def greet(endpoint: LlmEndpoint) -> str:
        return (await endpoint.complete([{"role": "user", "content": "Say yes."}], max_tokens=64, seconds=30)).model

    where = "small model on loopback" if llm.local else shown(llm.base_url or "")
    return f"{where}: {bench.open_llm().run(greet) or llm.model}"


def _dagster(config: Config) -> str:
    from pipelines.workbench import dagster_database_url

    if "DAGSTER_HOME" in os.environ:
        return f"DAGSTER_HOME is set to {os.environ['DAGSTER_HOME']}: used as it is"
    Database(dagster_database_url(config)).ping()
    return f"declared in {DAGSTER_DATABASE_VARIABLE}" if DAGSTER_DATABASE_VARIABLE in os.environ else "embedded"


def _isolation() -> str:
    if network_isolation() == "kernel":
        return "parsers and what they start have no network, by the kernel"
    return (
        "parsers have no network as far as Python knows; programs that they start do: this kernel, or this container, "
        "grants no network namespaces (unprivileged user namespaces are off, or CAP_SYS_ADMIN is missing)"
    )


def _tool(name: str, package: str, formats: str) -> str:
    path = find_program(name)
    return path or f"not installed, optional: without it {formats} are quarantined; on Debian: apt install {package}"


def _tesseract() -> str:
    path = find_program("tesseract")
    if path is None:
        return _tool("tesseract", f"tesseract-ocr {_packages(OCR_LANGUAGES)}", "images and scanned PDFs")
    try:
        known = set(run_program([path, "--list-langs"], seconds=20).decode("utf-8", "replace").split())
    except (ProgramFailed, ProgramTimeout):
        return f"{path} does not run, so that images and scanned PDFs are quarantined"
    missing = [name for name in OCR_LANGUAGES if name not in known]
    if missing:
        return f"{path} lacks {', '.join(missing)}, so that text in it is not read; apt install {_packages(missing)}"
    return f"{path} with {', '.join(OCR_LANGUAGES)}"


def _packages(languages: Iterable[str]) -> str:
    return " ".join(f"tesseract-ocr-{name.replace('_', '-')}" for name in languages)
