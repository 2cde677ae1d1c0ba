-- +goose Up
-- In the place of vouch_store, which older releases call: documents that only have to be as they are expected are looked
-- at here, so that a group which makes documents and counts need not read before; and a counter is changed whether it
-- exists or not.

-- Writes documents, rows of lists and counters, all in lock order, if each is as it is expected; otherwise nothing, and
-- gives false. Joins follow the order of the arrays, and so do the locks.
-- +goose StatementBegin
CREATE FUNCTION vouch_record(
        checked_kinds text[], checked_ids text[], checked_versions bigint[],
        changed_kinds text[], changed_ids text[], changed_before bigint[], changed_after bigint[],
        changed_dues bigint[], changed_lists text[], changed_bodies text[],
        dropped_kinds text[], dropped_ids text[], dropped_before bigint[],
        made_kinds text[], made_ids text[], made_versions bigint[], made_dues bigint[], made_lists text[], made_bodies text[],
        left_kinds text[], left_lists text[], left_places bigint[], left_ids text[],
        entered_kinds text[], entered_lists text[], entered_places bigint[], entered_ids text[],
        counter_names text[], deltas bigint[], untils bigint[], lows bigint[], highs bigint[])
    RETURNS boolean LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    n     integer;
    fresh integer;
BEGIN
    IF cardinality(checked_ids) > 0 THEN
        SELECT count(*) INTO n FROM unnest(checked_kinds, checked_ids, checked_versions) AS x(kind, id, version)
            WHERE coalesce((SELECT d.version FROM vouch_docs d WHERE d.kind = x.kind AND d.id = x.id), 0) = x.version;
        IF n <> cardinality(checked_ids) THEN
            RETURN false;
        END IF;
    END IF;
    BEGIN
        IF cardinality(changed_ids) > 0 THEN
            UPDATE vouch_docs d SET version = x.after, due = x.due, lists = x.lists, body = x.body
                FROM unnest(changed_kinds, changed_ids, changed_before, changed_after, changed_dues, changed_lists, changed_bodies)
                    AS x(kind, id, before, after, due, lists, body)
                WHERE d.kind = x.kind AND d.id = x.id AND d.version = x.before;
            GET DIAGNOSTICS n = ROW_COUNT;
            IF n <> cardinality(changed_ids) THEN
                RAISE EXCEPTION USING ERRCODE = 'VOUCH';
            END IF;
        END IF;
        IF cardinality(dropped_ids) > 0 THEN
            DELETE FROM vouch_docs d USING unnest(dropped_kinds, dropped_ids, dropped_before) AS x(kind, id, before)
                WHERE d.kind = x.kind AND d.id = x.id AND d.version = x.before;
            GET DIAGNOSTICS n = ROW_COUNT;
            IF n <> cardinality(dropped_ids) THEN
                RAISE EXCEPTION USING ERRCODE = 'VOUCH';
            END IF;
        END IF;
        IF cardinality(made_ids) > 0 THEN
            INSERT INTO vouch_docs (kind, id, version, due, lists, body)
                SELECT unnest(made_kinds), unnest(made_ids), unnest(made_versions), unnest(made_dues), unnest(made_lists), unnest(made_bodies);
        END IF;
        IF cardinality(left_ids) > 0 THEN
            DELETE FROM vouch_lists l USING unnest(left_kinds, left_lists, left_places, left_ids) AS x(kind, list, place, id)
                WHERE l.kind = x.kind AND l.list = x.list AND l.place = x.place AND l.id = x.id;
        END IF;
        IF cardinality(entered_ids) > 0 THEN
            INSERT INTO vouch_lists (kind, list, place, id)
                SELECT unnest(entered_kinds), unnest(entered_lists), unnest(entered_places), unnest(entered_ids);
        END IF;
        IF cardinality(counter_names) > 0 THEN
            UPDATE vouch_counters c SET value = c.value + x.delta, until = x.until, rev = c.rev + 1
                FROM unnest(counter_names, deltas, untils, lows, highs) AS x(name, delta, until, low, high)
                WHERE c.name = x.name AND c.value BETWEEN x.low AND x.high;
            GET DIAGNOSTICS n = ROW_COUNT;
            IF n <> cardinality(counter_names) THEN
                INSERT INTO vouch_counters (name, value, until, rev)
                    SELECT x.name, x.delta, x.until, 1
                        FROM unnest(counter_names, deltas, untils, lows, highs) AS x(name, delta, until, low, high)
                        WHERE x.low <= 0 AND x.high >= 0 AND NOT EXISTS (SELECT FROM vouch_counters c WHERE c.name = x.name);
                GET DIAGNOSTICS fresh = ROW_COUNT;
                IF n + fresh <> cardinality(counter_names) THEN
                    RAISE EXCEPTION USING ERRCODE = 'VOUCH';
                END IF;
            END IF;
        END IF;
        RETURN true;
    EXCEPTION WHEN SQLSTATE 'VOUCH' OR unique_violation THEN
        RETURN false;
    END;
END
$$;
-- +goose StatementEnd
