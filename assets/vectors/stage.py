"""The vectors stage: embed every text that wants a vector and has none, space by space.

The spaces in which a collection is complete come first: a publish demands them. Then those that are being filled, from
stored chunks; what goes wrong there is reported and holds nothing up, and the next refresh goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg
from pgvector.psycopg import register_vector

from assets.chunks.limits import Reading, exceeds
from assets.refresh import Refresh, StageReport
from assets.settings import Budget, Space
from assets.vectors.batching import Text, pack
from assets.vectors.claims import Claims
from assets.vectors.line import Line, Tally, incoming_of
from assets.vectors.spaces import KeptSpace, ensure_spaces
from assets.vectors.spending import Purse, Spent, affordable, allowance
from resources.errors import BudgetReached, ConfigurationError, EndpointRefused, EndpointUnavailable, SuimonError

LONGEST_POLL_SECONDS = 2.0
"""How long at most before it is looked again whether another refresh has finished the texts that it claimed."""

HOLDS_NOTHING_UP = (EndpointUnavailable, EndpointRefused, BudgetReached, ConfigurationError)
"""What may go wrong in a space that is being filled, while readers use the others; a refused key is among it."""


@dataclass
class _Work:
    """What is to be done in one space.

    Attributes:
        space: where.
        declared: how its endpoint is used.
        room: by tokenizer, what its model reads of a chunk, where the way in which chunks are cut does not see to it.
        until: when to stop, on the monotonic clock; None for never.
        tally: what was done so far.
        too_long: texts that the model would not read to their end.
    """

    space: KeptSpace
    declared: Space
    room: dict[str, int]
    until: float | None = None
    tally: Tally = field(default_factory=Tally)
    too_long: list[Text] = field(default_factory=list)


def run(refresh: Refresh) -> StageReport:
    """Embed what has no vector yet; each answer is committed as it comes.

    Raises:
        EndpointUnavailable: an endpoint did not answer in time; what it answered is kept.
        EndpointRefused: an endpoint cannot be used as declared.
        BudgetReached: what a run or a day may cost is spent; what was paid for is kept.
    """
    report = StageReport("vectors")
    if refresh.converged:
        return report
    spaces = ensure_spaces(refresh.bench, refresh.session, refresh.collection_id)
    if refresh.session.execute("vectors/clear_postponed", refresh.params):
        report.changed = True
    holder = {"collection_id": refresh.collection_id, "token": refresh.lease.token}
    refresh.session.execute("vectors/release_all_claims", holder)  # What a dead refresh had claimed, wanted or not.
    register_vector(refresh.session.connection)
    tallies = {}
    for space in spaces:
        work = _prepare(refresh, space)
        tallies[space.name] = work.tally
        if space.demanded:
            _embed(refresh, work, report)
        else:
            _fill(refresh, work, report)
    _sum_up(refresh, tallies, report)
    return report


def _prepare(refresh: Refresh, space: KeptSpace) -> _Work:
    """Say what is to be done in a space.

    Raises:
        ConfigurationError: the declared size of chunks is more than the live space's model was seen to read.
    """
    declared = refresh.bench.space(space.name)
    longest, cutting = refresh.settings.chunking.max_tokens, refresh.cutting
    if space.live and not cutting.remembered:
        if longest > space.token_limit:
            raise ConfigurationError(
                f"chunking.max_tokens of {refresh.name} is {longest}, but the endpoint was seen to read only "
                f"{space.token_limit} tokens of an input and to ignore the rest; set it to at most "
                f"{space.token_limit}, or serve the model with a longer context."
            )
        return _Work(space, declared, {})
    limit = min(declared.token_limit, space.token_limit)
    reads = Reading(declared.tokenizer, limit, declared.passage_prefix)
    return _Work(space, declared, {reads.tokenizer: reads.room})


def _embed(refresh: Refresh, work: _Work, report: StageReport) -> None:
    """Embed what a space lacks.

    Raises:
        BudgetReached: the budget is spent before all is embedded, and nothing is published in parts.
    """
    tally, params = work.tally, refresh.params | {"space_id": work.space.space_id}
    tally.total = refresh.session.record("vectors/count_unembedded", params, vectors=work.space.table)["texts"]
    if not tally.total:
        return
    purse = Purse(_allowed(refresh, work.declared))
    _embed_waiting(refresh, work, purse)
    _hold_back(refresh, work)
    if purse.empty:
        _stop_within_budget(refresh, work, report)


def _fill(refresh: Refresh, work: _Work, report: StageReport) -> None:
    """Embed what a space lacks that nobody depends on yet; says what kept it from being filled."""
    if refresh.session.value("vectors/has_candidates", refresh.params):  # Readers are not to wait for all of it.
        work.until = time.monotonic() + refresh.bench.fill_seconds
    try:
        _embed(refresh, work, report)
    except HOLDS_NOTHING_UP as error:
        report.notes.append(f"Space {work.space.name} was not filled further: {error.args[0]}")
    params = refresh.params | {"space_id": work.space.space_id}
    left = refresh.session.record("vectors/count_unembedded", params, vectors=work.space.table)
    if left["texts"]:
        report.counts[f"left_in_{work.space.name}"] = left["texts"]


def _sum_up(refresh: Refresh, tallies: dict[str, Tally], report: StageReport) -> None:
    """Report the work in all spaces together, and of each where there are several."""
    counts = {
        name: sum(getattr(tally, attribute) for tally in tallies.values())
        for name, attribute in (
            ("embedded", "texts"), ("tokens", "tokens"), ("requests", "requests"), ("refused", "refused"),
            ("elsewhere", "elsewhere"),
        )
    }  # fmt: skip
    each = {f"embedded_in_{name}": tally.texts for name, tally in tallies.items()} if len(tallies) > 1 else {}
    report.counts = {**counts, **each, **report.counts}
    for name, tally in tallies.items():
        declared = refresh.bench.space(name)
        price, currency = declared.price_per_million_tokens, declared.currency
        if price is not None and report.currency in {"", currency}:
            report.cost, report.currency = (report.cost or 0.0) + tally.tokens * price / 1_000_000, currency
    report.changed |= any(tally.total for tally in tallies.values())


def _allowed(refresh: Refresh, declared: Space) -> float:
    """Return the tokens of a space that the collection's budget leaves to this run."""
    budget = refresh.settings.budget
    if budget == Budget.model_validate({"publish_finished": budget.publish_finished}):
        return allowance(budget, Spent(), None)
    who = {"collection": refresh.name, "run_id": refresh.run_id, "timezone": refresh.settings.timezone}
    spent = refresh.session.rows(Spent, "vectors/read_spent", who)[0]
    return allowance(budget, spent, declared.price_per_million_tokens)


