"""What a user declares, as values: the models behind `collections.yaml`.

A field here is a key there; its description is what an editor shows. What decides a stage's output goes
into that stage's recipe; what does not (limits, schedules, concurrency) never does.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fsspec.utils import glob_translate
from pydantic import (
    Field,
    SecretStr,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from assets.declaring import Address, Settings
from assets.documents.patterns import check_link, check_path_pattern, check_sidecar, hint, sidecar_glob
from assets.documents.values import FieldType, NotOfType, convert
from assets.profiles.settings import Profiles

TokenizerName = Literal["xlm-roberta", "cl100k_base", "o200k_base", "estimate"]


_CRON_FIELD = re.compile(r"[\d*/,\-]+|[A-Za-z]{3}(?:[,\-][A-Za-z]{3})*")


def check_cron(value: str | None) -> str | None:
    """Make sure that a text is a cron expression of five fields.

    Raises:
        ValueError: it is not.
    """
    fields = (value or "").split()
    if value is not None and (len(fields) != 5 or not all(_CRON_FIELD.fullmatch(part) for part in fields)):
        raise ValueError(f"{value!r} is no cron expression; write it as '0 3 * * *'")
    return value


def check_zone(value: str) -> str:
    """Make sure that a text names a time zone.

    Raises:
        ValueError: it does not.
    """
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{value!r} is no time zone; write it as Asia/Tokyo") from None
    return value


class Chunking(Settings):
    """How a document is cut. Part of the chunk recipe: a change cuts every document again."""

    max_tokens: int = Field(
        384,
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
    overlap_tokens: int = Field(
        default=0,
        ge=0,
        le=4000,
        description="Most tokens of whole sentences that a chunk repeats from the end of the one before it.",
    )
    heading_path: bool = Field(
        default=True,
        description="Embed the headings above a passage together with it. Readers are shown the passage alone.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Chunking:
        if self.min_tokens >= self.max_tokens:
            raise ValueError("min_tokens must be below max_tokens")
        if self.overlap_tokens * 2 >= self.max_tokens:
            raise ValueError("overlap_tokens must be below half of max_tokens")
        return self


class Limits(Settings):
    """Bounds beyond which nothing is published, or a file is not read."""

    vanished_share: float = Field(
        0.2, ge=0, le=1, description="Largest share of the published documents that one refresh may take away."
    )
    growth_share: float = Field(
        5.0,
        ge=0,
        description="Largest number of new documents in one refresh, as a share of the published ones ...",
    )
    growth_documents: int = Field(
        1000,
        ge=0,
        description="... provided that there are more than this. A first refresh is not bound.",
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


class Budget(Settings):
    """What a collection may spend on its endpoints; beyond it a refresh stops, keeps what it paid for, and resumes."""

    tokens_per_run: int | None = Field(None, gt=0, description="Most tokens that one refresh sends; null for no bound.")
    tokens_per_day: int | None = Field(
        None, gt=0, description="Most tokens in a calendar day of the collection's time zone."
    )
    cost_per_run: float | None = Field(
        None, gt=0, description="Most money in one refresh, in the currency of the space, whose price must be declared."
    )
    cost_per_day: float | None = Field(None, gt=0, description="Most money in a calendar day.")
    publish_finished: bool = Field(
        default=False,
        description="Whether a refresh that its budget stopped publishes the documents that are finished. Otherwise "
        "nothing is published until all are.",
    )

    @property
    def in_money(self) -> bool:
        """Whether a price is needed."""
        return self.cost_per_run is not None or self.cost_per_day is not None


Origin = Literal["source", "properties", "path", "front_matter", "manifest", "sidecar"]
"""Where a value may come from, the weakest first: the closer to a person's hand, the stronger."""

_FIELD_NAME = re.compile(r"[^\W\d]\w{0,59}")


class MetadataField(Settings):
    """A declared field: what it is, and where its value may come from."""

    type: FieldType = Field("string", description="What a value must be; one that is not is left out and named.")
    description: str = Field("", description="What the field says of a document; for people and for models.")
    origins: tuple[Origin, ...] | None = Field(
        None,
        alias="from",
        min_length=1,
        description="The only places that the value may come from; null for every one. The order does not matter: "
        "sidecar, manifest, front_matter, path, properties, source is from the strongest to the weakest.",
    )
    key: str | None = Field(None, min_length=1, description="Its name where the value is found, if that differs.")
    default: Any = Field(None, description="Value of a document for which none is found.")

    @model_validator(mode="after")
    def _default_has_the_type(self) -> MetadataField:
        if self.default is not None:
            try:
                convert(self.default.isoformat() if isinstance(self.default, date) else self.default, self.type)
            except NotOfType as error:
                raise ValueError(f"default is {error}, which type: {self.type} asks for") from None
        return self

    @field_serializer("default", when_used="json")
    def _written(self, value: Any) -> Any:
        return value.isoformat() if isinstance(value, date) else value

    def takes(self, origin: Origin) -> bool:
        """Say whether the value may come from there."""
        return self.origins is None or origin in self.origins


