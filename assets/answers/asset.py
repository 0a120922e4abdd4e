"""The asset `search/answer_quality`: golden questions are answered, and the answers judged.

It is there where `collections.yaml` declares an LLM and `answers.questions`, and is in no job of ours: each
materialization asks the LLM once a question, so a person or a schedule of one's own decides when that is worth it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import dagster as dg

from assets import partitions
from assets.naming import Naming
from assets.shell import LogProgress, in_dagsters_terms

GROUP = "suimon_answers"

FIGURES = {
    "answered": "share of the answerable questions that was answered with a citation",
    "refused": "share of the unanswerable questions of which it was said that the documents do not answer",
    "citations_valid": "share of the citations that named a passage which was shown",
    "cites_the_source": "share of the answers that cites a document which answers",
    "supported": "share of the sentences whose words stand in what they cite",
    "f1": "token-level F1 against the expected answers",
    "seconds": "mean of a question",
    "tokens": "mean of a question",
}


class Evaluated(Protocol):
    """What an evaluation gives."""

    @property
    def figures(self) -> Mapping[str, float]:
        """Figures by the names above."""
        ...

    def summary(self) -> dict[str, Any]:
        """The figures, with what they are of."""
        ...


Evaluate = Callable[[Any, str, str], Evaluated]
"""Asks the golden questions of a collection: takes workbench, collection and run."""


def build_answer_quality(naming: Naming, evaluate: Evaluate) -> dg.AssetsDefinition:
    """Make the asset.

    Args:
        naming: how the deployment names assets.
        evaluate: asks and judges.
    """

    def answer_quality(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        bench = context.resources.workbench
        bench.progress = LogProgress(context.log)
        with in_dagsters_terms():
            report = evaluate(bench, context.partition_key, context.run.run_id)
        counted = {name: value for name, value in report.summary().items() if name != "figures"}
        return dg.MaterializeResult(
            metadata={
                **{name: dg.MetadataValue.float(value) for name, value in report.figures.items()},
                "asked": dg.MetadataValue.json(counted),
                "figures": dg.MetadataValue.md("\n".join(f"- **{name}**: {what}" for name, what in FIGURES.items())),
            }
        )

    made: dg.AssetsDefinition = dg.asset(
        key=naming.key("answer_quality"),
        deps=[naming.key("publication")],
        partitions_def=partitions.collections,
        group_name=GROUP,
        kinds={"postgres", "openai"},
        owners=list(naming.owners),
        code_version="1",
        required_resource_keys={"workbench"},
        description=(
            "How good answers to the collection's golden questions are: answered, cited, supported by what they cite, "
            "and refused where the documents do not answer. Judged by rules. Asks the LLM once a question."
        ),
    )(answer_quality)
    return made
