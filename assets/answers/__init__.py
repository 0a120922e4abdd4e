"""Answers from published passages, with citations that are checked, and how good they are.

What belongs here: `settings` (what `collections.yaml` declares of answers), `prompts` (versioned files) and
`prompting` (passages and a question as messages within a budget), `citing` (what an answer cites, and what of it
stands), `questions` and `measures` (golden questions and figures over them), and the asset `search/answer_quality`.
All but the asset is pure; asking is done by `pipelines.answering`.
"""
