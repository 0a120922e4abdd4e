"""The asset `corpus/vectors`."""

from assets.shell import Room
from assets.vectors.audits import suite

ROOM = Room(
    stage="vectors",
    after="chunks",
    description=(
        "A vector for every text that has none in the space, from an OpenAI-compatible endpoint. Each answer is "
        "checked and committed as it comes; nothing is embedded twice."
    ),
    code_version="1",
    table="corpus.vectors",
    kinds=frozenset({"postgres", "openai"}),
    columns={
        "text_id": ("bigint", "The embedded text."),
        "embedding": ("vector", "The vector; halfvec above 2,000 dimensions."),
    },
    suite=suite(384, normalised=True),
)
