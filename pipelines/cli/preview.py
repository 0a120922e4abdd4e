"""`suimon preview`: what would become of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from assets.settings import LOCAL_SPACE, Chunking, Limits
from pipelines import previewing
from pipelines.cli.output import console, emit_json, table
from pipelines.config import config_path, load
from pipelines.previewing import Preview
from resources.errors import ConfigurationError
from resources.tokenizers import load_tokenizer

MOST_ROWS = 40
EXCERPT = 70


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--collection", help="Cut as this collection declares; by default, as one does that declares nothing.")
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with the chunks.")
@click.option("--full", is_flag=True, help="Print every element and chunk, whole.")
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
def preview(file: Path, collection: str | None, page: Path | None, full: bool, as_json: bool) -> None:  # noqa: FBT001
    """Show what becomes of FILE: its elements, its chunks, and what was cleaned; without a database or endpoint."""
    chunking, limits, tokenizer = _settings(collection)
    shown = previewing.preview(file, chunking, limits, load_tokenizer(tokenizer))
    if page is not None:
        try:
            page.write_text(previewing.page_of(shown), encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"{page} cannot be written ({error.strerror}); name another file.") from None
    if as_json:
        emit_json(_as_json(shown))
        return
    _show(shown, full=full)
    if page is not None:
        click.echo(f"The page is {page.resolve()}")


def _settings(collection: str | None) -> tuple[Chunking, Limits, Any]:
    """Return how a collection cuts, its limits, and whose tokens count; the defaults where nothing is declared."""
    if collection is None and not config_path().exists():
        return Chunking.model_validate({}), Limits.model_validate({}), LOCAL_SPACE.tokenizer
    config = load()
    tokenizer = config.declaration.space.tokenizer
    if collection is None:
        return Chunking.model_validate({}), Limits.model_validate({}), tokenizer
    declared = config.collection(collection)
    return declared.chunking, declared.limits, tokenizer


def _as_json(shown: Preview) -> dict[str, Any]:
    return {
        "name": shown.name, "format": shown.format, "size": shown.size, "title": shown.title,
        "language": shown.language, "pages": shown.pages, "counters": shown.counters,
        "properties": shown.properties, "attachments": shown.attachments, "text": shown.text,
        "elements": [
            {"kind": e.kind, "level": e.level, "page": e.page, "start": e.start, "end": e.end, "hidden": e.hidden}
            for e in shown.elements
        ],
        "chunks": [
            {"start": c.start, "end": c.end, "tokens": c.tokens, "pages": c.pages, "heading_path": c.heading_path,
             "flags": c.flags, "text": shown.excerpt(place), "html": c.html}
            for place, c in enumerate(shown.chunks)
        ],
        "parse_seconds": round(shown.parse_seconds, 4), "cut_seconds": round(shown.cut_seconds, 4),
        "peak_mb": shown.peak_mb,
    }  # fmt: skip


def _show(shown: Preview, *, full: bool) -> None:
    table(("", ""), _facts(shown), title=shown.name)
    click.echo()
    most = None if full else MOST_ROWS
    table(
        ("", "kind", "level", "page", "characters", "text"),
        [
            (
                place, e.kind + (" (hidden)" if e.hidden else ""), e.level or None, e.page, e.end - e.start,
                _shorten(shown.text[e.start : e.end], full=full),
            )
            for place, e in enumerate(shown.elements[:most])
        ],
        title="Elements",
    )  # fmt: skip
    _say_rest(len(shown.elements), most)
    click.echo()
    table(
        ("", "tokens", "pages", "headings", "flags", "text"),
        [
            (
                place, c.tokens, ", ".join(map(str, c.pages)), _shorten(shown.heading_path(place), full=full),
                ", ".join(c.flags), _shorten(shown.excerpt(place), full=full),
            )
            for place, c in enumerate(shown.chunks[:most])
        ],
        title=f"Chunks of at most {shown.settings.max_tokens} tokens",
    )  # fmt: skip
    _say_rest(len(shown.chunks), most)


def _facts(shown: Preview) -> list[tuple[str, Any]]:
    named = f" (its name says {shown.misnamed_as})" if shown.misnamed_as else ""
    facts: list[tuple[str, Any]] = [
        ("format", shown.format + named),
        ("title", shown.title),
        ("language", shown.language),
        ("pages", shown.pages or None),
        ("text", f"{len(shown.text):,} characters, {len(shown.elements):,} elements, {len(shown.chunks):,} chunks"),
        ("cleaned", ", ".join(f"{count:,} {name}" for name, count in shown.counters.items()) or "nothing"),
        ("attachments", ", ".join(shown.attachments) or None),
        ("cost", f"{shown.parse_seconds:.2f} s and {shown.peak_mb:,} MiB to parse, {shown.cut_seconds:.2f} s to cut"),
    ]
    facts += [(name, _plainly(value)) for name, value in shown.properties.items()]
    return [(name, value) for name, value in facts if value is not None]


def _plainly(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(" ".join(map(str, item)) if isinstance(item, list) else str(item) for item in value)
    return str(value)


def _shorten(text: str, *, full: bool) -> str:
    line = text if full else " ".join(text.split())
    return line if full or len(line) <= EXCERPT else line[: EXCERPT - 1] + "…"


def _say_rest(count: int, most: int | None) -> None:
    if most is not None and count > most:
        console.print(f"[dim]... and {count - most:,} more; --full prints all.[/]")
