"""The benchmark's folder of documents: made from a seed, edited by the round.

Ten sections a file, each a heading and its paragraphs of 120 to 200 tokens together. A
section is between 560 and 960 bytes long, so a chunker that follows headings and one that
fills up to 1,000 bytes both come to ten chunks a file: no two neighbours fit in one chunk
and none has to be split. Some headings and paragraphs are Japanese. Every file's
modification time lies years back, except after an edit: change detection that distrusts
young timestamps pays for the files that did change and for no others.

The same seed gives the same bytes on every machine, and the same round the same edits, so
that each engine of a round meets the same change.
"""

from __future__ import annotations

import os
import random
import re
from dataclasses import dataclass
from pathlib import Path

SECTIONS_PER_FILE = 10
SECTION_BYTES = (560, 960)
EPOCH = 1_577_880_000  # 2020-01-01T12:00:00Z, in seconds
SEED = 20_240

_SUBJECTS = (
    "The feed pump", "The condensate line", "The control valve", "The heat exchanger",
    "The backup generator", "The cooling tower", "The pressure vessel", "The drive shaft",
    "The operator", "The maintenance team", "The night shift", "The site inspector",
    "The safety relay", "The level transmitter", "The filter housing", "The supervisor",
)  # fmt: skip
_VERBS = (
    "must be isolated before", "is checked against the log after", "was replaced during",
    "reports a fault in the course of", "runs at reduced load throughout",
    "should be drained ahead of", "keeps its previous setting until", "is recalibrated in",
    "signs the release form at the end of", "raises an alarm whenever vibration grows in",
)  # fmt: skip
_OBJECTS = (
    "the quarterly inspection", "a planned shutdown", "the pressure test", "the first start",
    "an unplanned outage", "the seasonal changeover", "commissioning", "the leak survey",
    "a change of lubricant", "the annual audit", "the transfer to the second unit",
)  # fmt: skip
_TAILS = (
    "and the reading stays below {n} bar",
    "with a tolerance of {n} millimetres",
    "as noted on sheet {n} of the binder",
    "unless work order {n} says otherwise",
    "within {n} minutes of the signal",
    "so that part {n} can be ordered in time",
    "while channel {n} remains in manual mode",
)
_TOPICS = (
    "Isolation", "Inspection", "Lubrication", "Calibration", "Start-up", "Shutdown",
    "Spare parts", "Alarms", "Records", "Training", "Cleaning", "Storage",
)  # fmt: skip
_TOPICS_JA = ("点検手順", "安全上の注意", "部品の交換", "記録の保管", "異常時の対応")
_SENTENCES_JA = (
    "作業の前に第{n}弁を閉じ、圧力が下がったことを確認する。",
    "異音がした場合は運転を止め、記録票{n}に時刻を書く。",
    "交換した部品は棚{n}に戻し、担当者が署名する。",
    "潤滑油は{n}時間ごとに取り替えること。",
)
_JAPANESE_EVERY, _JAPANESE_FIRST = 5, 3  # sections of a file with a Japanese paragraph
_MTIME_STEP = 60  # seconds between neighbouring files


@dataclass(frozen=True)
class Edit:
    """What a round changed.

    Attributes:
        paths: The two files, relative to the folder.
        marker: A word that occurs once in each new paragraph and nowhere else.
    """

    paths: tuple[Path, Path]
    marker: str


def write_corpus(root: Path, files: int, *, seed: int = SEED) -> int:
    """Bring a folder to its first state, rewriting only the files that differ.

    Args:
        root: The folder; created if missing. Markdown files of other names are removed.
        files: How many files it holds afterwards.
        seed: Chooses the texts.

    Returns:
        How many files were written.
    """
    root.mkdir(parents=True, exist_ok=True)
    names = {_relative_path(index) for index in range(files)}
    for stray in root.rglob("*.md"):
        if stray.relative_to(root) not in names:
            stray.unlink()
    written = 0
    for index in range(files):
        path = root / _relative_path(index)
        body = _document(index, seed).encode()
        stamp = EPOCH + index * _MTIME_STEP
        if path.exists() and path.stat().st_mtime == stamp and path.read_bytes() == body:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        os.utime(path, (stamp, stamp))
        written += 1
    return written


def edit_two_paragraphs(root: Path, files: int, round_number: int, *, seed: int = SEED) -> Edit:
    """Rewrite one paragraph in each of two files; which ones depends on the round alone.

    The new paragraph is about as long as the old one and stays inside its section, so one
    chunk a file changes. The files take the present as their modification time.

    Args:
        root: A folder written by `write_corpus` with the same arguments.
        files: How many files it holds, at least two.
        round_number: Distinct rounds give distinct texts.
        seed: The folder's seed.

    Returns:
        The files and the word to look for.
    """
    rng = random.Random(f"{seed}:edit:{round_number}")
    marker = f"REV-{round_number:04d}"
    chosen = [_relative_path(index) for index in sorted(rng.sample(range(files), 2))]
    for relative in chosen:
        path = root / relative
        sections = _split_sections(path.read_text(encoding="utf-8"))
        target = rng.randrange(1, len(sections))
        heading, paragraph, *rest = sections[target].strip("\n").split("\n\n")
        opening = f"Change {marker} replaces this paragraph. "
        fresh = opening + _paragraph(rng, max(40, len(paragraph) - len(opening) - 60))
        sections[target] = "\n\n".join([heading, fresh, *rest]) + "\n\n"
        path.write_text("".join(sections), encoding="utf-8")
    return Edit(paths=(chosen[0], chosen[1]), marker=marker)


def _relative_path(index: int) -> Path:
    return Path(f"unit-{index // 20:02d}") / f"manual-{index:04d}.md"


def _split_sections(text: str) -> list[str]:
    return [part for part in re.split(r"(?m)^(?=#{1,2} )", text) if part]


def _document(index: int, seed: int) -> str:
    rng = random.Random(f"{seed}:{index}")
    return "".join(_section(rng, index, number) for number in range(SECTIONS_PER_FILE))


def _section(rng: random.Random, index: int, number: int) -> str:
    """One heading and two or three paragraphs; redrawn until its size is in range."""
    lower, upper = SECTION_BYTES
    while True:
        japanese = number % _JAPANESE_EVERY == _JAPANESE_FIRST
        topic = rng.choice(_TOPICS_JA if japanese else _TOPICS)
        title = f"{topic} {index:04d}.{number}"
        blocks = [f"# Manual {index:04d}: {title}" if number == 0 else f"## {title}"]
        blocks += [_paragraph(rng, rng.randint(190, 260)) for _ in range(2)]
        blocks.append(_paragraph_ja(rng) if japanese else _paragraph(rng, 80))
        text = "\n\n".join(blocks) + "\n\n"
        if lower <= len(text) and len(text.encode()) <= upper:
            return text


def _paragraph(rng: random.Random, at_least: int) -> str:
    sentences: list[str] = []
    while sum(map(len, sentences)) < at_least:
        tail = rng.choice(_TAILS).format(n=rng.randint(2, 980))
        subject, verb, thing = rng.choice(_SUBJECTS), rng.choice(_VERBS), rng.choice(_OBJECTS)
        sentences.append(f"{subject} {verb} {thing}, {tail}.")
    return " ".join(sentences)


def _paragraph_ja(rng: random.Random) -> str:
    picked = rng.sample(_SENTENCES_JA, 2)
    return "".join(sentence.format(n=rng.randint(2, 980)) for sentence in picked)
