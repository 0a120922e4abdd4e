"""Retrievers for LLM frameworks: each in its framework's own form, all through one small client of `search.*`.

What belongs here: `client` (the only module that asks the search functions), `embedding` (a question's vector),
`refusals` (what the database says no to), `passages` (what is asked and comes back), `filters` (the frameworks' filters
in our grammar), and a module a framework. Nothing here writes or needs Dagster. No module imports a framework but its
own, so that each is installed alone (docs/frameworks.md).
"""
