"""The file of golden questions: what it may hold, and what is said of one that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets.quality.golden import GoldenSet, read_golden
from assets.settings import Collection
from resources.errors import ConfigurationError

GOOD = '{"question": "When is it open?", "answers": ["a.md"]}\n'


def read(folder: Path, content: str, name: str = "golden.jsonl", collection: str = "notes") -> GoldenSet:
    """Read a file of this content."""
    (folder / name).write_text(content, encoding="utf-8")
    declared = Collection.model_validate({"source": "x", "golden": {"file": name}})
    found = read_golden(folder, declared, collection)
    assert found is not None
    return found


def test_plain_uris_and_passages_are_answers_alike(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        GOOD
        + "\n"
        + '{"id": "q2", "question": "水門はいつ開くか", "filter": {"language": "ja"}, '
        + '"answers": ["b.md", {"uri": "c.md", "text": "水位が高いとき"}]}\n',
    )
    first, second = found.questions
    assert (first.label, first.answers[0].uri, first.answers[0].text) == ("When is it open?", "a.md", None)
    assert (second.label, [answer.text for answer in second.answers]) == ("q2", [None, "水位が高いとき"])


def test_a_list_in_yaml_does_as_well(tmp_path: Path) -> None:
    content = (
        "- question: When is it open?\n  answers: [a.md]\n- {question: 水門, answers: [{uri: b.md, text: 開く}]}\n"
    )
    found = read(tmp_path, content, "golden.yaml")
    assert [question.question for question in found.questions] == ["When is it open?", "水門"]


def test_one_file_may_serve_several_collections(tmp_path: Path) -> None:
    content = GOOD + '{"question": "Whose?", "collection": "others", "answers": ["z.md"]}\n'
    assert [question.question for question in read(tmp_path, content).questions] == ["When is it open?"]
    assert len(read(tmp_path, content, collection="others").questions) == 2


def test_a_long_question_without_an_id_is_named_by_its_first_words(tmp_path: Path) -> None:
    content = '{"question": "' + "water " * 30 + '", "answers": ["a.md"]}\n'
    assert read(tmp_path, content).questions[0].label == "water water water water water water wate ..."


def test_what_decides_a_figure_names_it(tmp_path: Path) -> None:
    one = read(tmp_path, GOOD).questions[0]
    keys = {
        one.key("engine", 10),
        one.key("engine", 5),
        one.key("another engine", 10),
        read(tmp_path, GOOD.replace("a.md", "b.md")).questions[0].key("engine", 10),
        read(tmp_path, GOOD.replace("open", "shut")).questions[0].key("engine", 10),
        read(tmp_path, GOOD.replace('"answers"', '"filter": {"uri": "a"}, "answers"')).questions[0].key("engine", 10),
    }
    assert len(keys) == 6
    assert one.key("engine", 10) == read(tmp_path, GOOD.replace('"answers"', '"id": "x", "answers"')).questions[0].key(
        "engine", 10
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "golden.jsonl, line 2: it is no JSON object"),
        ('{"question": "x"}', "golden.jsonl, line 2: answers is missing; add it."),
        ('{"question": "x", "answers": []}', "line 2: answers has 0 entries and needs at least 1."),
        ('{"question": " ", "answers": ["a"]}', "line 2: question: is blank."),
        ('{"question": "x", "answer": ["a"], "answers": ["a"]}', "answer is not a known key; did you mean answers?"),
        ('{"question": "x", "answers": [{"url": "a"}]}', "answers.0.uri is missing"),
        ('{"question": "x", "answers": [{"uri": "a", "txt": "b"}]}', "did you mean text?"),
        ('{"question": "x", "answers": "a"}', "line 2: answers must be a list."),
        ('{"question": "x\\u0000", "answers": ["a"]}', "holds a character that no text can hold"),
        ('{"question": "x", "answers": ["\\ud800"]}', "line 2: answers.0.uri: "),
        ('{"question": "x", "filter": {"collection": "b"}, "answers": ["a"]}', "filter: names a collection"),
        (GOOD.strip(), "line 2: the question stands in line 1 already"),
        ("[1]", "line 2: "),
        ("7", "line 2: "),
    ],
)
def test_a_wrong_line_gets_one_sentence_with_its_number(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, GOOD + line + "\n")
    sentence = str(raised.value)
    assert says in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("question: x\n", "golden.yaml, line 1: it is no list"),
        ("- question: x\n  answers: [a]\n- question: [\n", "golden.yaml, line "),
        ("- question: x\n  answers: [a]\n- question: y\n", "golden.yaml, line 3: answers is missing"),
    ],
)
def test_a_wrong_list_in_yaml_is_told_by_its_line(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, content, "golden.yaml")
    assert says in str(raised.value)


def test_a_file_that_is_missing_empty_or_no_text_is_said_in_a_sentence(tmp_path: Path) -> None:
    declared = Collection.model_validate({"source": "x", "golden": {"file": "nowhere.jsonl"}})
    with pytest.raises(ConfigurationError, match=r"collections.notes.golden.file is nowhere.jsonl, which is not there"):
        read_golden(tmp_path, declared, "notes")
    with pytest.raises(ConfigurationError, match="has no question for the collection notes"):
        read(tmp_path, "\n")
    (tmp_path / "nowhere.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="save it as UTF-8"):
        read_golden(tmp_path, declared, "notes")


def test_a_question_without_golden_settings_is_nobodys(tmp_path: Path) -> None:
    assert read_golden(tmp_path, Collection.model_validate({"source": "x"}), "notes") is None
