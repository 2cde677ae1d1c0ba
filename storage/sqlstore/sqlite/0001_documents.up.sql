-- +goose Up
CREATE TABLE vouch_docs (
    kind    TEXT    NOT NULL,
    id      TEXT    NOT NULL,
    version INTEGER NOT NULL,
    due     INTEGER,          -- unix microseconds; NULL: never
    lists   TEXT    NOT NULL, -- what vouch_lists holds for this version: {"list": place}; empty: none
    body    TEXT    NOT NULL, -- JSON
    PRIMARY KEY (kind, id)
) STRICT;

CREATE INDEX vouch_docs_due ON vouch_docs (kind, due, id) WHERE due IS NOT NULL;

CREATE TABLE vouch_lists (
    kind  TEXT    NOT NULL,
    list  TEXT    NOT NULL,
    place INTEGER NOT NULL,
    id    TEXT    NOT NULL,
    PRIMARY KEY (kind, list, place, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE vouch_counters (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL,
    until INTEGER,          -- unix microseconds after which it may be discarded; NULL: kept
    rev   INTEGER NOT NULL  -- so that every update changes something
) STRICT, WITHOUT ROWID;

CREATE INDEX vouch_counters_until ON vouch_counters (until) WHERE until IS NOT NULL;
