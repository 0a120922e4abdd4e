"""What a parser process holds before its first file: quiet libraries and the sentence splitter.

Imported by the server that parser processes are forked from, and by nothing else.

unstructured asks spaCy's English model how many sentences and words a line has, to tell a title from a
paragraph. That model is downloaded while parsing where it is absent, takes nine tenths of the time on text
formats and knows no Japanese. A blank pipeline with a rule for sentence ends, Japanese ones included,
answers the same questions (docs/decisions/0003-sentences-without-a-model.md).
"""

import logging
import warnings

import spacy
from unstructured.nlp import tokenize

SENTENCE_ENDS = [".", "!", "?", "。", "！", "？", "．", "…"]

warnings.filterwarnings("ignore")
logging.getLogger("unstructured").setLevel(logging.ERROR)
logging.getLogger("pdfminer").setLevel(logging.ERROR)


def _sentence_splitter() -> spacy.language.Language:
    pipeline = spacy.blank("xx")
    pipeline.add_pipe("sentencizer", config={"punct_chars": SENTENCE_ENDS})
    return pipeline


_PIPELINE = _sentence_splitter()
tokenize._load_spacy_model = lambda: _PIPELINE  # noqa: SLF001  # There is no public way.
