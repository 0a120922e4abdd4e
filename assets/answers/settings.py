"""What `collections.yaml` declares of answers."""

from __future__ import annotations

from pydantic import Field

from assets.declaring import Settings


class Answers(Settings):
    """How questions are answered from the table."""

    passages: int = Field(8, ge=1, le=50, description="Passages to answer from, as many as fit into the model.")
    least_similarity: float | None = Field(
        None,
        ge=-1,
        le=1,
        description="Cosine similarity that the nearest passage has to reach; below it, the LLM is not asked and the "
        "documents do not answer. It depends on the embedding model: docs/answers.md says how to find it.",
    )
    questions: str | None = Field(
        None, description="JSONL file of golden questions with their answers, for `suimon evaluate-answers`."
    )
