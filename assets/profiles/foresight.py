"""What the LLM would be asked about a collection: an estimate for `suimon plan`, which sends and writes nothing."""

from __future__ import annotations

import math

from assets.llm import Llm
from assets.profiles.recipe import profile_recipe
from assets.settings import Collection
from resources.postgres import Session

PROMPT_BYTES = 3000
"""Of the prompt and its schema, which each request repeats."""
ANSWER_TOKENS = 250


def foresee(
    session: Session, settings: Collection, llm: Llm, name: str, fresh: int, fresh_tokens: int
) -> tuple[int, int, int]:
    """Estimate what a run would ask.

    Args:
        session: of the pipeline role.
        settings: of the collection, which asks for profiles.
        llm: as declared.
        name: of the collection.
        fresh: documents that are to be parsed first.
        fresh_tokens: of these, about.

    Returns:
        Documents, requests, tokens.
    """
    assert settings.profiles is not None
    recipe = profile_recipe(settings.profiles, llm).params()
    params = {"name": name, "stage": recipe["stage"], "declared": recipe["declared"]}
    waiting = session.record("profiles/foresee", params)
    documents = waiting["documents"] + fresh
    most = settings.profiles.max_document_tokens
    tokens = min(waiting["bytes"] / llm.bytes_per_token, documents * most) + fresh_tokens
    prompt = PROMPT_BYTES / llm.bytes_per_token
    room = max(100.0, llm.context_tokens - llm.max_output_tokens - prompt)
    requests = documents and max(documents, math.ceil(tokens / room))
    return documents, requests, math.ceil(tokens + requests * (prompt + min(ANSWER_TOKENS, llm.max_output_tokens)))
