"""Readers: a module a family of formats, each from bytes to a `Reading`. Imported by parser processes alone."""

import assets.elements.preload  # noqa: F401  # Before any part of unstructured: it would fetch a model otherwise.
