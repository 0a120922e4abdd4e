"""`suimon search` and `suimon embed`: asking the published table from a terminal."""

from __future__ import annotations

import re
import shutil

import click
from rich.markup import escape

from pipelines.cli.output import console, emit_json
from pipelines.config import load
from pipelines.searching import embed_question, literal, live_space
from pipelines.searching import search as find
from pipelines.workbench import make_workbench

SHOWN_CHARACTERS = 360


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--collection", help="Search this collection only.")
@click.option("-k", "k", type=int, default=5, show_default=True, help="How many passages.")
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
def search(words: tuple[str, ...], collection: str | None, k: int, as_json: bool) -> None:  # noqa: FBT001
    """Search the published table for WORDS, by meaning."""
    config = load()
    if collection is not None:
        config.collection(collection)
    question = " ".join(words)
    found = find(make_workbench(config), question, k=k, collection=collection)
    if as_json:
        emit_json(found)
        return
    for rank, row in enumerate(found, 1):
        show(rank, row, question)
    if not found:
        console.print("No passage is published" + (f" in {collection}." if collection else "."))


def show(rank: int, row: dict[str, object], question: str) -> None:
    """Print a passage with where it is from, the words of the question marked."""
    pages = row["pages"]
    page = (
        f", page {'-'.join(str(p) for p in dict.fromkeys([pages[0], pages[-1]]))}"
        if isinstance(pages, list) and pages
        else ""
    )
    headings = row["heading_path"]
    path = " > ".join(map(str, headings)) if isinstance(headings, list) else ""
    console.print(f"[bold]{rank}. {escape(str(row['title']))}[/]  [dim]{row['score']:.3f}[/]")
    console.print(f"   [dim]{escape(str(row['collection']))}: {escape(str(row['uri']))}{page}[/]")
    if path and path != row["title"]:
        console.print(f"   [dim]{escape(path)}[/]")
    width = max(40, min(110, shutil.get_terminal_size().columns) - 4)
    text = " ".join(str(row["text"]).split())
    shown = excerpt(text, question)
    for line in _wrap(shown, width):
        console.print("   " + _marked(line, question))


def excerpt(text: str, question: str) -> str:
    """Return the part of a passage that holds most of the question's words, or its beginning.

    Args:
        text: the passage on one line.
        question: as asked.
    """
    size = SHOWN_CHARACTERS if text.isascii() else SHOWN_CHARACTERS // 2
    places = [match.start() for word in _words(question) for match in re.finditer(re.escape(word), text, re.IGNORECASE)]
    if len(text) <= size or not places:
        return text if len(text) <= size else text[:size].rstrip() + " ..."
    begin = max(places, key=lambda at: (sum(at <= other < at + size for other in places), -at))
    begin = 0 if begin < size // 2 else max(text.rfind(" ", 0, begin - 20), begin - 60, 0)
    end = "" if begin + size >= len(text) else " ..."
    return ("... " if begin else "") + text[begin : begin + size].strip() + end


def _words(question: str) -> set[str]:
    """Return the words of a question that are worth marking: long ones, and runs of Japanese."""
    return set(re.findall(r"[A-Za-z0-9-]{4,}|[一-鿿ァ-ヿ]{2,}", question))


def _wrap(text: str, width: int) -> list[str]:
    """Wrap by columns: a Japanese character takes two."""
    lines, line, used = [], "", 0
    for piece in re.findall(r"[ -~]+?(?:\s|$)|[^ -~]|[ -~]", text):
        size = sum(1 if ord(character) < 0x1100 else 2 for character in piece)
        if used + size > width and line:
            lines.append(line.rstrip())
            line, used = "", 0
        line += piece
        used += size
    return [*lines, line.rstrip()] if line.strip() else lines


def _marked(line: str, question: str) -> str:
    words = _words(question)
    if not words:
        return escape(line)
    pattern = re.compile("|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)), re.IGNORECASE)
    marked, at = "", 0
    for match in pattern.finditer(line):
        marked += escape(line[at : match.start()]) + f"[bold yellow]{escape(match.group())}[/]"
        at = match.end()
    return marked + escape(line[at:])


@click.command()
@click.argument("words", nargs=-1, required=True)
def embed(words: tuple[str, ...]) -> None:
    """Print the vector of WORDS, as a question, as an SQL literal of the live space."""
    bench = make_workbench()
    with bench.database_as_it_is.connect("reader") as session:
        space = live_space(session)
    vector = literal(embed_question(bench, space, " ".join(words)))
    click.echo(f"'{vector}'::{space['storage']}({space['dimensions']})")
