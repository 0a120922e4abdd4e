"""collections.yaml: what is read, and that every mistake is one sentence that names the key and the remedy."""

from __future__ import annotations

import os
import pickle
import textwrap
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.settings import LOCAL_SPACE, LOCAL_SPACE_NAME
from pipelines.config import Config, config_path, load
from resources.errors import ConfigurationError

SECRET = "hush-hush-0123456789"
LEAST = "collections: {notes: {source: docs}}\n"


def written(folder: Path, content: str, name: str = "collections.yaml") -> Path:
    """Write a declaration."""
    path = folder / name
    path.write_text(textwrap.dedent(content), encoding="utf-8")
    return path


def read(folder: Path, content: str, **environ: str) -> Config:
    """Write and read a declaration under an environment."""
    return load(written(folder, content), environ)


def complaint(folder: Path, content: str, **environ: str) -> str:
    """Read a wrong declaration and return what is said of it, which has to be one line."""
    with pytest.raises(ConfigurationError) as raised:
        read(folder, content, **environ)
    said = str(raised.value)
    assert said.strip()
    assert "\n" not in said
    assert "Traceback" not in said
    assert pickle.loads(pickle.dumps(raised.value)).args == raised.value.args  # Our own.
    return said


def test_the_least_declaration_is_enough(tmp_path: Path) -> None:
    config = read(tmp_path, LEAST)
    assert list(config.declaration.collections) == ["notes"]
    assert config.collection("notes").source == "docs"
    assert (config.declaration.space_name, config.declaration.space) == (LOCAL_SPACE_NAME, LOCAL_SPACE)
    assert config.root == tmp_path


def test_everything_that_can_be_declared_is_read(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """
        collections:
          notes:
            source: s3://bucket/docs
            include: ["**/*.md"]
            exclude: ["drafts/**"]
            storage_options: {anon: true, client_kwargs: {region_name: eu-west-1}}
            link: https://example.org/{uri}
            schedule: null
            timezone: Asia/Tokyo
            watch: false
            chunking: {max_tokens: 128, min_tokens: 8, heading_path: false}
            limits: {vanished_share: 0.5, max_file_mb: 1.5}
          suimon_2: {source: a}
        """,
    )
    notes = config.collection("notes")
    assert notes.include == ("**/*.md",)
    assert notes.chunking.max_tokens == 128
    assert notes.limits.max_file_mb == 1.5
    assert notes.schedule is None
    assert config.collection("suimon_2").source == "a"


def test_a_space_without_an_endpoint_is_the_bundled_model_with_other_settings(tmp_path: Path) -> None:
    config = read(tmp_path, LEAST + "spaces: {e5_small: {concurrency: 1}}\n")
    assert config.declaration.space == LOCAL_SPACE.model_copy(update={"concurrency": 1})
    assert read(tmp_path, LEAST + "spaces: {e5_small: }\n").declaration.space == LOCAL_SPACE


def test_a_space_with_an_endpoint_takes_nothing_from_the_bundled_model(tmp_path: Path) -> None:
    space = read(tmp_path, LEAST + "spaces: {big: {base_url: https://host/v1, model: m}}\n").declaration.space
    assert (space.tokenizer, space.query_model, space.max_inputs) == ("estimate", None, 256)


