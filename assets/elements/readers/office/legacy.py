"""Word and PowerPoint documents of before 2007: LibreOffice makes present ones of them, which are then read."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from assets.elements.document import Reading, Unparseable
from assets.elements.readers.office.archives import check_archive
from assets.elements.readers.tools import find_tool, run_tool

_SETTINGS = (
    ("Common/Security/Scripting", "DisableMacrosExecution", "true"),
    ("Common/Security/Scripting", "MacroSecurityLevel", "3"),
    ("Common/Security/Scripting", "BlockUntrustedRefererLinks", "true"),
    ("Common/Save/Document", "LoadPrinter", "false"),
    ("Writer/Content/Update", "Link", "0"),
    ("Writer/Content/Update", "Field", "false"),
)
"""Of LibreOffice: no macro runs, and nothing outside the document is looked for."""


def read_doc(content: bytes) -> Reading:
    """Read a Word document of before 2007.

    Raises:
        Unparseable: `needs_libreoffice`, `password_protected`, `parse_timeout`, `damaged`, or as `read_docx` does.
    """
    converted = convert(content, "doc", "docx")
    check_archive(converted)  # A small document can become a large one.
    from assets.elements.readers.office.word import read_docx

    return read_docx(converted)


def read_ppt(content: bytes) -> Reading:
    """Read a presentation of before 2007.

    Raises:
        Unparseable: as `read_doc` does.
    """
    converted = convert(content, "ppt", "pptx")
    check_archive(converted)
    from assets.elements.readers.office.slides import read_pptx

    return read_pptx(converted)


def convert(content: bytes, old: str, new: str) -> bytes:
    """Let LibreOffice convert a document.

    Each conversion has a profile of its own, which costs half a second: a profile remembers documents, and one
    whose owner was killed may not start again.

    Args:
        content: the document.
        old: its extension.
        new: the extension of the format that is wanted.

    Raises:
        Unparseable: `needs_libreoffice`, `password_protected`, `parse_timeout` or `damaged`.
    """
    program = find_tool("soffice")
    if program is None:
        raise Unparseable("needs_libreoffice")
    if _is_encrypted(content):
        raise Unparseable("password_protected")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        given = folder / f"document.{old}"
        given.write_bytes(content)
        try:
            run_tool([program, *_arguments(folder, given, new)])
            converted = (folder / "converted" / f"document.{new}").read_bytes()
        except FileNotFoundError:  # It returns 0 even when it could not read the document.
            raise Unparseable("damaged") from None
        except Unparseable as error:
            raise Unparseable("damaged" if error.reason == "tool_failed" else error.reason) from None
    return converted


def _arguments(folder: Path, given: Path, new: str) -> list[str]:
    profile = folder / "profile"
    _write_settings(profile)
    return [
        "--headless",
        "--norestore",
        "--nologo",
        "--nodefault",
        f"-env:UserInstallation={profile.as_uri()}",
        "--convert-to",
        new,
        "--outdir",
        str(folder / "converted"),
        str(given),
    ]


def _write_settings(profile: Path) -> None:
    items = "\n".join(
        f'<item oor:path="/org.openoffice.Office.{path}"><prop oor:name="{name}" oor:op="fuse">'
        f"<value>{value}</value></prop></item>"
        for path, name, value in _SETTINGS
    )
    (profile / "user").mkdir(parents=True)
    (profile / "user" / "registrymodifications.xcu").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<oor:items xmlns:oor="http://openoffice.org/2001/registry" '
        f'xmlns:xs="http://www.w3.org/2001/XMLSchema">\n{items}\n</oor:items>\n',
        encoding="utf-8",
    )


def _is_encrypted(content: bytes) -> bool:
    import msoffcrypto

    try:
        return bool(msoffcrypto.OfficeFile(io.BytesIO(content)).is_encrypted())
    except Exception:  # It raises whatever it stumbles over; LibreOffice judges then.
        return False
