"""Retrievers for LLM frameworks: each in its framework's own form, all through one small client of `search.*`.

What belongs here: `client` (the only module that talks to the database), `passages` (what comes back), `filters` (the
frameworks' filters in our grammar), and a module a framework. Nothing here writes. No module imports a framework but
its own, so that each is installed alone (docs/frameworks.md).
"""
