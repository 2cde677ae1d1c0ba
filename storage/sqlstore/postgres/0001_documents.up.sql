-- +goose Up
CREATE TABLE vouch_docs (
    kind    TEXT COLLATE "C" NOT NULL,
    id      TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    due     BIGINT,        -- unix microseconds; NULL: never
    lists   TEXT NOT NULL, -- what vouch_lists holds for this version: {"list": place}; empty: none
    body    TEXT NOT NULL, -- JSON, byte for byte
    PRIMARY KEY (kind, id)
);

CREATE INDEX vouch_docs_due ON vouch_docs (kind, due, id) WHERE due IS NOT NULL;

CREATE TABLE vouch_lists (
    kind  TEXT COLLATE "C" NOT NULL,
    list  TEXT COLLATE "C" NOT NULL,
    place BIGINT NOT NULL,
    id    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, list, place, id)
);

CREATE TABLE vouch_counters (
    name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL,
    until BIGINT,          -- unix microseconds after which it may be discarded; NULL: kept
    rev   BIGINT NOT NULL  -- so that every update changes something
) WITH (fillfactor = 80);  -- room for new versions of a row beside it

CREATE INDEX vouch_counters_until ON vouch_counters (until) WHERE until IS NOT NULL;
