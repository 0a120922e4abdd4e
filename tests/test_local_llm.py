"""The real small model of the extra local-llm: served on loopback, guarded, structured, ended."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from assets.llm import LOCAL_LLM, Llm, open_endpoint
from resources import local_llm
from resources.completions import Completion, Message
from resources.errors import ConfigurationError
from resources.llm_endpoint import LlmEndpoint
from resources.local_stack import LocalStack

pytestmark = [
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
    pytest.mark.skipif(not local_llm.is_installed(), reason="the extra local-llm is not installed (make local-llm)"),
]

SCHEMA = {
    "type": "object",
    "properties": {"place": {"type": "string", "maxLength": 60}, "open": {"type": "boolean"}},
    "required": ["place", "open"],
    "additionalProperties": False,
}
ASKED: list[Message] = [{"role": "user", "content": "The flood gate at Minase is open. Where is it, and is it open?"}]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A local stack that ends with the module."""
    stack = LocalStack(tmp_path_factory.mktemp("stack"))
    yield stack
    stack.stop()


@pytest.fixture(scope="module")
def endpoint(stack: LocalStack) -> LlmEndpoint:
    """The door to the local model."""
    return open_endpoint(Llm.model_validate(LOCAL_LLM), stack.llm_url(), None)


def test_a_real_model_answers_in_the_form_of_a_schema(endpoint: LlmEndpoint) -> None:
    answer = endpoint.run(lambda opened: opened.complete(ASKED, schema=SCHEMA, max_tokens=60))
    assert answer.problem == ""
    assert answer.parsed is not None
    assert answer.parsed["place"]
    assert answer.model == local_llm.MODEL
    assert answer.prompt_tokens > 10
    assert endpoint.requests == 1


def test_a_real_model_answers_in_pieces(endpoint: LlmEndpoint) -> None:
    async def work(opened: LlmEndpoint) -> tuple[list[str], Completion | None]:
        streamed = opened.stream(ASKED, max_tokens=12)
        return [piece async for piece in streamed], streamed.completion

    pieces, whole = endpoint.run(work)
    assert len(pieces) > 3
    assert whole is not None
    assert whole.text == "".join(pieces)
    assert whole.truncated
    assert whole.completion_tokens == 12


def test_it_listens_on_loopback_and_its_log_holds_no_prompt(stack: LocalStack, endpoint: LlmEndpoint) -> None:
    service = stack.services.find("llm")
    assert service is not None
    family = psutil.Process(service.pid).children(recursive=True)
    listening = [c.laddr.ip for p in family for c in p.net_connections() if c.status == psutil.CONN_LISTEN]
    assert set(listening) == {"127.0.0.1"}
    remote = [c.raddr.ip for p in family for c in p.net_connections() if c.raddr and c.family == socket.AF_INET]
    assert set(remote) <= {"127.0.0.1"}
    assert "Minase" not in stack.services.log("llm").read_text(errors="replace")


def test_it_is_started_once_and_ends_with_the_stack(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path)
    assert stack.llm_url() == LocalStack(tmp_path).llm_url()
    service = stack.services.find("llm")
    assert service is not None
    family = [psutil.Process(service.pid), *psutil.Process(service.pid).children(recursive=True)]
    assert stack.stop() == ["llm"]
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def test_without_the_extra_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_llm, "PACKAGES", ("no_such_package",))
    with pytest.raises(ConfigurationError, match="make local-llm"):
        LocalStack(tmp_path).llm_url()
