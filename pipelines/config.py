"""`collections.yaml`: where it is, how it is read, and how it complains.

The file is validated against `assets.settings`, `${VAR}` is filled from the environment, and an overlay
(`collections.<SUIMON_ENV>.yaml` beside it) is merged over it. Nothing here touches a network or a database.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from assets.answers.settings import Answers
from assets.declaring import Settings
from assets.llm import LOCAL_LLM, Llm
from assets.settings import LOCAL_SPACE, LOCAL_SPACE_NAME, Collection, Space, check_cron, check_zone
from resources.errors import ConfigurationError
from resources.wording import problem_clause, unreadable

CONFIG_VARIABLE = "SUIMON_CONFIG"
ENVIRONMENT_VARIABLE = "SUIMON_ENV"

_NAME = re.compile(r"[a-z0-9_]{1,60}")
_SPACE_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PREFIX = re.compile(r"([a-z][a-z0-9_]{0,20}_)?")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


class DatabaseSettings(Settings):
    """Names in the database."""

    prefix: str = Field(
        "", description="Put before schemas and roles (as team_), so that two installations share a server."
    )

    @field_validator("prefix")
    @classmethod
    def _plain(cls, value: str) -> str:
        if not _PREFIX.fullmatch(value):
            raise ValueError("must be lower-case letters, digits and underscores, and end with an underscore")
        return value


class DagsterSettings(Settings):
    """How the project appears in Dagster."""

    key_prefix: tuple[str, ...] = Field(
        (), description="Put before every asset key, for a deployment that has other code locations."
    )
    owners: tuple[str, ...] = Field((), description="Owners shown on the assets: e-mail addresses or team:names.")


class UpkeepSettings(Settings):
    """How the database is kept: what stays for a rollback, when it is swept, when it is compared."""

    keep_days: int = Field(7, ge=0, description="Days for which every publish can be brought back ...")
    keep_publishes: int = Field(3, ge=1, description="... and how many of each collection at least, however old.")
    sweep: str | None = Field("30 4 * * *", description="Cron expression of the garbage collection; null for none.")
    verify: str | None = Field(
        "0 5 * * 0", description="Cron expression of the comparison of ledger, chunks, vectors and index."
    )
    timezone: str = Field("UTC", description="Time zone of both, as in the IANA database.")
    index_memory_mb: int = Field(
        2048, ge=64, description="Most memory of the database server that building a vector index takes, in MiB."
    )

    _cron = field_validator("sweep", "verify")(check_cron)
    _zone = field_validator("timezone")(check_zone)


class Declaration(Settings):
    """All of `collections.yaml`."""

    collections: dict[str, Collection] = Field(description="The collections, by name.")
    spaces: dict[str, Space] = Field(
        default_factory=lambda: {LOCAL_SPACE_NAME: LOCAL_SPACE},
        description="The vector spaces, by name: a model and its endpoint. The first becomes live on a fresh database; "
        "`suimon space add` begins to keep another beside it. Without any, the bundled model is used.",
    )
    llm: Llm | None = Field(
        None, description="The large language model for profiles and answers. Without one, neither is made."
    )
    answers: Answers = Field(
        default_factory=lambda: Answers.model_validate({}), description="How questions are answered from the table."
    )
    database: DatabaseSettings = Field(
        default_factory=lambda: DatabaseSettings.model_validate({}), description="Names in the database."
    )
    dagster: DagsterSettings = Field(
        default_factory=lambda: DagsterSettings.model_validate({}), description="How the project appears in Dagster."
    )

    upkeep: UpkeepSettings = Field(
        default_factory=lambda: UpkeepSettings.model_validate({}), description="How the database is kept."
    )

    @field_validator("collections")
    @classmethod
    def _collection_names(cls, value: dict[str, Collection]) -> dict[str, Collection]:
        for name in value:
            if not _NAME.fullmatch(name):
                raise ValueError(f"the collection name {name!r} may hold only a-z, 0-9 and _, at most 60 of them")
        return value

    @model_validator(mode="after")
    def _spaces(self) -> Declaration:
        for name in self.spaces:
            if not _SPACE_NAME.fullmatch(name):
                raise ValueError(f"the space name {name!r} may hold only a-z, 0-9 and _, at most 40, a letter first")
        if not self.spaces:
            raise ValueError("spaces must declare at least one space")
        for name, collection in self.collections.items():
            for space_name, space in self.spaces.items():
                if collection.budget.in_money and space.price_per_million_tokens is None:
                    raise ValueError(
                        f"the budget of {name} is in money, but space {space_name} declares no price_per_million_tokens"
                    )
            if collection.profiles and collection.profiles.budget.in_money and self.llm and not self.llm.has_prices:
                raise ValueError(f"the profiles' budget of {name} is in money, but llm declares no prices")
        return self

    @property
    def space_name(self) -> str:
        """Name of the first declared space, which becomes live on a fresh database."""
        return next(iter(self.spaces))

    @property
    def space(self) -> Space:
        """The first declared space; the bundled model's settings are filled in where no endpoint is named."""
        return self.spaces[self.space_name]


@dataclass(frozen=True)
class Config:
    """A read declaration and where it came from.

    Attributes:
        path: the file.
        declaration: its content, validated.
    """

    path: Path
    declaration: Declaration

    @property
    def root(self) -> Path:
        """The folder that relative paths in the file start from."""
        return self.path.parent

    def collection(self, name: str) -> Collection:
        """Return a declared collection.

        Raises:
            ConfigurationError: there is none of that name; the message offers the nearest.
        """
        known = self.declaration.collections
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known) or 'none'}."
            raise ConfigurationError(f"{self.path.name} declares no collection {name!r}; {hint}")
        return known[name]


