"""Retrievers of three frameworks, each through its framework's real library on a real table."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"

from haystack import Pipeline
from haystack.utils import Secret
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda
from llama_index.core.schema import MetadataMode, NodeRelationship, QueryBundle
from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from pipelines.frameworks import haystack, langchain, llamaindex
from pipelines.frameworks.client import SearchClient
from pipelines.frameworks.filters import of_haystack, of_llamaindex
from resources.errors import ConfigurationError, EndpointUnavailable
from tests.served import STAFF, Served

GATE = "When is the flood gate opened?"
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def component(served: Served, monkeypatch: pytest.MonkeyPatch) -> haystack.SuimonRetriever:
    monkeypatch.setenv("TABLE_DSN", served.dsn)
    return haystack.SuimonRetriever(Secret.from_env_var("TABLE_DSN"), base_url=served.endpoint.url, top_k=3)


def test_langchain_gets_documents_with_score_and_metadata(served: Served) -> None:
    retriever = langchain.SuimonRetriever(client=served.client(), k=3)
    found = retriever.invoke(GATE)
    assert found[0].id == "handbook/ops/gate.md#0"
    assert "80 centimetres" in found[0].page_content
    assert found[0].metadata["uri"] == "ops/gate.md"
    assert found[0].metadata["score"] >= found[1].metadata["score"]
    assert len(found) == 3
    assert asyncio.run(retriever.ainvoke(GATE)) == found


def test_langchain_takes_settings_for_one_question_and_composes(served: Served) -> None:
    retriever = langchain.SuimonRetriever(client=served.client(), filter={"department": "archive"})
    assert {d.metadata["folder"] for d in retriever.invoke("gate", k=50)} == {"archive"}
    found = retriever.invoke("gate", filter={"year": 1998}, mode="lexical", k=1)
    assert [document.metadata["name"] for document in found] == ["old.md"]

    def uris(documents: list[Document]) -> list[str]:
        return [document.metadata["uri"] for document in documents]

    chain = retriever | RunnableLambda(uris)
    assert chain.batch(["wooden gate", "Visitors"])[1][0] == "archive/trap.md"


def test_langchain_hears_what_is_wrong(served: Served) -> None:
    retriever = langchain.SuimonRetriever(client=served.client())
    with pytest.raises(ConfigurationError, match="There is no setting 'top_k'"):
        retriever.invoke("gate", top_k=3)
    with pytest.raises(ConfigurationError, match='"colour" is no field'):
        retriever.invoke("gate", filter={"colour": "red"})


def test_llamaindex_gets_nodes_with_scores_and_sources(served: Served) -> None:
    retriever = llamaindex.SuimonRetriever(served.client(), similarity_top_k=3)
    found = retriever.retrieve(GATE)
    assert len(found) == 3
    assert found[0].node_id == "handbook/ops/gate.md#0"
    assert found[0].score is not None
    assert found[0].score > (found[1].score or 0)
    assert found[0].node.relationships[NodeRelationship.SOURCE].node_id == "handbook/ops/gate.md"  # type: ignore[union-attr]
    shown = found[0].node.get_content(MetadataMode.LLM)
    assert "uri: ops/gate.md" in shown
    assert "document_id" not in shown
    assert asyncio.run(retriever.aretrieve(QueryBundle(GATE))) == found


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ([MetadataFilter(key="year", value=1998)], {"old.md"}),
        ([MetadataFilter(key="year", value=2025, operator=FilterOperator.GTE)], {"gate.md", "trap.md", "水門.md"}),
        ([MetadataFilter(key="tags", value="water", operator=FilterOperator.CONTAINS)], {"gate.md"}),
        ([MetadataFilter(key="tags", value=["water", "gate"], operator=FilterOperator.ALL)], {"gate.md"}),
        ([MetadataFilter(key="tags", value=["water", "水門"], operator=FilterOperator.ANY)], {"gate.md", "水門.md"}),
        ([MetadataFilter(key="tags", value=None, operator=FilterOperator.IS_EMPTY)], {"old.md", "trap.md"}),
        ([MetadataFilter(key="year", value=[1998, 2026], operator=FilterOperator.NIN)], {"水門.md"}),
        ([], {"gate.md", "trap.md", "old.md", "水門.md"}),
    ],
)
def test_llamaindex_filters_are_translated(served: Served, filters: Any, names: set[str]) -> None:
    retriever = llamaindex.SuimonRetriever(
        served.client(), similarity_top_k=50, filters=MetadataFilters(filters=filters), mode="semantic"
    )
    assert {node.metadata["name"] for node in retriever.retrieve("gate")} == names


def test_llamaindex_filters_nest(served: Served) -> None:
    old = MetadataFilter(key="year", value=1998)
    ops = MetadataFilter(key="department", value="ops")
    either = MetadataFilters(filters=[old, ops], condition=FilterCondition.OR)
    neither = MetadataFilters(filters=[either], condition=FilterCondition.NOT)
    retriever = llamaindex.SuimonRetriever(served.client(), similarity_top_k=50, filters=neither)
    assert {node.metadata["name"] for node in retriever.retrieve("gate")} == {"trap.md"}
    matching = MetadataFilter(key="title", value="x", operator=FilterOperator.TEXT_MATCH)
    with pytest.raises(ConfigurationError, match="'text_match' is not one that the table knows"):
        llamaindex.SuimonRetriever(served.client(), filters=MetadataFilters(filters=[matching]))


def test_haystack_gets_documents_with_score_and_meta(component: haystack.SuimonRetriever) -> None:
    found = component.run(GATE)["documents"]
    assert len(found) == 3
    assert found[0].id == "handbook/ops/gate.md#0"
    assert "80 centimetres" in (found[0].content or "")
    assert found[0].meta["link"] == "https://example.org/ops/gate.md#page=1"
    assert (found[0].score or 0) > (found[1].score or 0)
    assert asyncio.run(component.run_async(GATE))["documents"] == found
    assert len(component.run(GATE, top_k=1)["documents"]) == 1


YEARS = {"field": "meta.year", "operator": ">=", "value": 2026}
OPS = {"field": "meta.department", "operator": "==", "value": "ops"}


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (OPS, {"gate.md", "水門.md"}),
        ({"operator": "AND", "conditions": [OPS, YEARS]}, {"gate.md"}),
        ({"operator": "OR", "conditions": [OPS, YEARS]}, {"gate.md", "trap.md", "水門.md"}),
        ({"operator": "NOT", "conditions": [OPS, YEARS]}, {"old.md", "trap.md", "水門.md"}),
        ({"field": "meta.year", "operator": "in", "value": [1998, 2025]}, {"old.md", "水門.md"}),
        ({"field": "meta.year", "operator": "not in", "value": [1998, 2025]}, {"gate.md", "trap.md"}),
        ({"field": "meta.year", "operator": "!=", "value": 2026}, {"old.md", "水門.md"}),
        ({"field": "meta.reviewed", "operator": "<", "value": "2026-05-01"}, {"gate.md"}),
        (None, {"gate.md", "trap.md", "old.md", "水門.md"}),
    ],
)
def test_haystack_filters_are_translated(component: haystack.SuimonRetriever, filters: Any, names: set[str]) -> None:
    found = component.run("gate", filters=filters, top_k=50)["documents"]
    assert {document.meta["name"] for document in found} == names


def test_haystack_pipelines_are_saved_without_secrets(served: Served, component: haystack.SuimonRetriever) -> None:
    component.filters, component.role = OPS, STAFF
    pipeline = Pipeline()
    pipeline.add_component("retriever", component)
    saved = pipeline.dumps()
    assert served.dsn not in saved
    again = Pipeline.loads(saved, allowed_modules=["pipelines.frameworks.haystack"])
    found = again.run({"retriever": {"query": "gate", "top_k": 50}})["retriever"]["documents"]
    assert {document.meta["name"] for document in found} == {"gate.md", "水門.md"}


def test_haystack_adds_filters_where_the_policy_says_so(component: haystack.SuimonRetriever) -> None:
    merging = haystack.SuimonRetriever(
        component.dsn, base_url=component.base_url, filters=OPS, filter_policy="merge", top_k=50
    )
    assert {document.meta["name"] for document in merging.run("gate", filters=YEARS)["documents"]} == {"gate.md"}


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"field": "meta.year", "operator": "~", "value": 1}, "The filter operator '~' is not one"),
        ({"field": "meta.year", "value": 1}, "has the keys field, operator and value"),
        ({"operator": "XOR", "conditions": [OPS]}, "The logical operator 'XOR' is not known"),
        ({"operator": "AND", "conditions": []}, "and at least one"),
        ({"operator": "AND"}, "and at least one"),
        ({"field": "meta.year", "operator": "not in", "value": 3}, "wants a list of values"),
        (["year"], "A filter is no dictionary"),
    ],
)
def test_haystack_hears_what_is_wrong(filters: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        of_haystack(filters)


def test_filters_that_have_no_end_are_refused() -> None:
    deep: dict[str, Any] = OPS
    for _ in range(500):
        deep = {"operator": "NOT", "conditions": [deep]}
    with pytest.raises(ConfigurationError, match="more than 20 levels deep"):
        of_haystack(deep)
    other: dict[str, Any] = {"key": "year", "operator": "==", "value": 1}
    for _ in range(500):
        other = {"filters": [other], "condition": "and"}
    with pytest.raises(ConfigurationError, match="more than 20 levels deep"):
        of_llamaindex(other)


@pytest.mark.parametrize("framework", ["langchain", "llamaindex", "haystack"])
def test_roles_hold_in_each(served: Served, framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TABLE_DSN", served.dsn)
    question = "What does the keeper earn? 4711 crowns"

    def texts(role: str | None) -> list[str]:
        if framework == "langchain":
            found = langchain.SuimonRetriever(client=served.client(role), k=50).invoke(question)
            return [document.page_content for document in found]
        if framework == "llamaindex":
            return [
                n.text for n in llamaindex.SuimonRetriever(served.client(role), similarity_top_k=50).retrieve(question)
            ]
        retriever = haystack.SuimonRetriever(
            Secret.from_env_var("TABLE_DSN"), base_url=served.endpoint.url, role=role, top_k=50
        )
        return [document.content or "" for document in retriever.run(question)["documents"]]

    assert "4711" in texts(STAFF)[0]
    assert not any("4711" in text for text in texts(None))


QUIET = """
import socket
def refuse(*args, **kwargs):
    raise SystemExit(f"somebody calls {args}")
