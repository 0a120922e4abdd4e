"""The LLM that a user declares: the model behind `llm` in `collections.yaml`, what it costs, and its ledger."""

from __future__ import annotations

from pydantic import Field, SecretStr, model_validator

from assets.declaring import Address, Settings
from resources import local_llm
from resources.llm_endpoint import LlmEndpoint
from resources.pacing import Pacer, host_of
from resources.postgres import Session


class Llm(Settings):
    """A large language model behind an OpenAI-compatible endpoint, for profiles and answers."""

    local: bool = Field(
        default=False,
        description="Whether the small model of the extra local-llm is served on loopback: real and weak, for trying "
        "things out. Otherwise base_url and model are needed.",
    )
    base_url: Address | None = Field(None, description="Address of the endpoint up to /v1.")
    api_key: SecretStr | None = Field(
        None, description="Key of the endpoint, as ${OPENAI_API_KEY}; never written here itself."
    )
    model: str = Field("", description="Model name that is sent.")
    served_model: str | None = Field(
        None,
        description="Name that answers must bear, where it differs from model; an answer of another model is not kept. "
        "Without it, a process holds on to the name that it hears first.",
    )
    context_tokens: int = Field(
        32_768, ge=1024, description="Most tokens that the model takes, prompt and answer together."
    )
    max_output_tokens: int = Field(1024, ge=64, description="Most tokens of one answer.")
    bytes_per_token: float = Field(
        3.0,
        gt=0,
        le=8,
        description="About how many bytes of text a token is, rather too few; decides how much is sent at once.",
    )
    concurrency: int = Field(4, ge=1, le=256, description="Requests under way at once.")
    deadline_seconds: float = Field(120, gt=0, description="Time for one answer, with all its retries.")
    requests_per_minute: int | None = Field(
        None, ge=1, description="Most requests in any minute, by all processes together; null where there is no limit."
    )
    tokens_per_minute: int | None = Field(
        None, ge=512, description="Most tokens in any minute, by all processes together; null where there is no limit."
    )
    price_per_million_input_tokens: float | None = Field(
        None, ge=0, description="Price of 1,000,000 tokens of prompts, for the ledger of cost and for budgets in money."
    )
    price_per_million_output_tokens: float | None = Field(
        None, ge=0, description="Price of 1,000,000 tokens of answers."
    )
    currency: str = Field("USD", pattern="^[A-Z]{3}$", description="Currency of the prices, as in ISO 4217.")

    @model_validator(mode="after")
    def _is_somewhere(self) -> Llm:
        if self.local and self.base_url:
            raise ValueError("declares local: true and a base_url; keep one of them")
        if not self.local and not (self.base_url and self.model):
            raise ValueError("needs base_url and model, or local: true for the small model of `make local-llm`")
        if self.max_output_tokens * 2 > self.context_tokens:
            raise ValueError("max_output_tokens must be at most half of context_tokens")
        if (self.price_per_million_input_tokens is None) != (self.price_per_million_output_tokens is None):
            raise ValueError("needs both prices, of input and of output tokens, or neither")
        return self

    @property
    def has_prices(self) -> bool:
        """Whether what is asked can be counted in money."""
        return self.price_per_million_input_tokens is not None

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """Return what so many tokens cost; None where no price is declared.

        Args:
            prompt_tokens: that were sent.
            completion_tokens: that were answered.
        """
        if self.price_per_million_input_tokens is None or self.price_per_million_output_tokens is None:
            return None
        asked = prompt_tokens * self.price_per_million_input_tokens
        return (asked + completion_tokens * self.price_per_million_output_tokens) / 1_000_000


LOCAL_LLM = {
    "local": True,
    "model": local_llm.MODEL,
    "context_tokens": local_llm.CONTEXT_TOKENS,
    "max_output_tokens": 512,
    "bytes_per_token": 2.0,
    "concurrency": 1,
    "deadline_seconds": 600,
}
"""What `local: true` stands for; each of it can be declared otherwise."""


def open_endpoint(llm: Llm, base_url: str, pacer: Pacer | None, *, keeps: bool = False) -> LlmEndpoint:
    """Make the door to a declared LLM; nothing is sent yet.

    Args:
        llm: as declared.
        base_url: the declared one, or that of the local server.
        pacer: says when a request may be sent.
        keeps: whether its answers are kept as they come.
    """
    return LlmEndpoint(
        base_url=base_url,
        api_key=llm.api_key.get_secret_value() if llm.api_key else None,
        model=llm.model,
        concurrency=llm.concurrency,
        deadline_seconds=llm.deadline_seconds,
        served_model=llm.served_model,
        pacer=pacer,
        keeps=keeps,
    )


def limits_name(base_url: str) -> str:
    """Name an LLM endpoint for the limiter: a server's limits on embeddings are others than those on its LLM.

    Args:
        base_url: of the endpoint.
    """
    return f"{host_of(base_url)} (llm)"


def record_cost(
    session: Session,
    llm: Llm,
    endpoint: LlmEndpoint,
    *,
    collection: str,
    run_id: str,
    stage: str,
    timezone: str,
    requests: int,
    inputs: int,
    prompt_tokens: int,
    completion_tokens: int,
) -> None:
    """Add what an LLM was asked to the ledger of cost, best in the transaction that keeps what was paid for.

    Args:
        session: of the pipeline role.
        llm: as declared.
        endpoint: that was asked.
        collection: for which; empty where it is for several.
        run_id: the run, or another name of the caller.
        stage: `profiles` or `answers`.
        timezone: whose days a budget counts.
        requests: sent, those that failed included.
        inputs: of those, answered.
        prompt_tokens: that the endpoint charged for.
        completion_tokens: likewise.
    """
    session.execute(
        "endpoints/record_cost",
        {
            "collection": collection,
            "run_id": run_id,
            "stage": stage,
            "model": llm.model,
            "endpoint": endpoint.host,
            "timezone": timezone,
            "requests": requests,
            "inputs": inputs,
            "tokens": prompt_tokens + completion_tokens,
            "output_tokens": completion_tokens,
            "price": llm.price_per_million_input_tokens,
            "output_price": llm.price_per_million_output_tokens,
            "currency": llm.currency,
        },
    )
