-- Purpose: store the chunks of chunk sets, pointing at their texts.
-- Parameters: arrays of equal length; pages, headings and flags as JSON. Index: texts (hash).
INSERT INTO chunks (chunk_set_id, ordinal, text_id, body_start, span, pages, heading_path, lead, html, flags)
SELECT
    f.chunk_set_id,
    f.ordinal,
    t.text_id,
    f.body_start,
    int4range(f.first_character, f.after_last),
    array(SELECT p.page::integer FROM jsonb_array_elements_text(f.pages::jsonb) AS p (page)),
    array(SELECT h.heading FROM jsonb_array_elements_text(f.headings::jsonb) AS h (heading)),
    f.lead,
    f.html,
    array(SELECT g.flag FROM jsonb_array_elements_text(f.flags::jsonb) AS g (flag))
FROM
    unnest(
        %(chunk_set_ids)s::bigint[], %(ordinals)s::integer[], %(digests)s::bytea[], %(body_starts)s::integer[],
        %(starts)s::integer[], %(ends)s::integer[], %(pages)s::text[], %(headings)s::text[],
        %(leads)s::integer[], %(htmls)s::text[], %(flags)s::text[]
    ) AS f (
        chunk_set_id, ordinal, hash, body_start, first_character, after_last, pages, headings, lead, html, flags
    )
INNER JOIN texts AS t ON f.hash = t.hash