socket.getaddrinfo = refuse
import pipelines.frameworks.MODULE, os
from pathlib import Path
print(sorted(str(p) for p in Path(os.environ["HOME"]).rglob("*")))
"""


@pytest.mark.parametrize("module", ["langchain", "llamaindex", "haystack"])
def test_importing_one_calls_nobody_and_leaves_nothing(module: str, tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    ended = subprocess.run(
        [sys.executable, "-c", QUIET.replace("MODULE", module)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout.strip()) == (0, "[]"), ended.stderr[-2000:]


@pytest.mark.parametrize("module", ["client", "langchain", "llamaindex", "haystack"])
def test_importing_one_imports_no_dagster(module: str) -> None:
    told = f"import pipelines.frameworks.{module}, sys; print({{'dagster', 'great_expectations'}} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "set()"


def test_haystack_telemetry_is_off() -> None:
    from haystack import telemetry

    assert telemetry._telemetry.telemetry is None


def test_a_pipeline_run_resolves_no_name(component: haystack.SuimonRetriever, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    real = socket.getaddrinfo

    def watched(host: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(host)
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", watched)
    pipeline = Pipeline()
    pipeline.add_component("retriever", component)
    pipeline.run({"retriever": {"query": "gate"}})
    assert {str(host.decode() if isinstance(host, bytes) else host) for host in asked} <= {"127.0.0.1"}


def test_a_question_to_an_endpoint_that_is_away_is_to_be_asked_again(served: Served) -> None:
    client = SearchClient(served.dsn, base_url="http://127.0.0.1:9/v1", deadline_seconds=0.2)
    with pytest.raises(EndpointUnavailable, match="ask again when it is back"):
        client.search("gate")
    client.close()
