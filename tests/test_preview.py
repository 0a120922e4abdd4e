"""`suimon preview`: what would become of a file, without a database or an endpoint."""

from __future__ import annotations

import json
from pathlib import Path

import lxml.html
import pytest

from pipelines.cli.main import run
from tests.conftest import write

PAGE = """# 水門

水位が高いときは水門を開ける。\u200b点検は毎月行う。

## 点検

| 品名 | 数 |
|---|---|
| 堰 | 2 |
"""


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let no database and no endpoint be reachable, and no other declaration be found."""
    monkeypatch.setenv("SUIMON_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("SUIMON_STATE", str(tmp_path / "state"))
    declared = "collections:\n  notes:\n    source: .\n    chunking: {max_tokens: 32, min_tokens: 4}\n"
    write(tmp_path, "collections.yaml", declared)
    monkeypatch.setenv("SUIMON_CONFIG", str(tmp_path / "collections.yaml"))


def test_a_file_is_shown_with_its_elements_chunks_and_what_was_cleaned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["preview", str(write(tmp_path, "水門.md", PAGE)), "--collection", "notes"]) == 0
    shown = capsys.readouterr().out
    for wanted in ("language\tja", "cleaned\t1 invisible", "0\tTitle\t1\t\t2\t水門", "品名 | 数 堰 | 2", "水門 > 点検"):
        assert wanted in shown
    assert "MiB to parse" in shown


def test_a_collection_decides_how_the_file_is_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(write(tmp_path, "a.txt", "The gate is opened when the water is high. " * 20))
    assert run(["preview", path, "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert run(["preview", path, "--json", "--collection", "notes"]) == 0
    cut = json.loads(capsys.readouterr().out)
    assert len(cut["chunks"]) > len(whole["chunks"])
    assert all(chunk["tokens"] <= 32 for chunk in cut["chunks"])
    assert [cut["text"][chunk["start"] : chunk["end"]] for chunk in cut["chunks"]] == [
        chunk["text"] for chunk in cut["chunks"]
    ]


def test_the_page_holds_the_whole_text_and_runs_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "a.md", PAGE + "\n`<script>alert(1)</script>`\n")
    assert run(["preview", str(path), "--html", str(tmp_path / "a.html"), "--collection", "notes"]) == 0
    page = (tmp_path / "a.html").read_text("utf-8")
    tree = lxml.html.fromstring(page.encode())
    text = "".join(piece.text_content() for piece in tree.find_class("chunk"))
    assert "<script>alert(1)</script>" in text
    assert tree.find(".//script") is None
    assert "水位が高いときは水門を開ける。点検は毎月行う。" in text


@pytest.mark.parametrize(
    ("name", "content", "reason", "advice"),
    [
        ("a.docx", b"PK\x03\x04", "damaged", "get a whole copy"),
        ("a.bin", bytes(range(256)), "unsupported_format", "convert it"),
        ("a.txt", b" \n", "no_text", "no text"),
        ("a.xml", b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "forbidden_entities", "expand them"),
    ],
)
def test_a_file_that_would_be_held_back_is_named_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, reason: str, advice: str
) -> None:
    assert run(["preview", str(write(tmp_path, name, content))]) == 2
    message = capsys.readouterr().err
    assert f"({reason})" in message
    assert advice in message
    assert message.count("\n") == 1


def test_a_file_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["preview", "/nowhere/a.md"]) == 2
    assert "name a file" in capsys.readouterr().err


def test_a_name_that_lies_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["preview", str(write(tmp_path, "a.txt", "<!doctype html><p>Gate</p>"))]) == 0
    assert "html (its name says txt)" in capsys.readouterr().out
