"""Passages of a document that speak to a language model. Pure.

A document speaks to its readers. What in it is plainly said to a model is no part of what a profile describes: it is
left out of what is asked, and so of what an answer may name. Phrases are an incomplete guard, and not the only one:
see `grounding`.
"""

from __future__ import annotations

import re
import unicodedata

_TO_A_MODEL = re.compile(
    r"""
      \b(?:ignore|disregard|forget|override|bypass)\b [^.!?]{0,30}
      \b(?:previous|prior|preceding|above|earlier|foregoing|former|system|original|initial|existing)\b [^.!?]{0,20}
      \b(?:instructions?|prompts?|rules|directions|commands?|guidelines|directives?|context)\b
    | \b(?:ignore|disregard|forget|override|bypass)\b [^.!?]{0,30}
      \b(?:instructions?|prompts?|rules|directions|commands?|guidelines|directives?|context)\b [^.!?]{0,12}
      \b(?:above|before|so\ far|you\ (?:were|have\ been)\ given)\b
    | \b(?:ignore|disregard|forget)\ (?:everything|all|anything)\b [^.!?]{0,20} \b(?:above|before|so\ far|told)\b
    | \b(?:answer|respond|reply)\ (?:only|just|solely|exclusively)\ with\b
    | \b(?:reveal|print|show|repeat|output|disclose|leak)\b [^.!?]{0,30}
      \b(?:system|hidden|initial|developer)\ (?:prompt|instructions?|message)\b
    | \b(?:you\ are|act\ as|pretend\ to\ be|attention|dear|(?:note|message|instructions?|request)\ (?:to|for))
      (?:\ (?:now|no\ longer|an?|the|any|all|\w+ful))*
      \ (?:llms?|(?:chat)?gpt|(?:large\ )?language\ models?|ai\ (?:models?|assistants?|agents?)|chatbots?)\b
    | \bignorier\w*\b [^.!?]{0,40} \b(?:anweisung|instruktion)\w*
    | \b(?:ignore[rz]?|oublie[rz]?)\b [^.!?]{0,30} \binstructions\b [^.!?]{0,20} \bpr[eé]c[eé]dentes\b
    | \b(?:ignor|olvid)\w+\b [^.!?]{0,40} \binstrucciones\b [^.!?]{0,20} \banteriores\b
    | (?:これまで|今まで|以前|前|上|上記|先|先ほど|以上|すべて|全て|全部)の?
      [^。]{0,12} (?:指示|命令|ルール|プロンプト) [^。]{0,10} (?:無視|忘れ)
    | とだけ(?:答え|回答|出力|返答|返し|返信|応答)
    | (?:あなた|君)は [^。]{0,10} (?:ai|言語モデル|アシスタント|チャットボット)
    | システムプロンプト
    """,
    re.VERBOSE,
)
"""What people write to a model and hardly ever to each other, in folded characters with single blanks."""

_SENTENCE = re.compile(r"[^.!?。！？]+[.!?。！？]*|[.!?。！？]+")
_GAP = re.compile(r"\s*\n\s*\n\s*")
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")


def to_readers(text: str) -> tuple[str, int]:
    """Return what of a text is said to its readers, and how many passages were left out.

    A passage goes from the sentence that speaks to a model to the end of its line: orders follow each other.

    Args:
        text: of a document.
    """
    kept: list[str] = []
    left_out = 0
    for line in text.splitlines(keepends=True):
        stop = _addressed_from(line)
        left_out += stop < len(line)
        kept.append(line if stop == len(line) else line[:stop] + line[len(line.rstrip("\r\n")) :])
    return (_GAP.sub("\n\n", "".join(kept)), left_out) if left_out else (text, 0)


def _addressed_from(line: str) -> int:
    """Return where a line begins to speak to a model; its length if it does not."""
    if not _TO_A_MODEL.search(_plain(line)):
        return len(line)
    for sentence in _SENTENCE.finditer(line):
        if _TO_A_MODEL.search(_plain(sentence[0])):
            return sentence.start()
    return len(line)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).casefold().split())