def config_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the path of `collections.yaml`: SUIMON_CONFIG, else the working folder, else the project."""
    declared = environ.get(CONFIG_VARIABLE)
    if declared:
        return Path(declared).resolve()
    here = Path.cwd() / "collections.yaml"
    return here if here.exists() else Path(__file__).resolve().parent.parent / "collections.yaml"


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Read, merge, fill and validate the declaration.

    Args:
        path: the file; by default the one that `config_path` finds.
        environ: where `${VAR}` is looked up.

    Raises:
        ConfigurationError: one sentence that says what is wrong, where, and what to change.
    """
    path = path or config_path(environ)
    content = _read(path)
    _refuse_empty_profiles(content, path.name)
    overlay_name = environ.get(ENVIRONMENT_VARIABLE)
    if overlay_name:
        overlay = path.with_name(f"{path.stem}.{overlay_name}{path.suffix}")
        if not overlay.exists():
            raise ConfigurationError(
                f"{ENVIRONMENT_VARIABLE} asks for the overlay {overlay.name}, which is not beside {path.name}; "
                f"create it or unset {ENVIRONMENT_VARIABLE}."
            )
        content = _merge(content, _read(overlay))
    filled = _fill(content, environ, path.name)
    _complete_local_models(filled)
    try:
        return Config(path, Declaration.model_validate(filled))
    except ValidationError as error:
        raise ConfigurationError(_sentence(error, path.name)) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  # A safe loader.
    except FileNotFoundError:
        raise ConfigurationError(
            f"There is no {path}; run suimon from the project's folder, or name the file in {CONFIG_VARIABLE}."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(unreadable(path, error)) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it is not YAML"
        raise ConfigurationError(f"{path.name} is not valid YAML{where}: {problem}.") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path.name} must be a mapping with the key `collections`.")
    return content


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key that stands twice: the second would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        seen = set()
        for key, _ in node.value:
            if key.value in seen and key.value != "<<":
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        known = merged.get(key)
        merged[key] = _merge(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged


def _fill(node: Any, environ: Mapping[str, str], where: str) -> Any:
    if isinstance(node, dict):
        return {key: _fill(value, environ, f"{where}: {key}") for key, value in node.items()}
    if isinstance(node, list):
        return [_fill(value, environ, where) for value in node]
    if not isinstance(node, str):
        return node

    def substitute(match: re.Match[str]) -> str:
        name, default = match.groups()
        if environ.get(name) or (name in environ and default is None):
            return environ[name]
        if default is not None:  # As in a shell: also where the variable is empty.
            return str(default)
        raise ConfigurationError(f"{where} needs the environment variable {name}; set it, or put it into .env.")

    return _VARIABLE.sub(substitute, node)


def _complete_local_models(content: dict[str, Any]) -> None:
    """A space without an endpoint means the bundled model, an LLM with local: true the small one: with its settings."""
    spaces = content.get("spaces")
    if isinstance(spaces, dict):
        local = LOCAL_SPACE.model_dump(exclude_none=True)
        for name, space in spaces.items():
            if space is None or (isinstance(space, dict) and "base_url" not in space):
                spaces[name] = local | (space or {})
    llm = content.get("llm")
    if isinstance(llm, dict) and llm.get("local") is True and "base_url" not in llm:
        content["llm"] = LOCAL_LLM | llm


def _refuse_empty_profiles(content: dict[str, Any], file: str) -> None:
    """Refuse `profiles:` with nothing behind it, which looks as if profiles were asked for; an overlay may say null.

    Raises:
        ConfigurationError: a collection has it.
    """
    collections = content.get("collections")
    for name, collection in collections.items() if isinstance(collections, dict) else ():
        if isinstance(collection, dict) and "profiles" in collection and collection["profiles"] is None:
            raise ConfigurationError(
                f"{file}: collections.{name}.profiles is empty; write profiles: {{}} for what is asked by default, or "
                "leave it out."
            )


def _sentence(error: ValidationError, file: str) -> str:
    problems = list(_problems(error))
    first = problems[0]
    rest = f" ({len(problems) - 1} more to mend)" if len(problems) > 1 else ""
    return f"{file}: {first}{rest}"


def _problems(error: ValidationError) -> Iterator[str]:
    problems = error.errors(include_url=False, include_input=False)
    # A key that is misspelled is why another one is missing: it is named first.
    for problem in sorted(problems, key=lambda each: each["type"] != "extra_forbidden"):
        location = tuple(str(part) for part in problem["loc"])
        while location and location[-1] in _TYPE_TAGS:  # pydantic names the members of a union as if they were keys.
            location = location[:-1]
        if problem["type"] == "extra_forbidden":
            known = _known_keys(location[:-1])
            near = difflib.get_close_matches(location[-1], known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}."
            yield f"{'.'.join(location)} is not a known key; {hint}"
        else:
            yield problem_clause(problem, location)


_TYPE_TAGS = {"str", "int", "bool", "dict[str,str]"}


def _known_keys(location: tuple[str, ...]) -> list[str]:
    """Return the keys that the declaration knows at a place."""
    found: Any = Declaration
    for step in location:
        if hasattr(found, "model_fields"):
            fields = {field.alias or name: field for name, field in found.model_fields.items()}
            found = fields[step].annotation
        else:
            found = get_args(found)[1]  # A mapping by name: the name itself says nothing.
        members = [member for member in get_args(found) if member is not NoneType]
        found = members[0] if len(members) == 1 else found  # What may be null.
    return [field.alias or name for name, field in found.model_fields.items()]
