"""Mails: head and body as a document, attachments as documents of their own.

The standard library takes a mail apart; its texts are decoded here, since what a mail declares is often wrong,
and read by the readers of text and HTML.
"""

from __future__ import annotations

import email
import email.policy
import email.utils
import hashlib
import io
import mimetypes
import posixpath
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from email.message import EmailMessage

from assets.documents.detection import detect_format
from assets.elements.cleaning import Cleaner
from assets.elements.document import Attachment, Block, Reading, Unparseable
from assets.elements.readers.encoding import decode
from assets.elements.readers.plain import read_text
from assets.elements.readers.web import read_html, read_markup

MOST_ATTACHMENTS = 200
"""Of one mail; further ones are counted and left out."""

_OLE = b"\xd0\xcf\x11\xe0"
_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\]+")
_ENCRYPTED = {"application/pkcs7-mime", "application/x-pkcs7-mime", "multipart/encrypted"}
_NO_FILES = {"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature",
             "text/calendar", "text/x-vcard", "text/vcard", "application/ms-tnef"}  # fmt: skip
"""Parts that a mail program makes and nobody attached: signatures, invitations, cards."""

_PEOPLE = {"from": "from", "to": "to", "cc": "cc"}


@dataclass(frozen=True, slots=True)
class _File:
    """A file in a mail.

    Attributes:
        part: where it is: its number among the mail's parts.
        name: as the mail calls it.
        content: its bytes.
    """

    part: str
    name: str
    content: bytes


def read_eml(content: bytes) -> Reading:
    """Read a mail in Internet form.

    Raises:
        Unparseable: it is encrypted.
    """
    message = _message(content)
    if message.get_content_type() in _ENCRYPTED and message.get_param("smime-type") != "signed-data":
        raise Unparseable("password_protected")
    reading = _body(message)
    _add_head(reading, _properties(message))
    _add_files(reading, list(_files(message)))
    return reading


def read_msg(content: bytes) -> Reading:
    """Read a mail as Outlook saves it.

    Raises:
        Unparseable: it is damaged or encrypted.
    """
    message = _outlook(content)
    if message.message_class.lower().startswith("ipm.note.smime") and not message.body:
        raise Unparseable("password_protected")
    if message.html_body:
        reading = read_markup(message.html_body)
    else:
        reading = read_text((message.body or "").encode("utf-8", "replace"))
    headers = message.message_headers or {}
    found = {
        "subject": message.subject or "",
        "from": message.sender or "",
        "to": headers.get("To", ""),
        "cc": headers.get("Cc", ""),
        "sent": message.sent_date.isoformat() if message.sent_date else "",
    }
    _add_head(reading, {name: value for name, value in found.items() if value})
    _add_files(reading, list(_outlook_files(message)))
    return reading


def extract(content: bytes, part: str) -> bytes:
    """Return the bytes of a file inside a mail.

    Args:
        content: of the mail.
        part: as in `Attachment.part`.

    Raises:
        Unparseable: there is no such part.
    """
    files = _outlook_files(_outlook(content)) if content.startswith(_OLE) else _files(_message(content))
    for file in files:
        if file.part == part:
            return file.content
    raise Unparseable("changed_while_reading")


