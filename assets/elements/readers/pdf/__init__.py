"""Print: glyphs at places, from which lines, paragraphs, tables and headings are told."""
