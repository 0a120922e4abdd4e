"""The vectors stage: embed every text that a candidate needs and that has no vector in the space."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

import psycopg
from pgvector.psycopg import register_vector

from assets.refresh import Refresh, StageReport
from assets.settings import Budget
from assets.vectors.batching import Text, pack
from assets.vectors.claims import Claims
from assets.vectors.line import Line, Tally
from assets.vectors.spaces import KnownSpace, ensure_space
from assets.vectors.spending import Purse, Spent, affordable, allowance
from resources.errors import BudgetReached, ConfigurationError, SuimonError

LONGEST_POLL_SECONDS = 2.0
"""How long at most before it is looked again whether another refresh has finished the texts that it claimed."""


def run(refresh: Refresh) -> StageReport:
    """Embed what has no vector yet; each answer is committed as it comes.

    Raises:
        EndpointUnavailable: the endpoint did not answer in time; what it answered is kept.
        EndpointRefused: the endpoint cannot be used as declared.
        BudgetReached: what a run or a day may cost is spent; what was paid for is kept.
    """
    report = StageReport("vectors")
    if refresh.converged:
        return report
    space = ensure_space(refresh.bench, refresh.session)
    _fits(refresh, space)
    tally = Tally()
    params = refresh.params | {"space_id": space.space_id}
    if refresh.session.execute("vectors/clear_postponed", refresh.params):
        report.changed = True
    holder = {"collection_id": refresh.collection_id, "token": refresh.lease.token}
    refresh.session.execute("vectors/release_all_claims", holder)  # What a dead refresh had claimed, wanted or not.
    tally.total = refresh.session.record("vectors/count_unembedded", params, vectors=space.table)["texts"]
    if tally.total:
        purse = Purse(_allowed(refresh))
        _embed_waiting(refresh, space, tally, purse)
        if purse.empty:
            _stop_within_budget(refresh, space, tally, report)
    report.counts = {
        "embedded": tally.texts,
        "tokens": tally.tokens,
        "requests": tally.requests,
        "refused": tally.refused,
        "elsewhere": tally.elsewhere,
        **report.counts,
    }
    price = refresh.bench.space.price_per_million_tokens
    if price is not None:
        report.cost, report.currency = tally.tokens * price / 1_000_000, refresh.bench.space.currency
    report.changed |= tally.total > 0
    return report


def _fits(refresh: Refresh, space: KnownSpace) -> None:
    """Make sure that the model reads a chunk to its end.

    Raises:
        ConfigurationError: it was seen to read less.
    """
    longest = refresh.settings.chunking.max_tokens
    if longest > space.token_limit:
        raise ConfigurationError(
            f"chunking.max_tokens of {refresh.name} is {longest}, but the endpoint was seen to read only "
            f"{space.token_limit} tokens of an input and to ignore the rest; set it to at most {space.token_limit}, or "
            "serve the model with a longer context."
        )


def _allowed(refresh: Refresh) -> float:
    """Return the tokens that the collection's budget leaves to this run."""
    budget = refresh.settings.budget
    if budget == Budget.model_validate({"publish_finished": budget.publish_finished}):
        return allowance(budget, Spent(), None)
    who = {"collection": refresh.name, "run_id": refresh.run_id, "timezone": refresh.settings.timezone}
    spent = refresh.session.rows(Spent, "vectors/read_spent", who)[0]
    return allowance(budget, spent, refresh.bench.space.price_per_million_tokens)


def _embed_waiting(refresh: Refresh, space: KnownSpace, tally: Tally, purse: Purse) -> None:
    """Embed what nobody else is embedding, and wait for what somebody else is."""
    register_vector(refresh.session.connection)
    refresh.session.execute("vectors/create_incoming", vectors=space.table)
    with refresh.bench.database.connect() as reader:
        claims = Claims(reader, refresh.lease, space)
        pause = 0.1
        while True:
            claims.elsewhere = 0
            done = tally.texts
            line = Line(refresh, space, tally, purse, _batches(refresh, space, claims, purse))
            try:
                refresh.bench.endpoint.run(line.run)
            except BaseException:
                with suppress(psycopg.Error, SuimonError):  # The database may be what failed: the lease runs out then.
                    line.settle_requests()
                    claims.release()
                raise
            line.settle_requests()
            claims.release()
            if not claims.elsewhere or purse.empty:
                return
            tally.elsewhere = max(tally.elsewhere, claims.elsewhere)
            pause = 0.1 if tally.texts > done else min(LONGEST_POLL_SECONDS, pause * 1.5)
            time.sleep(pause)


def _batches(refresh: Refresh, space: KnownSpace, claims: Claims, purse: Purse) -> Iterator[list[Text]]:
    """Read what waits, claim it, and pack it into requests."""
    params = refresh.params | {"space_id": space.space_id}
    limits = refresh.bench.space
    waiting = claims.session.stream(Text, "vectors/read_unembedded", params, batch=1000, vectors=space.table)
    most_tokens = min(limits.max_request_tokens, limits.tokens_per_minute or limits.max_request_tokens)
    return pack(affordable(claims.take(waiting), purse), min(space.max_inputs, limits.max_inputs), most_tokens)


def _stop_within_budget(refresh: Refresh, space: KnownSpace, tally: Tally, report: StageReport) -> None:
    """Leave the rest for a later refresh: publish what is finished if that was declared, else stop.

    Raises:
        BudgetReached: the collection is published as a whole or not at all.
    """
    params = refresh.params | {"space_id": space.space_id}
    left = refresh.session.record("vectors/count_unembedded", params, vectors=space.table)
    if not refresh.settings.budget.publish_finished:
        raise BudgetReached(
            f"{refresh.name} was not published: its budget is spent. This run sent {tally.tokens:,} tokens for "
            f"{tally.texts:,} texts, which are kept; {left['texts']:,} texts of about {left['tokens']:,} tokens wait. "
            "The next refresh goes on; raise `budget` in collections.yaml, or set its publish_finished."
        )
    with refresh.writing():
        documents = refresh.session.execute("vectors/postpone_unfinished", params, vectors=space.table)
    report.counts |= {"postponed_documents": documents, "postponed_texts": left["texts"]}