def _message(content: bytes) -> EmailMessage:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):  # Saved by an editor as UTF-16, and no mail any more.
        content = decode(content).encode("utf-8", "replace")
    message = email.message_from_bytes(content.lstrip(b"\r\n\xef\xbb\xbf"), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def _body(message: EmailMessage) -> Reading:
    """Read the body: all its texts in order, and of alternatives the richest that says anything."""
    whole = Reading([], visible=0)
    for part in _texts(message):
        _append(whole, _read_part(part))
    return whole


def _append(whole: Reading, reading: Reading) -> None:
    whole.blocks = [*whole.blocks, *reading.blocks]
    whole.readings.extend(reading.readings)
    whole.visible = (whole.visible or 0) + (reading.visible or 0)
    for name, count in reading.counters.items():
        whole.counters[name] = whole.counters.get(name, 0) + count


def _texts(part: EmailMessage) -> Iterator[EmailMessage]:
    """Yield the texts that are shown; a text with a name of its own is a file."""
    kind = part.get_content_type()
    children = [child for child in _children(part) if isinstance(child, EmailMessage)]
    if kind == "multipart/alternative":
        for child in reversed(children):
            texts = list(_texts(child))
            if any(True for text in texts for _ in _read_part(text).blocks):
                yield from texts
                return
    elif children:
        for child in children:
            yield from _texts(child)
    elif kind in {"text/html", "text/plain"} and not _is_file(part):
        yield part


def _children(part: EmailMessage) -> list[object]:
    return list(part.iter_parts()) if part.get_content_maintype() == "multipart" else []


def _is_file(part: EmailMessage) -> bool:
    return part.get_content_disposition() == "attachment" or _stated_name(part) != ""


def _walk(message: EmailMessage) -> Iterator[EmailMessage]:
    """Yield a mail's parts, without those of a mail inside it."""
    waiting = [message]
    while waiting:
        part = waiting.pop()
        yield part
        if part.get_content_maintype() == "multipart":
            waiting.extend(reversed([child for child in part.iter_parts() if isinstance(child, EmailMessage)]))


def _read_part(part: EmailMessage) -> Reading:
    payload = _payload(part)
    declared = part.get_content_charset()
    if part.get_content_subtype() == "html":
        return read_markup(decode(payload, declared)) if declared else read_html(payload)
    return read_text(decode(payload, declared).encode("utf-8", "replace"))


def _payload(part: EmailMessage) -> bytes:
    try:
        payload = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        payload = str(part.get_payload()).encode("utf-8", "surrogateescape")
    return payload if isinstance(payload, bytes) else b""


def _properties(message: EmailMessage) -> dict[str, str]:
    found = {"subject": _header(message, "subject")}
    found |= {name: _header(message, header) for header, name in _PEOPLE.items()}
    with suppress(ValueError, TypeError, IndexError, AttributeError):
        found["sent"] = email.utils.parsedate_to_datetime(_header(message, "date")).isoformat()
    return {name: value for name, value in found.items() if value}


def _header(message: EmailMessage, name: str) -> str:
    """Return a header; one whose bytes were never encoded is decoded as text is."""
    try:
        value = str(message.get(name) or "")
    except (ValueError, LookupError, IndexError, AttributeError, TypeError):
        value = next((text for key, text in message.raw_items() if key.lower() == name), "")
    if any("\udc80" <= character <= "\udcff" for character in value):
        with suppress(Unparseable, UnicodeError):
            value = decode(value.encode("utf-8", "surrogateescape"))
    return " ".join(value.split())


def _add_head(reading: Reading, found: dict[str, str]) -> None:
    reading.properties = {"title": found["subject"]} if found.get("subject") else {}
    reading.properties |= found
    subject = found.get("subject")
    if subject:
        blocks = [replace(block, level=block.level + 1 if block.level else 0) for block in reading.blocks]
        reading.blocks = [Block("Title", subject, 1), *blocks]
        reading.visible = None if reading.visible is None else reading.visible + len("".join(subject.split()))


def _add_files(reading: Reading, files: list[_File]) -> None:
    if len(files) > MOST_ATTACHMENTS:
        reading.counters["attachments_left_out"] = len(files) - MOST_ATTACHMENTS
    names: set[str] = set()
    for file in files[:MOST_ATTACHMENTS]:
        name = _unique(file.name, names)
        names.add(name)
        found = detect_format(file.content[: 1 << 16], name, io.BytesIO(file.content))
        digest = hashlib.sha256(file.content).hexdigest()
        reading.attachments.append(Attachment(file.part, name, digest, found, len(file.content)))


def _unique(name: str, names: set[str]) -> str:
    stem, suffix = posixpath.splitext(name)
    return next(
        candidate
        for number in range(1, len(names) + 2)
        if (candidate := name if number == 1 else f"{stem} ({number}){suffix}") not in names
    )


def _files(message: EmailMessage) -> Iterator[_File]:
    """Yield the files that somebody attached: not the pictures that the body shows."""
    for number, part in enumerate(_walk(message)):
        kind = part.get_content_maintype()
        if kind == "multipart" or part.get_content_type() in _NO_FILES:
            continue
        if kind == "text" and not _is_file(part):
            continue
        if kind == "image" and part.get("content-id") and part.get_content_disposition() != "attachment":
            continue
        content = _file_content(part)
        if content:
            yield _File(str(number), _file_name(part, number), content)


def _file_content(part: EmailMessage) -> bytes:
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload()
        return inner[0].as_bytes() if isinstance(inner, list) and inner and isinstance(inner[0], EmailMessage) else b""
    return _payload(part)


def _file_name(part: EmailMessage, number: int) -> str:
    return _safe(_stated_name(part)) or _invented(part, number)


def _stated_name(part: EmailMessage) -> str:
    try:
        return part.get_filename() or ""
    except (ValueError, LookupError, AttributeError, TypeError):
        return ""


def _invented(part: EmailMessage, number: int) -> str:
    if part.get_content_type() == "message/rfc822":
        return f"mail-{number}.eml"
    return f"part-{number}{mimetypes.guess_extension(part.get_content_type()) or ''}"


def _safe(name: str) -> str:
    """Return a name without folders: what a mail calls `../../a.txt` is `a.txt` here."""
    return Cleaner().clean(_UNSAFE.sub(" ", posixpath.basename(name.replace("\\", "/").strip()))).strip(" .")[:200]


def _outlook(content: bytes):  # type: ignore[no-untyped-def]  # The library has no types of its own.
    import oxmsg

    try:
        return oxmsg.Message.load(io.BytesIO(content))
    except Exception:
        raise Unparseable("damaged") from None


def _outlook_files(message) -> Iterator[_File]:  # type: ignore[no-untyped-def]
    for number, attachment in enumerate(message.attachments):
        content = attachment.file_bytes
        if content:
            yield _File(str(number), _safe(attachment.file_name or "") or f"part-{number}", content)
