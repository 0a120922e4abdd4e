"""The recipe of a profile: everything that decides what an LLM is asked about a document. Pure."""

from __future__ import annotations

from assets.llm import Llm
from assets.profiles.prompting import prompt
from assets.profiles.settings import Profiles
from assets.recipes import Recipe

PROFILE_CODE_VERSION = "2"
LIMITS = {"seconds_per_run", "budget"}


def profile_recipe(wanted: Profiles, llm: Llm) -> Recipe:
    """Return the recipe of the profiles stage.

    What is declared applies to all documents at the next run. A prompt is part of Suimon: as with any upgrade, another
    version of it applies to new documents, and to all once somebody asks for a rebuild.

    Args:
        wanted: as the collection declares.
        llm: that is asked.
    """
    declared = wanted.model_dump(mode="json", exclude=LIMITS) | {
        "model": llm.model,
        "context_tokens": llm.context_tokens,
        "max_output_tokens": llm.max_output_tokens,
        "bytes_per_token": llm.bytes_per_token,
    }
    prompts = {name: f"{prompt(name).version} {prompt(name).digest}" for name in ("part", "whole")}
    return Recipe("profiles", declared, {"code": PROFILE_CODE_VERSION, **prompts})
