"""What a user declares, as values: the models behind `collections.yaml`.

A field here is a key there; its description is what an editor shows. What decides a stage's output goes
into that stage's recipe; what does not (limits, schedules, concurrency) never does.
"""

from __future__ import annotations

import re
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

TokenizerName = Literal["xlm-roberta", "cl100k_base", "o200k_base", "estimate"]


_CRON_FIELD = re.compile(r"[\d*/,\-]+|[A-Za-z]{3}(?:[,\-][A-Za-z]{3})*")


class Settings(BaseModel):
    """Base of all settings: frozen, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Chunking(Settings):
    """How a document is cut. Part of the chunk recipe: a change cuts every document again."""

    max_tokens: int = Field(
        256,
        ge=16,
        le=8000,
        description="Most tokens in a chunk, counted by the space's tokenizer, heading path included.",
    )
    min_tokens: int = Field(
        48,
        ge=0,
        le=4000,
        description="A section shorter than this is joined with its neighbour under the same heading.",
    )
    heading_path: bool = Field(
        default=True,
        description="Embed the headings above a passage together with it. Readers are shown the passage alone.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Chunking:
        if self.min_tokens >= self.max_tokens:
            raise ValueError("min_tokens must be below max_tokens")
        return self


class Limits(Settings):
    """Bounds beyond which nothing is published, or a file is not read."""

    vanished_share: float = Field(
        0.2, ge=0, le=1, description="Largest share of the published documents that one refresh may take away."
    )
    quarantined_share: float = Field(
        0.1, ge=0, le=1, description="Share of quarantined documents above which nothing is published ..."
    )
    quarantined_documents: int = Field(
        3, ge=0, description="... provided that more documents than this are in quarantine."
    )
    max_file_mb: float = Field(
        200, gt=0, description="A larger file is quarantined unread. Megabytes of 1,000,000 bytes."
    )
    parse_seconds: float = Field(60, gt=0, description="Longest time to parse one file, in seconds.")
    parse_memory_mb: int = Field(2048, ge=256, description="Most memory of one parser process, in MiB.")


class Collection(Settings):
    """A declared set of documents: what is refreshed, audited and published together."""

    source: str = Field(description="A folder, or any fsspec URL such as s3://bucket/prefix.")
    include: tuple[str, ...] = Field(
        ("**/*",), min_length=1, description="Globs below the source; a file must match one."
    )
    exclude: tuple[str, ...] = Field((), description="Globs below the source; a file that matches one is left out.")
    storage_options: dict[str, str | int | bool | dict[str, str]] = Field(
        default_factory=dict,
        repr=False,
        description="Options for the fsspec file system, as endpoint_url or anon for S3.",
    )
    link: str | None = Field(
        None, description="Address that a citation points to; {uri} stands for the document's path below the source."
    )
    schedule: str | None = Field("0 3 * * *", description="Cron expression of the nightly refresh; null for none.")
    timezone: str = Field("UTC", description="Time zone of the schedule, as in the IANA database.")
    watch: bool = Field(
        default=False, description="Whether the sensor lists the source every minute and refreshes when it changed."
    )
    chunking: Chunking = Field(
        default_factory=lambda: Chunking.model_validate({}), description="How documents are cut."
    )
    limits: Limits = Field(default_factory=lambda: Limits.model_validate({}), description="Bounds that stop a publish.")

    @field_validator("schedule")
    @classmethod
    def _five_fields(cls, value: str | None) -> str | None:
        fields = (value or "").split()
        if value is not None and (len(fields) != 5 or not all(_CRON_FIELD.fullmatch(part) for part in fields)):
            raise ValueError(f"{value!r} is no cron expression; write it as '0 3 * * *'")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{value!r} is no time zone; write it as Asia/Tokyo") from None
        return value

    @field_validator("link")
    @classmethod
    def _known_placeholders(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                value.format(uri="")
            except (KeyError, IndexError, ValueError):
                raise ValueError("may hold only the placeholder {uri}") from None
        return value


class Space(Settings):
    """A model behind an OpenAI-compatible endpoint, and what is needed to compare its vectors."""

    base_url: str | None = Field(
        None, description="Address of the endpoint up to /v1. Without one, the bundled model is served on loopback."
    )
    api_key: SecretStr | None = Field(
        None, description="Key of the endpoint, as ${OPENAI_API_KEY}; never written here itself."
    )
    model: str = Field("e5-passage", description="Model name that is sent when passages are embedded.")
    query_model: str | None = Field(None, description="Model name that is sent for questions, where it differs.")
    dimensions: int | None = Field(
        None, ge=1, le=4000, description="Dimensions to ask for; without it, what the model gives is taken."
    )
    passage_prefix: str = Field("", description="Put before each passage, as some models ask for.")
    query_prefix: str = Field("", description="Put before each question.")
    tokenizer: TokenizerName = Field(
        "estimate",
        description="Whose tokens count: xlm-roberta (e5, bge-m3), cl100k_base or o200k_base (OpenAI), or an estimate.",
    )
    token_limit: int = Field(8192, ge=32, description="Most tokens that the model reads of one input.")
    max_inputs: int = Field(256, ge=1, le=2048, description="Most inputs in one request.")
    max_request_tokens: int = Field(100_000, ge=512, description="Most tokens in one request.")
    concurrency: int = Field(8, ge=1, le=256, description="Requests under way at once.")
    deadline_seconds: float = Field(120, gt=0, description="Time for one batch, with all its retries.")

    @property
    def is_local(self) -> bool:
        """Whether the bundled model on loopback is meant."""
        return self.base_url is None


LOCAL_SPACE_NAME = "e5_small"
LOCAL_SPACE = Space.model_validate(
    {
        "model": "e5-passage",
        "query_model": "e5-query",
        "tokenizer": "xlm-roberta",
        "token_limit": 512,
        "max_inputs": 8,
        "max_request_tokens": 4096,
        "concurrency": 2,
        "deadline_seconds": 600,
    }
)
"""multilingual-e5-small, which reads English and Japanese alike: 384 dimensions, 512 tokens. The server
computes one request at a time; two under way keep it from waiting for us."""