class Metadata(Settings):
    """What is known of the documents of a collection beyond their text: declared, typed, filterable."""

    fields: dict[str, MetadataField] = Field(min_length=1, description="The fields, by name.")
    path: str | None = Field(
        None,
        description="Pattern over the path below the source, as {department}/{year}/*: named parts become values, "
        "* is any part, ** any number of parts.",
    )
    sidecar: str | None = Field(
        None,
        description="A YAML or JSON file beside the document, as {uri}.meta.yaml or {folder}/{stem}.json. Files that "
        "fit are no documents themselves.",
    )
    manifest: str | None = Field(
        None,
        min_length=1,
        description="One CSV or JSONL file below the source, with a row a document and its path in the column uri.",
    )

    @field_validator("fields")
    @classmethod
    def _field_names(cls, value: dict[str, MetadataField]) -> dict[str, MetadataField]:
        for name in value:
            if not _FIELD_NAME.fullmatch(name) or name in {"uri", "page"}:
                raise ValueError(f"{name!r} cannot name a field; use letters, digits and _, and neither uri nor page")
        return value

    @field_validator("path")
    @classmethod
    def _path_names_fields(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            fields: dict[str, MetadataField] = info.data.get("fields", {})
            known = [field.key or name for name, field in fields.items() if field.takes("path")]
            for name in check_path_pattern(value):
                if fields and name not in known:
                    raise ValueError(
                        f"names {{{name}}}, which is no declared field that comes from path; {hint(name, known)}"
                    )
        return value

    @field_validator("sidecar")
    @classmethod
    def _sidecar_can_be_told(cls, value: str | None) -> str | None:
        if value is not None:
            check_sidecar(value)
        return value

    @field_validator("manifest")
    @classmethod
    def _manifest_is_below_the_source(cls, value: str | None) -> str | None:
        if value is not None:
            if not value.lower().endswith((".csv", ".tsv", ".jsonl", ".ndjson")):
                raise ValueError("must end with .csv, .tsv, .jsonl or .ndjson")
            if set("*?[]\\") & set(value) or set(value.split("/")) & {"", ".", ".."}:
                raise ValueError("must be a plain path below the source, as lists/index.csv")
        return value


BUILT_IN_FIELDS = ("name", "folder", "format", "parent")
"""Metadata that documents have without a declaration; all of it is text."""

_LONGEST_ROLE = 63


def check_roles(value: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Make sure that names can be those of database roles.

    Raises:
        ValueError: one cannot; who would be meant to read would read nothing.
    """
    for role in value or ():
        if role in {"public", "none"}:
            raise ValueError(f"{role!r} is no role; leave readers out for every reader, write [] for nobody")
        if not 0 < len(role.encode()) <= _LONGEST_ROLE or "\0" in role:
            raise ValueError(f"{role!r} cannot name a database role, which has 1 to {_LONGEST_ROLE} bytes")
    return value


def rule_value(metadata: Metadata | None, name: str, value: Any) -> Any:
    """Return a value of a rule as documents hold it: of the field's type, in a list where the field is one.

    Args:
        metadata: the declared fields.
        name: of the field.
        value: as declared in the rule.

    Raises:
        ValueError: there is no such field, or the value does not have its type; such a rule would fit no document.
    """
    fields = metadata.fields if metadata else {}
    if name not in fields and name not in BUILT_IN_FIELDS:
        known = ", ".join([*BUILT_IN_FIELDS, *fields])
        raise ValueError(f"document_readers: {name!r} is no metadata field of the collection; known here: {known}")
    kind = fields[name].type if name in fields else "string"
    try:
        return [convert(value, "string")] if kind == "strings" else convert(value, kind)
    except NotOfType as error:
        raise ValueError(f"document_readers: {value!r} of {name} is {error}, which type: {kind} asks for") from None


class Golden(Settings):
    """Golden questions of a collection, and how far their figures may fall from one publish to the next."""

    file: str = Field(
        min_length=1,
        description="Questions with the documents that answer them, as JSONL (or a YAML list); a path relative to "
        "collections.yaml.",
    )
    k: int = Field(10, ge=1, le=100, description="How many passages of each search are looked at.")
    tolerance: float = Field(
        0.05,
        ge=0,
        le=1,
        description="How far a mean may fall against the last publish; a publish beyond it is taken back.",
    )
    measures: tuple[Literal["recall", "ndcg"], ...] = Field(
        ("recall", "ndcg"),
        min_length=1,
        description="Which measures may not fall: recall (whether the answers are among the first k passages), ndcg "
        "(how far up they are).",
    )


class DocumentReaders(Settings):
    """A rule for some documents of a collection: who may read them instead."""

    path: str | None = Field(
        None,
        min_length=1,
        description="Glob over the path below the source, as board/**. Attachments are where their mail is.",
    )
    metadata: dict[str, str | int | float | bool] | None = Field(
        None, min_length=1, description="Values that the document's metadata has, as {confidentiality: secret}."
    )
    readers: tuple[str, ...] = Field(description="Database roles that may read such documents; [] for nobody.")

    _roles = field_validator("readers")(check_roles)

    @field_validator("path")
    @classmethod
    def _path_is_a_glob(cls, value: str | None) -> str | None:
        if value is not None:
            re.compile(glob_translate(value))  # Says itself where ** may stand.
        return value

    @model_validator(mode="after")
    def _fits_something(self) -> DocumentReaders:
        if self.path is None and self.metadata is None:
            raise ValueError("a rule needs path, metadata or both")
        return self


class Collection(Settings):
    """A declared set of documents: what is refreshed, audited and published together."""

    source: str = Field(description="A folder, or any fsspec URL such as s3://bucket/prefix.")
    include: tuple[str, ...] = Field(
        ("**/*",), min_length=1, description="Globs below the source; a file must match one."
    )
    exclude: tuple[str, ...] = Field((), description="Globs below the source; a file that matches one is left out.")
    follow_links: bool = Field(
        default=False,
        description="Whether symbolic links in a local folder are followed, also out of it. Loops are noticed.",
    )
    storage_options: dict[str, str | int | bool | dict[str, str]] = Field(
        default_factory=dict,
        repr=False,
        description="Options for the fsspec file system, as endpoint_url or anon for S3.",
    )
    metadata: Metadata | None = Field(None, description="Fields that each document has, and where they come from.")
    link: str | None = Field(
        None,
        description="Address that a citation points to. {uri} stands for the document's path below the source, {name}, "
        "{folder} and {stem} for parts of it, {page} for the first page of the passage; any metadata field may stand "
        "too. What is put in is percent-encoded.",
    )
    readers: tuple[str, ...] | None = Field(
        None,
        description="Database roles that may read the collection; without it every reader may, with [] nobody.",
    )
    document_readers: tuple[DocumentReaders, ...] = Field(
        (), description="Rules for some documents; the first that fits decides, else the collection's readers."
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
    profiles: Profiles | None = Field(
        None, description="What the LLM is to say of each document; without it, nothing is asked."
    )
    budget: Budget = Field(
        default_factory=lambda: Budget.model_validate({}), description="What a refresh, and a day, may cost."
    )
    golden: Golden | None = Field(
        None, description="Questions that are asked before every publish, which is taken back when they fare worse."
    )

    _cron = field_validator("schedule")(check_cron)
    _zone = field_validator("timezone")(check_zone)
    _roles = field_validator("readers")(check_roles)

    @field_validator("link")
    @classmethod
    def _known_placeholders(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and "metadata" in info.data:  # Without it, another problem is reported.
            metadata: Metadata | None = info.data["metadata"]
            check_link(value, {name: field.type for name, field in metadata.fields.items()} if metadata else {})
        return value

    @model_validator(mode="after")
    def _rules_can_fit(self) -> Collection:
        for rule in self.document_readers:
            for name, value in (rule.metadata or {}).items():
                rule_value(self.metadata, name, value)
        return self

    @model_validator(mode="after")
    def _budget_lets_a_chunk_through(self) -> Collection:
        for name in ("tokens_per_run", "tokens_per_day"):
            bound = getattr(self.budget, name)
            if bound is not None and bound < self.chunking.max_tokens:
                raise ValueError(
                    f"budget.{name} is below chunking.max_tokens ({self.chunking.max_tokens}): a chunk could never be "
                    "paid for"
                )
        return self

    @property
    def left_out(self) -> tuple[str, ...]:
        """Globs of what is no document: what the user excludes, sidecars, the manifest."""
        if self.metadata is None:
            return self.exclude
        sidecars = (sidecar_glob(self.metadata.sidecar),) if self.metadata.sidecar else ()
        manifest = (self.metadata.manifest,) if self.metadata.manifest else ()
        return self.exclude + sidecars + manifest


class Space(Settings):
    """A model behind an OpenAI-compatible endpoint, and what is needed to compare its vectors."""

    base_url: Address | None = Field(
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
    requests_per_minute: int | None = Field(
        None, ge=1, description="Most requests in any minute, by all processes together; null where there is no limit."
    )
    tokens_per_minute: int | None = Field(
        None, ge=512, description="Most tokens in any minute, by all processes together; null where there is no limit."
    )
    price_per_million_tokens: float | None = Field(
        None, ge=0, description="Price of 1,000,000 tokens, for the ledger of cost and for budgets in money."
    )
    currency: str = Field("USD", pattern="^[A-Z]{3}$", description="Currency of the price, as in ISO 4217.")

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
