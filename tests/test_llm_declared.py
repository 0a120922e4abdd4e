"""The LLM as it is declared: what a declaration means, and what is said where there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from assets.llm import Llm, open_endpoint, record_cost
from assets.workbench import Workbench
from pipelines.config import load
from resources import local_llm
from resources.errors import ConfigurationError, EndpointUnavailable
from resources.llm_endpoint import LlmEndpoint
from resources.postgres import Database
from tests.conftest import rows


def declared(folder: Path, llm: str, environ: dict[str, str] | None = None) -> Llm | None:
    """Read a declaration with that `llm`."""
    path = folder / "collections.yaml"
    path.write_text(f"collections: {{notes: {{source: notes}}}}\n{llm}\n")
    return load(path, environ or {}).declaration.llm


def test_without_one_nothing_is_assumed(tmp_path: Path) -> None:
    assert declared(tmp_path, "", {"OPENAI_API_KEY": "sk-1"}) is None


def test_local_means_the_small_model_with_its_settings(tmp_path: Path) -> None:
    llm = declared(tmp_path, "llm: {local: true, max_output_tokens: 200}")
    assert llm is not None
    assert (llm.model, llm.context_tokens, llm.max_output_tokens) == (local_llm.MODEL, 4096, 200)


def test_a_key_comes_from_the_environment_and_is_shown_nowhere(tmp_path: Path) -> None:
    llm = declared(tmp_path, "llm: {base_url: 'https://x/v1', model: m, api_key: '${KEY}'}", {"KEY": "sk-hidden"})
    assert llm is not None
    assert llm.api_key is not None
    assert llm.api_key.get_secret_value() == "sk-hidden"
    assert "sk-hidden" not in f"{llm!r} {llm.model_dump_json()}"


@pytest.mark.parametrize(
    ("llm", "says"),
    [
        ("llm: {model: m}", "needs base_url and model, or local: true for the small model of `make local-llm`"),
        ("llm: {base_url: 'https://x/v1'}", "needs base_url and model"),
        ("llm: {local: true, base_url: 'https://x/v1', model: m}", "keep one of them"),
        ("llm: {base_url: 'https://x/v1', modell: m}", "did you mean model"),
        ("llm: {base_url: 'localhost:11434', model: m}", "llm.base_url: is no address; write it as https://host/v1"),
        ("llm: {local: true, context_tokens: 1024, max_output_tokens: 900}", "at most half"),
        ("llm: {local: true, price_per_million_input_tokens: 1}", "both prices"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused_in_a_sentence(tmp_path: Path, llm: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        declared(tmp_path, llm)


def test_what_needs_an_llm_says_what_to_declare(bench: Workbench) -> None:
    with pytest.raises(ConfigurationError, match="base_url and model") as missing:
        bench.open_llm()
    assert missing.value.exit_code == 2


def test_what_an_llm_was_asked_is_in_the_ledger_with_both_prices(
    bench: Workbench, database: Database, make_bench: Callable[..., Workbench]
) -> None:
    llm = Llm.model_validate(
        {
            "base_url": "http://127.0.0.1:9/v1",
            "model": "m",
            "price_per_million_input_tokens": 2,
            "price_per_million_output_tokens": 10,
            "currency": "EUR",
        }
    )
    endpoint = LlmEndpoint(base_url="http://127.0.0.1:9/v1", api_key=None, model="m", concurrency=1, deadline_seconds=1)
    for _ in range(2):
        with bench.database.connect() as session:
            record_cost(
                session, llm, endpoint, collection="notes", run_id="run", stage="answers", timezone="UTC",
                requests=3, inputs=2, prompt_tokens=1000, completion_tokens=100,
            )  # fmt: skip
    found = rows(
        database, "SELECT stage, requests, inputs, tokens, output_tokens, cost, currency FROM search.costs", "pipeline"
    )
    assert [(*row[:5], float(row[5]), row[6]) for row in found] == [("answers", 6, 4, 2200, 200, 0.006, "EUR")]


@pytest.mark.parametrize(
    ("keeps", "said"), [(True, "what it had answered is kept, so try again"), (False, "; ask again")]
)
def test_only_who_keeps_answers_says_that_they_are_kept(keeps: bool, said: str) -> None:
    llm = Llm.model_validate({"base_url": "http://127.0.0.1:9/v1", "model": "m", "deadline_seconds": 0.1})

    async def ask(endpoint: LlmEndpoint) -> None:
        await endpoint.complete([{"role": "user", "content": "gate?"}], max_tokens=8)

    with pytest.raises(EndpointUnavailable, match=f"{said} when it is back"):
        open_endpoint(llm, "http://127.0.0.1:9/v1", None, keeps=keeps).run(ask)
