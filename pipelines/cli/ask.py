"""`suimon ask` and `suimon evaluate-answers`: answers from the published table, and how good they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.cli.output import console, emit_json, progress_bars, table
from pipelines.config import load
from pipelines.searching import check_collection
from pipelines.workbench import make_workbench

if TYPE_CHECKING:
    from pipelines.answering import Answer

NOT_ANSWERED = {
    "en": "The documents do not answer this.",
    "ja": "文書にはこの質問の答えがありません。",
}
WHY = {
    "no_passages": "no passage matches that may be seen",
    "too_far": "the nearest passage is below answers.least_similarity",
    "model": "the model finds no answer in the passages below",
}


@click.command()
@click.argument("question", nargs=-1, required=True)
@click.option("--collection", help="Answer from this collection only.")
@click.option("-k", "k", type=click.IntRange(1, 50), help="Passages to answer from; by default as declared.")
@click.option("--as", "role", metavar="ROLE", help="The database role that asks, where collections declare readers.")
@click.option("--json", "as_json", is_flag=True, help="Print answer, citations, passages, tokens and seconds.")
def ask(question: tuple[str, ...], collection: str | None, k: int | None, role: str | None, as_json: bool) -> None:  # noqa: FBT001
    """Answer QUESTION from the published table, citing document and page; or say that it does not answer."""
    from pipelines.answering import ask as answer_of

    config = load()
    bench = make_workbench(config)
    check_collection(bench, config, collection, role)
    wanted = {"collection": collection} if collection else None
    streams = not as_json and console.is_terminal
    asked = " ".join(question)
    answer = answer_of(bench, asked, k=k, filter=wanted, role=role, listen=_say if streams else None)
    if as_json:
        emit_json(answer.as_json())
        return
    if answer.text:
        click.echo("" if streams else answer.text)
    _show_sources(answer)


def _say(piece: str) -> None:
    click.echo(piece, nl=False)


def _show_sources(answer: Answer) -> None:
    """Print where the answer is from, or why there is none."""
    from assets.answers.prompting import language_of

    if answer.status == "not_answered":
        language = "ja" if language_of(answer.question) == "Japanese" else "en"
        click.echo(f"{NOT_ANSWERED[language]} ({WHY[answer.reason]})")
    elif answer.status == "uncited":
        console.print("[bold]It cites no passage: do not rely on it.[/]")
    listed = answer.citations or [one for one in answer.retrieved if one["shown"]]
    if listed and not answer.citations:
        click.echo("The model was shown, and did not cite:")
    for source in listed:
        click.echo(f"  [{source['number']}] {_place(source)}")
    if answer.dropped_citations:
        click.echo(f"  {answer.dropped_citations} citations of passages that were not there were dropped.")
    tokens = answer.prompt_tokens + answer.completion_tokens
    console.print(f"{answer.seconds:.1f} s, {tokens:,} tokens, {answer.model or 'no model asked'}", style="dim")


def _place(source: dict[str, Any]) -> str:
    pages = source.get("pages")
    page = f", page {'-'.join(map(str, dict.fromkeys((pages[0], pages[-1]))))}" if pages else ""
    link = f"  {source['link']}" if source.get("link") else ""
    return f"{source['collection']}: {source['uri']}{page}, chunk {source['ordinal']}{link}"


@click.command("evaluate-answers")
@click.option("--questions", type=click.Path(path_type=Path), help="JSONL file; by default answers.questions.")
@click.option("--collection", help="Only the questions to this collection.")
@click.option("--limit", type=click.IntRange(1), help="So many questions only, spread over the file.")
@click.option("--as", "role", metavar="ROLE", help="The database role that asks.")
@click.option("--details", type=click.Path(path_type=Path), help="Write each answer with its figures there (JSONL).")
@click.option("--json", "as_json", is_flag=True, help="Print the figures for machines.")
def evaluate_answers(
    questions: Path | None, collection: str | None, limit: int | None, role: str | None, details: Path | None,
    as_json: bool,  # noqa: FBT001
) -> None:  # fmt: skip
    """Ask golden questions, and say how good the answers are; judged by rules, not by a model."""
    from pipelines.evaluating import declared_questions, evaluate

    config = load()
    if collection is not None:
        config.collection(collection)
    with progress_bars(wanted=not as_json) as progress:
        bench = make_workbench(config, progress)
        asked = declared_questions(bench, questions, collection=collection, limit=limit)
        report = evaluate(bench, asked, role=role)
    if details is not None:
        report.write(details)
    if as_json:
        emit_json(report.summary())
        return
    table(["figure", "value"], [[name, f"{value:.3f}"] for name, value in report.figures.items()])
    click.echo(f"{report.answerable} questions that can be answered, {report.unanswerable} that cannot; {report.model}")
