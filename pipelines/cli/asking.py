"""Asking before something that cannot be undone."""

from __future__ import annotations

import sys

import click

from resources.errors import ConfigurationError


def confirmed(question: str, *, yes: bool) -> None:
    """Ask on a terminal; return only if the answer is yes.

    Args:
        question: what is about to happen.
        yes: whether the answer was given on the command line.

    Raises:
        ConfigurationError: there is nobody to ask.
        click.Abort: the answer was no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError("This cannot be undone and nobody is there to be asked; confirm it with --yes.")
    click.confirm(question, abort=True, err=True)
