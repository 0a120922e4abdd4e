"""What `suimon doctor` says of the programs that readers use, and of how far parsers are walled in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.cli import doctor
from resources.programs import find_program


@pytest.fixture(autouse=True)
def _forget_what_was_found() -> Iterator[None]:
    find_program.cache_clear()
    yield
    find_program.cache_clear()


@pytest.fixture
def only_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which alone programs are looked for, with a tesseract that knows two languages."""
    program = tmp_path / "tesseract"
    program.write_text("#!/bin/sh\nprintf 'List of available languages (2):\\neng\\njpn\\n'\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return program


def test_a_missing_program_is_named_with_what_it_is_for_and_how_to_get_it(only_program: Path) -> None:
    only_program.unlink()
    assert doctor._tool("soffice", doctor.LIBREOFFICE, ".doc and .ppt") == (
        "not installed, optional: without it .doc and .ppt are quarantined; "
        "on Debian: apt install libreoffice-writer-nogui libreoffice-impress-nogui"
    )
    assert "tesseract-ocr tesseract-ocr-eng tesseract-ocr-jpn tesseract-ocr-jpn-vert" in doctor._tesseract()


def test_a_language_that_tesseract_lacks_is_named(only_program: Path) -> None:
    said = doctor._tesseract()
    assert "lacks jpn_vert," in said
    assert said.endswith("apt install tesseract-ocr-jpn-vert")


def test_a_tesseract_that_does_not_run_is_said_to(only_program: Path) -> None:
    only_program.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    assert "does not run" in doctor._tesseract()


def test_isolation_by_python_alone_is_said_to_be_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "network_isolation", lambda: "kernel")
    by_kernel = doctor._isolation()
    monkeypatch.setattr(doctor, "network_isolation", lambda: "python")
    assert "programs that they start do" in doctor._isolation()
    assert "programs that they start do" not in by_kernel
