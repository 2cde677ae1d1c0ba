-- +goose Up
-- Applies a batch in one round trip: its operations, in lock order, as a JSON array. Gives 0, or the number of the
-- first operation that was refused, counted from 1; then nothing is written. A session keeps the plans of a function:
-- one that was made while a table was small must not read all of it when it has grown.
-- +goose StatementBegin
CREATE FUNCTION vouch_apply(batch json) RETURNS integer LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    o       record;
    e       record;
    at      bigint;
    before  text;
    n       integer := 0;
BEGIN
    FOR o IN
        SELECT * FROM json_to_recordset(batch) AS x(op text, kind text, id text, version bigint, due bigint,
            lists text, body text, delta bigint, low bigint, high bigint)
    LOOP
        n := n + 1;
        IF o.op = 'add' AND o.low <= 0 AND o.high >= 0 THEN
            INSERT INTO vouch_counters AS c (name, value, until, rev) VALUES (o.id, o.delta, o.due, 1)
                ON CONFLICT (name) DO UPDATE SET value = c.value + o.delta, until = o.due, rev = c.rev + 1
                WHERE c.value BETWEEN o.low AND o.high;
        ELSIF o.op = 'add' THEN -- not from an absent counter
            UPDATE vouch_counters c SET value = c.value + o.delta, until = o.due, rev = c.rev + 1
                WHERE c.name = o.id AND c.value BETWEEN o.low AND o.high;
        ELSIF o.op = 'put' AND o.version = 0 THEN
            before := '';
            INSERT INTO vouch_docs (kind, id, version, due, lists, body)
                VALUES (o.kind, o.id, 1, o.due, o.lists, o.body) ON CONFLICT DO NOTHING;
        ELSE
            at := 0;
            SELECT d.version, d.lists INTO at, before FROM vouch_docs d WHERE d.kind = o.kind AND d.id = o.id;
            IF coalesce(at, 0) <> o.version THEN
                RAISE EXCEPTION USING ERRCODE = 'VOUCH';
            END IF;
            IF o.op = 'put' THEN
                UPDATE vouch_docs d SET version = d.version + 1, due = o.due, lists = o.lists, body = o.body
                    WHERE d.kind = o.kind AND d.id = o.id AND d.version = o.version;
            ELSIF o.op = 'drop' THEN
                DELETE FROM vouch_docs d WHERE d.kind = o.kind AND d.id = o.id AND d.version = o.version;
            ELSE -- a check, which holds
                CONTINUE;
            END IF;
        END IF;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'VOUCH';
        END IF;
        IF o.op = 'add' OR before = coalesce(o.lists, '') THEN
            CONTINUE;
        END IF;
        FOR e IN SELECT key, value FROM json_each_text(nullif(before, '')::json)
            EXCEPT SELECT key, value FROM json_each_text(nullif(o.lists, '')::json)
        LOOP
            DELETE FROM vouch_lists l
                WHERE l.kind = o.kind AND l.list = e.key AND l.place = e.value::bigint AND l.id = o.id;
        END LOOP;
        INSERT INTO vouch_lists (kind, list, place, id)
            SELECT o.kind, key, value::bigint, o.id FROM (
                SELECT key, value FROM json_each_text(nullif(o.lists, '')::json)
                EXCEPT SELECT key, value FROM json_each_text(nullif(before, '')::json)) added;
    END LOOP;
    RETURN 0;
EXCEPTION WHEN SQLSTATE 'VOUCH' THEN
    RETURN n;
END
$$;
-- +goose StatementEnd