def _embed_waiting(refresh: Refresh, work: _Work, purse: Purse) -> None:
    """Embed what nobody else is embedding, and wait for what somebody else is."""
    space, tally = work.space, work.tally
    refresh.session.execute("vectors/create_incoming", vectors=space.table, incoming=incoming_of(space))
    stage = "vectors" if space.live else f"vectors of {space.name}"
    endpoint = refresh.bench.endpoint_of(space.name)
    with refresh.bench.database.connect() as reader:
        claims = Claims(reader, refresh.lease, space)
        pause = 0.1
        while True:
            claims.elsewhere = 0
            done = tally.texts
            batches = _batches(refresh, work, claims, purse)
            line = Line(refresh, space, work.declared, endpoint, tally, purse, batches, stage)
            try:
                endpoint.run(line.run)
            except BaseException:
                with suppress(psycopg.Error, SuimonError):  # The database may be what failed: the lease runs out then.
                    line.settle_requests()
                    claims.release()
                raise
            line.settle_requests()
            claims.release()
            if not claims.elsewhere or purse.empty or _is_late(work):
                return
            tally.elsewhere = max(tally.elsewhere, claims.elsewhere)
            pause = 0.1 if tally.texts > done else min(LONGEST_POLL_SECONDS, pause * 1.5)
            time.sleep(pause)


def _batches(refresh: Refresh, work: _Work, claims: Claims, purse: Purse) -> Iterator[list[Text]]:
    """Read what waits, claim it, and pack it into requests."""
    params = refresh.params | {"space_id": work.space.space_id}
    limits = work.declared
    waiting = claims.session.stream(Text, "vectors/read_unembedded", params, batch=1000, vectors=work.space.table)
    most_tokens = min(limits.max_request_tokens, limits.tokens_per_minute or limits.max_request_tokens)
    mine = claims.take(_fitting(work, waiting))
    packed = pack(affordable(mine, purse), min(work.space.max_inputs, limits.max_inputs), most_tokens)
    for batch in packed:
        yield batch
        if _is_late(work):
            return


def _is_late(work: _Work) -> bool:
    return work.until is not None and time.monotonic() > work.until


def _fitting(work: _Work, texts: Iterable[Text]) -> Iterator[Text]:
    """Leave out what the model would read only the beginning of."""
    work.too_long.clear()
    for text in texts:
        if work.room and exceeds(text.text, work.room):
            work.too_long.append(text)
        else:
            yield text


def _hold_back(refresh: Refresh, work: _Work) -> None:
    """Write down what the model would not have read to its end: an old publish may still show it."""
    if not work.too_long:
        return
    room = next(iter(work.room.values()))
    params = {
        "space_id": work.space.space_id,
        "text_ids": [text.text_id for text in work.too_long],
        "reason": "too_long",
        "details": [f"more than {room} tokens"] * len(work.too_long),
    }
    with refresh.writing():
        refresh.session.execute("vectors/record_failures", params)
    work.tally.refused += len(work.too_long)
    work.too_long.clear()


def _stop_within_budget(refresh: Refresh, work: _Work, report: StageReport) -> None:
    """Leave the rest for a later refresh: publish what is finished if that was declared, else stop.

    Raises:
        BudgetReached: the collection is published as a whole or not at all, or the space is only being filled.
    """
    space, tally = work.space, work.tally
    params = refresh.params | {"space_id": space.space_id}
    left = refresh.session.record("vectors/count_unembedded", params, vectors=space.table)
    if not refresh.settings.budget.publish_finished or not space.demanded:
        kept = f"{tally.texts:,} texts, which are kept; {left['texts']:,} texts of about {left['tokens']:,} tokens wait"
        begin = f"{refresh.name} was not published: its" if space.demanded else "the"
        raise BudgetReached(
            f"{begin} budget is spent. This run sent {tally.tokens:,} tokens for {kept}. "
            "The next refresh goes on; raise `budget` in collections.yaml, or set its publish_finished."
        )
    with refresh.writing():
        documents = refresh.session.execute("vectors/postpone_unfinished", params, vectors=space.table)
    report.counts["postponed_documents"] = report.counts.get("postponed_documents", 0) + documents
    report.counts["postponed_texts"] = report.counts.get("postponed_texts", 0) + left["texts"]
