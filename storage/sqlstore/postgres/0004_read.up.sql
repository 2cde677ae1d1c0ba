-- +goose Up
-- Reads many documents by key, and counters, which have an empty kind. Whatever the tables looked like when it was
-- planned, it goes by the keys.
-- +goose StatementBegin
CREATE FUNCTION vouch_read(kinds text[], ids text[], names text[])
    RETURNS TABLE (kind text, id text, version bigint, due bigint, lists text, body text) LANGUAGE plpgsql STABLE
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    RETURN QUERY
        SELECT d.kind, d.id, d.version, d.due, d.lists, d.body FROM unnest(kinds, ids) AS x(kind, id)
            JOIN vouch_docs d ON d.kind = x.kind AND d.id = x.id
        UNION ALL
        SELECT '', c.name, c.value, NULL::bigint, '', '' FROM unnest(names) AS x(name) JOIN vouch_counters c ON c.name = x.name;
END
$$;
-- +goose StatementEnd