MISTAKES: dict[str, tuple[str, list[str]]] = {
    "a misspelt key at the top": ("collection: {}\ncollections: {}\n", ["collection ", "did you mean collections?"]),
    "a misspelt key of a collection": (
        "collections: {notes: {source: docs, exlude: [a]}}", ["collections.notes.exlude", "did you mean exclude?"],
    ),
    "a misspelt key of chunking": (
        "collections: {notes: {source: docs, chunking: {max_token: 3}}}",
        ["collections.notes.chunking.max_token", "did you mean max_tokens?"],
    ),
    "a misspelt key of a limit": (
        "collections: {notes: {source: docs, limits: {vanish_share: 3}}}",
        ["collections.notes.limits.vanish_share", "did you mean vanished_share?"],
    ),
    "a misspelt key of a space": (
        LEAST + "spaces: {small: {base_url: http://h/v1, modle: m}}", ["spaces.small.modle", "did you mean model?"],
    ),
    "a misspelt key of the database": (LEAST + "database: {prefx: a_}", ["database.prefx", "did you mean prefix?"]),
    "a misspelt key of dagster": (LEAST + "dagster: {owner: [a]}", ["dagster.owner ", "did you mean owners?"]),
    "a key that is like no other": (
        "collections: {notes: {source: docs, zzz: 1}}", ["collections.notes.zzz", "known here", "source", "link"],
    ),
    "a missing source": ("collections: {notes: {}}", ["collections.notes.source", "missing", "add it"]),
    "no collections": ("database: {}", ["collections", "missing", "add it"]),
    "null collections": ("collections:", ["collections must be a mapping"]),
    "a list of collections": ("collections: [notes]", ["collections must be a mapping"]),
    "a collection that is a string": ("collections: {notes: docs}", ["collections.notes"]),
    "a misspelt key in place of one that is needed": (
        "collections: {notes: {sorce: docs}}", ["collections.notes.sorce", "did you mean source?"],
    ),
    "profiles that say nothing": ("collections: {notes: {source: docs, profiles: }}", ["profiles: {}", "leave it out"]),
    "profiles that are a word": (
        "collections: {notes: {source: docs, profiles: yes}}", ["notes.profiles must be a mapping of keys and values"],
    ),
    "a field of an unknown type": (
        "collections: {notes: {source: docs, profiles: {fields: {deadline: {type: strng}}}}}",
        ["'strng' is no type", "deadline needs a type", "string"],
    ),
    "a null collection": ("collections: {notes: }", ["collections.notes"]),
    "a word for a number": (
        "collections: {notes: {source: docs, chunking: {max_tokens: many}}}",
        ["collections.notes.chunking.max_tokens", "integer"],
    ),
    "a number that is too small": (
        "collections: {notes: {source: docs, chunking: {max_tokens: 1}}}",
        ["collections.notes.chunking.max_tokens", "16"],
    ),
    "a share above one": (
        "collections: {notes: {source: docs, limits: {vanished_share: 20}}}",
        ["collections.notes.limits.vanished_share", "1"],
    ),
    "sizes that contradict each other": (
        "collections: {notes: {source: docs, chunking: {max_tokens: 64, min_tokens: 64}}}",
        ["collections.notes.chunking", "min_tokens must be below max_tokens"],
    ),
    "a glob that is no list": (
        "collections: {notes: {source: docs, include: '*.md'}}", ["collections.notes.include"],
    ),
    "no glob at all": (
        "collections: {notes: {source: docs, include: []}}", ["notes.include has 0 entries and needs at least 1."],
    ),
    "an option that is a list": (
        "collections: {notes: {source: docs, storage_options: {a: [1]}}}", ["collections.notes.storage_options.a"],
    ),
    "an unknown placeholder": (
        "collections: {notes: {source: docs, link: 'http://h/{url}'}}", ["collections.notes.link", "{uri}"],
    ),
    "an unknown tokenizer": (
        LEAST + "spaces: {small: {base_url: http://h/v1, tokenizer: gpt}}", ["spaces.small.tokenizer", "cl100k_base"],
    ),
    "no space": (LEAST + "spaces: {}", ["spaces", "at least one"]),
    "a budget in money, and one of two spaces without a price": (
        LEAST.replace("source: docs", "source: docs, budget: {cost_per_day: 1}")
        + "spaces: {a: {base_url: http://h/v1, price_per_million_tokens: 1}, b: {base_url: http://h/v1}}",
        ["notes", "space b", "price_per_million_tokens"],
    ),
    "a collection name with capitals": ("collections: {Notes: {source: docs}}", ["collections", "'Notes'", "a-z"]),
    "a collection name with a dash": ("collections: {my-notes: {source: docs}}", ["'my-notes'", "a-z"]),
    "a collection name in Japanese": ("collections: {水門: {source: docs}}", ["'水門'", "a-z"]),
    "a collection name that is too long": (f"collections: {{{'a' * 61}: {{source: docs}}}}", ["60"]),
    "a collection name with a line end": ('collections: {"notes\\n": {source: docs}}', ["a-z"]),
    "a collection name that is a number": ("collections: {2024: {source: docs}}", ["collections", "2024"]),
    "a space name with a dash": (LEAST + "spaces: {my-space: {base_url: http://h/v1}}", ["'my-space'", "a-z"]),
    "a space name that begins with a digit": (LEAST + "spaces: {3small: {base_url: http://h/v1}}", ["'3small'"]),
    "a space name that is too long": (LEAST + f"spaces: {{{'a' * 41}: {{base_url: http://h/v1}}}}", ["40"]),
    "a prefix without an underscore": (LEAST + "database: {prefix: team}", ["database.prefix", "underscore"]),
    "a prefix with a quote": (LEAST + "database: {prefix: 'a\"_'}", ["database.prefix"]),
    "a schedule that is no cron expression": (
        "collections: {notes: {source: docs, schedule: nightly}}", ["collections.notes.schedule"],
    ),
    "a time zone that does not exist": (
        "collections: {notes: {source: docs, timezone: Mars/Olympus}}", ["collections.notes.timezone"],
    ),
    "the same collection twice": (
        "collections:\n  notes: {source: docs}\n  notes: {source: other}\n", ["notes", "line 3"],
    ),
    "a tab": ("collections:\n\tnotes: {source: docs}\n", ["not valid YAML", "line 2"]),
    "an open bracket": ("collections:\n  notes:\n    include: [a\n", ["not valid YAML", "line"]),
    "a value with a colon": ("collections:\n  notes:\n    source: a: b\n", ["not valid YAML", "line 3"]),
    "an unknown tag": ("collections: !!python/object/apply:os.getcwd []\n", ["not valid YAML", "line 1"]),
    "an empty file": ("", ["collections"]),
    "a list": ("- notes\n", ["mapping", "collections"]),
    "a word": ("notes\n", ["mapping", "collections"]),
}  # fmt: skip


