"""Gathering units into chunks: full enough, not too full, and broken where a reader would break. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from assets.chunks.sentences import ends_sentence
from assets.chunks.splitting import Count, measure, sentence_starts
from assets.chunks.units import HEADING_SHARE, Unit
from assets.settings import Chunking

_NARROW_GAP = 2
"""Characters of the blank line between two elements, which is a token at most."""


@dataclass
class Run:
    """Units that make a chunk.

    Attributes:
        units: in order.
        size: tokens of the units and of what lies between them.
        start: first character: of the first unit, or earlier, of what is shared with the chunk before.
        extra: tokens of what is shared or repeated before the first unit.
        shared: units of the chunk before that are touched.
    """

    units: list[Unit]
    size: int
    start: int
    extra: int = 0
    shared: tuple[Unit, ...] = ()

    @property
    def end(self) -> int:
        """Character after the last."""
        return self.units[-1].end

    @property
    def hidden(self) -> bool:
        """Whether a reader does not see it."""
        return self.units[0].hidden

    @property
    def lead(self) -> str:
        """What is repeated before it."""
        return self.units[0].lead

    @property
    def tokens(self) -> int:
        """Tokens of all that is shown."""
        return self.size + self.extra


def path_room(settings: Chunking) -> int:
    """Return the tokens that are kept free for the headings above."""
    return int(settings.max_tokens * HEADING_SHARE) if settings.heading_path else 0


def gather(text: str, units: Iterable[Unit], settings: Chunking, count: Count) -> Iterator[Run]:
    """Gather units into chunks.

    Args:
        text: the document's text.
        units: in order.
        settings: sizes in tokens.
        count: tokens of a text.
    """
    packer = _Packer(text, settings, count)
    for unit in units:
        yield from packer.add(unit)
    if packer.run:
        yield packer.run


class _Packer:
    def __init__(self, text: str, settings: Chunking, count: Count) -> None:
        self.run: Run | None = None
        self._text, self._settings, self._count = text, settings, count

    def add(self, unit: Unit) -> Iterator[Run]:
        """Take a unit; give the runs that are finished by it."""
        while self.run is not None:
            added = self._gap(self.run.units[-1], unit) + unit.tokens
            if not self._begins(self.run, unit, added):
                self.run.units.append(unit)
                self.run.size += added
                return
            finished, carried = self._part(self.run, unit)
            self.run = self._open(finished, carried, unit) if carried else None
            yield finished
            if not carried:
                self.run = self._open(finished, [unit], None)
                return
        self.run = self._open(None, [unit], None)

    def _limit(self, first: Unit) -> int:
        return self._settings.max_tokens - (path_room(self._settings) if first.path else 0)

    def _gap(self, one: Unit, other: Unit) -> int:
        length = other.start - one.end
        if length <= _NARROW_GAP:
            return 1
        return measure(self._text[one.end : other.start], self._settings.max_tokens, self._count) + 1

    def _size(self, units: Sequence[Unit]) -> int:
        return sum(unit.tokens for unit in units) + sum(self._gap(one, other) for one, other in pairwise(units))

    def _begins(self, run: Run, unit: Unit, added: int) -> bool:
        """Say whether a unit has to begin a new chunk."""
        if unit.hidden != run.hidden:
            return True
        limit = self._limit(run.units[0])
        if run.tokens + added > limit:
            return True
        if all(member.level for member in run.units):
            return False
        if not unit.level:
            # A chunk that is half full rather ends with a paragraph than within the next one.
            last = run.units[-1]
            return not unit.ends and last.ends and not last.leads and run.tokens * 2 >= limit
        section = next((member.path for member in reversed(run.units) if member.level), run.units[-1].path[:-1])
        elsewhere = unit.path[: len(section)] != section
        return elsewhere or run.size >= self._settings.min_tokens

    def _part(self, run: Run, unit: Unit) -> tuple[Run, list[Unit]]:
        """End a run; headings at its end belong to what follows them, as a list's lead-in does if both fit."""
        units = run.units
        keep = _before_headings(units, len(units))
        if units[-1].leads and unit.hidden == run.hidden:
            before = _before_headings(units, len(units) - 1)
            if before and self._size([*units[before:], unit]) <= self._limit(units[before]):
                keep = before
        if not keep or keep == len(units):
            return run, []
        kept = Run(units[:keep], self._size(units[:keep]), run.start, run.extra, run.shared)
        return kept, units[keep:]

    def _open(self, before: Run | None, units: list[Unit], following: Unit | None) -> Run:
        first = units[0]
        size = self._size(units)
        if before is None or first.lead:
            return Run(units, size, first.start, first.lead_tokens)
        room = self._limit(first) - (self._size([*units, following]) if following else size)
        start, tokens = self._shared(before, first, min(self._settings.overlap_tokens, room))
        shared = tuple(unit for unit in before.units if unit.end > start)
        return Run(units, size, start, tokens, shared)

    def _shared(self, before: Run, first: Unit, room: int) -> tuple[int, int]:
        """Find the sentence of the chunk before with which a chunk that begins with `first` may begin."""
        best = first.start, 0
        if room <= 0 or first.level or first.rows or first.hidden != before.hidden:
            return best
        for start in self._starts(before, first):
            tokens = measure(self._text[start : first.start], room, self._count)
            if tokens > room:
                break
            best = start, tokens
        return best

    def _starts(self, before: Run, first: Unit) -> Iterator[int]:
        """Walk back over the starts of sentences, as far as the same section goes and no table is met."""
        least = before.units[0].start
        for unit in reversed(before.units):
            if unit.level or unit.rows or unit.path != first.path:
                return
            yield from reversed(sentence_starts(self._text, unit.start, unit.end))
            if unit.start > least and (unit.begins or ends_sentence(self._text[max(0, unit.start - 16) : unit.start])):
                yield unit.start


def _before_headings(units: Sequence[Unit], keep: int) -> int:
    while keep and units[keep - 1].level:
        keep -= 1
    return keep
