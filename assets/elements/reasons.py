"""Why a document or a chunk is held back: what it is, and what to do, in a sentence for people by reason code.

The database tells the same sentences (sql/objects/0007_quarantine.sql) and so does docs/quarantine.md; a test compares
the three. A sentence is what it is, a semicolon, what to do.
"""

REASONS = {
    "unsupported_format": "it is in no format that is parsed; convert it, or leave it out with exclude",
    "misnamed": "it is an image under another format's name; give it its own extension, or leave it out",
    "damaged": "it is broken, cut short, or not what its name says; get a whole copy of it",
    "too_large": "it is larger than limits.max_file_mb and was not read; raise the limit and retry, or split it",
    "unreadable": "it could not be opened; correct its rights",
    "password_protected": "it needs a password or a key; save a copy without",
    "unknown_encoding": "its text is in no encoding that fits; save it as UTF-8",
    "forbidden_entities": "its XML declares entities of its own, which can reach files or fill the memory; expand them",
    "unpacks_too_large": "far more comes out of it than its size says, as out of a bomb; save it anew",
    "too_much_text": "it has more text than a document may have; split it",
    "image_too_large": "it is an image of too many pixels; scale it down",
    "needs_tesseract": "it is an image or a scan; install tesseract (Debian: tesseract-ocr, tesseract-ocr-jpn and "
    "tesseract-ocr-jpn-vert)",
    "needs_libreoffice": "it is an Office document of before 2007; install LibreOffice (Debian: libreoffice-writer, "
    "libreoffice-impress), or save it in a present format",
    "needs_pandoc": "it is read through pandoc; install pypandoc_binary, or pandoc of the system",
    "tool_failed": "the program that reads it gave up; open it by hand and save it anew",
    "ocr_unsure": "its picture could not be read with confidence; scan it better, or supply the text",
    "unmapped_glyphs": "it draws letters without saying which they are, and OCR is missing or no help; print it anew "
    "with its fonts, or install tesseract",
    "text_lost": "much of its text did not come out of the parser; save it in another format",
    "parse_timeout": "it took longer than limits.parse_seconds; raise the limit and retry, or split it",
    "parse_memory": "it took more memory than limits.parse_memory_mb; raise the limit and retry, or split it",
    "parser_crashed": "the process that read it died; save it anew",
    "parse_error": "its parser raised an error; save it anew, and report it if that does not help",
    "changed_while_reading": "it changed while it was read; it is read again at the next refresh",
    "erased": "its bytes were erased on request and are kept out; take it out of the source",
    "no_text": "it has no text; supply some, or leave it out",
    "garbled": "more than 5 % of its characters are replacements or controls, the mark of a wrong encoding; save it as "
    "UTF-8",
    "implausibly_small": "far less text came out of it than its size promises; see whether it is a picture of text, "
    "and save it in another format",
    "chunk_error": "it could not be cut into chunks, which is a fault of Suimon; report it with its detail",
    "chunks_unsound": "its chunks are empty, too long or not its whole text, which is a fault of Suimon; report it "
    "with the audit that its detail names",
    "endpoint_refused": "the embedding endpoint refused the text of this chunk, so that no search finds it; change the "
    "text, or mend the endpoint and retry",
    "too_long": "the model of the space does not read the text of this chunk to its end; refresh, and its document is "
    "cut anew for that model",
}
"""What a person is told, and told to do, by reason code."""

FAILURES = {
    "timeout": "parse_timeout",
    "memory": "parse_memory",
    "crashed": "parser_crashed",
    "error": "parse_error",
    "output": "too_much_text",
}
"""Reason codes of what a parser process can come to."""