@pytest.mark.parametrize(("content", "parts"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_sentence_that_names_the_key_and_the_remedy(
    tmp_path: Path, content: str, parts: list[str]
) -> None:
    said = complaint(tmp_path, content)
    assert "collections.yaml" in said
    assert [part for part in parts if part not in said] == []


def test_the_name_of_a_mistyped_option_is_not_followed_by_a_type(tmp_path: Path) -> None:
    said = complaint(tmp_path, "collections: {notes: {source: docs, storage_options: {a: [1]}}}")
    assert "storage_options.a." not in said


def test_several_mistakes_are_counted(tmp_path: Path) -> None:
    said = complaint(tmp_path, "collections: {a: {}, b: {}, c: {}}")
    assert "2 more" in said


def test_a_file_that_is_not_there_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="SUIMON_CONFIG"):
        load(tmp_path / "nothing.yaml", {})


def test_a_file_that_is_no_utf_8_says_how_to_save_it(tmp_path: Path) -> None:
    path = tmp_path / "collections.yaml"
    path.write_bytes("collections: {水門: {}}".encode("cp932"))
    with pytest.raises(ConfigurationError, match="UTF-8"):
        load(path, {})


def test_a_folder_in_place_of_the_file_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is a folder; name a file"):
        load(tmp_path, {})


def test_variables_are_filled_in_wherever_they_stand(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """
        collections:
          notes:
            source: ${BUCKET}/docs/${FOLDER:-notes}
            include: ["${GLOB}"]
            chunking: {max_tokens: "${SIZE}"}
            storage_options: {endpoint_url: "http://${HOST}:${PORT:-9000}"}
        """,
        BUCKET="s3://bucket", GLOB="**/*.md", SIZE="128", HOST="h",
    )  # fmt: skip
    notes = config.collection("notes")
    assert (notes.source, notes.include, notes.chunking.max_tokens) == ("s3://bucket/docs/notes", ("**/*.md",), 128)
    assert notes.storage_options == {"endpoint_url": "http://h:9000"}


@pytest.mark.parametrize(
    ("source", "environ", "expected"),
    [
        ("${A:-x}", {}, "x"),
        ("${A:-x}", {"A": "y"}, "y"),
        ("${A:-x}", {"A": ""}, "x"),
        ("${A:-}b", {}, "b"),
        ("${A:-a:b/c-d}", {}, "a:b/c-d"),
        ("${A}", {"A": "${B}", "B": "no"}, "${B}"),
        ("$A", {"A": "no"}, "$A"),
        ("a$", {}, "a$"),
    ],
)
def test_a_variable_has_a_default_as_in_a_shell(
    tmp_path: Path, source: str, environ: dict[str, str], expected: str
) -> None:
    config = read(tmp_path, f"collections: {{notes: {{source: '{source}'}}}}", **environ)
    assert config.collection("notes").source == expected


def test_an_overlay_may_take_profiles_away(tmp_path: Path) -> None:
    path = tmp_path / "collections.yaml"
    path.write_text("collections: {notes: {source: docs, profiles: {}}}")
    path.with_name("collections.staging.yaml").write_text("collections: {notes: {profiles: }}")
    assert load(path, {}).collection("notes").profiles is not None
    assert load(path, {"SUIMON_ENV": "staging"}).collection("notes").profiles is None


def test_a_missing_variable_is_named_with_the_key_that_needs_it(tmp_path: Path) -> None:
    said = complaint(tmp_path, "collections: {notes: {source: 's3://${BUCKET}'}}")
    assert [part for part in ("collections.yaml", "notes", "source", "BUCKET", ".env") if part not in said] == []
    said = complaint(tmp_path, "collections: {notes: {source: docs, include: ['${GLOB}']}}")
    assert [part for part in ("include", "GLOB") if part not in said] == []


def test_a_variable_cannot_change_the_structure(tmp_path: Path) -> None:
    config = read(tmp_path, "collections: {notes: {source: '${A}'}}", A="x\ncollections: {evil: {source: y}}")
    assert list(config.declaration.collections) == ["notes"]


def overlaid(folder: Path, base: str, over: str, environment: str = "prod") -> Config:
    """Read a declaration under an overlay."""
    written(folder, over, f"collections.{environment}.yaml")
    return read(folder, base, SUIMON_ENV=environment)


def test_an_overlay_is_merged_key_by_key(tmp_path: Path) -> None:
    config = overlaid(
        tmp_path,
        "collections: {notes: {source: docs, include: ['*.md', '*.txt'], chunking: {max_tokens: 64, min_tokens: 8}}}",
        "collections: {notes: {include: ['*.pdf'], chunking: {max_tokens: 128}}, more: {source: b}}",
    )
    notes = config.collection("notes")
    assert (notes.source, notes.include) == ("docs", ("*.pdf",))
    assert (notes.chunking.max_tokens, notes.chunking.min_tokens) == (128, 8)
    assert config.collection("more").source == "b"


def test_an_overlay_can_take_the_place_of_a_whole_key(tmp_path: Path) -> None:
    config = overlaid(tmp_path, "collections: {notes: {source: docs, schedule: '0 3 * * *'}}",
                      "collections: {notes: {schedule: null}}")  # fmt: skip
    assert config.collection("notes").schedule is None


def test_variables_of_the_base_that_an_overlay_replaces_are_not_needed(tmp_path: Path) -> None:
    config = overlaid(tmp_path, "collections: {notes: {source: '${NOWHERE}'}}", "collections: {notes: {source: docs}}")
    assert config.collection("notes").source == "docs"


def test_a_missing_overlay_is_a_mistake_that_names_the_file(tmp_path: Path) -> None:
    said = complaint(tmp_path, LEAST, SUIMON_ENV="prod")
    assert [part for part in ("SUIMON_ENV", "collections.prod.yaml", "create") if part not in said] == []


def test_bad_yaml_in_an_overlay_names_the_overlay(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"collections\.prod\.yaml .*line 2"):
        overlaid(tmp_path, LEAST, "collections:\n\tx")


def test_an_empty_environment_name_means_no_overlay(tmp_path: Path) -> None:
    assert read(tmp_path, LEAST, SUIMON_ENV="").collection("notes").source == "docs"


def test_a_collection_that_is_not_declared_is_named_with_the_nearest(tmp_path: Path) -> None:
    config = read(tmp_path, LEAST)
    with pytest.raises(ConfigurationError, match="did you mean notes"):
        config.collection("note")
    with pytest.raises(ConfigurationError, match="it has notes"):
        config.collection("zzz")


def test_the_file_is_found_by_variable_then_here_then_in_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    project = Path(__file__).resolve().parent.parent / "collections.yaml"
    assert config_path({}) == project
    written(tmp_path, LEAST)
    assert config_path({}) == tmp_path / "collections.yaml"
    assert config_path({"SUIMON_CONFIG": "other.yaml"}) == tmp_path / "other.yaml"


def test_the_project_own_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    project = Path(__file__).resolve().parent.parent / "collections.yaml"
    assert load(project, {}).declaration.collections


WITH_SECRETS = """
    collections:
      notes:
        source: s3://bucket
        storage_options: {key: someone, secret: "${SECRET}", client_kwargs: {token: "${SECRET}"}}
    spaces:
      small: {base_url: https://host/v1, api_key: "${SECRET}"}
    """


@pytest.mark.parametrize("show", [repr, str, lambda shown: f"{shown!r:>1}"], ids=["repr", "str", "format"])
def test_the_key_of_an_endpoint_is_never_shown(tmp_path: Path, show: Any) -> None:
    config = read(tmp_path, WITH_SECRETS, SECRET=SECRET)
    space = config.declaration.space
    assert SECRET not in show(space)
    assert SECRET not in show(config.declaration.spaces)
    assert SECRET not in str(space.model_dump(mode="json"))
    assert space.api_key is not None
    assert space.api_key.get_secret_value() == SECRET


def test_the_secrets_of_a_source_are_never_shown(tmp_path: Path) -> None:
    config = read(tmp_path, WITH_SECRETS, SECRET=SECRET)
    assert SECRET not in repr(config)
    assert SECRET not in repr(config.collection("notes"))


@pytest.mark.parametrize(
    "wrong",
    [
        "spaces: {small: {base_url: http://h/v1, api_key: ['${SECRET}']}}",
        "spaces: {small: {base_url: http://h/v1, api_key: '${SECRET}', model: [a]}}",
        "spaces: {small: {base_url: http://h/v1, max_inputs: '${SECRET}'}}",
        "spaces: {small: {base_url: http://h/v1, tokenizer: '${SECRET}'}}",
        "database: {prefix: '${SECRET}'}",
        "dagster: '${SECRET}'",
        "spaces: '${SECRET}'",
    ],
)
def test_a_secret_is_in_no_message(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, LEAST + wrong + "\n", SECRET=SECRET)
    assert SECRET not in str(raised.value)
    assert SECRET not in repr(raised.value)


_WORD = st.text("abc_{}$:-é水 \n'\"", max_size=8)
_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | _WORD,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["notes", "source", "chunking", "limits", "include", "small", "base_url"]) | _WORD, inner,
        max_size=3,
    ),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.dictionaries(st.sampled_from(["collections", "spaces", "database", "dagster"]), _VALUE, max_size=4))
def test_whatever_the_file_holds_it_is_read_or_refused_and_nothing_else(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    path = tmp_path / "collections.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    with suppress(ConfigurationError):
        load(path, {})


def test_reading_leaves_the_environment_alone(tmp_path: Path) -> None:
    before = dict(os.environ)
    read(tmp_path, WITH_SECRETS, SECRET=SECRET)
    assert dict(os.environ) == before
