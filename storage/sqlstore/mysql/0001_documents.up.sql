-- +goose Up
-- Keys are bytes: every collation takes some different keys for the same. A CREATE
-- commits by itself, and IF NOT EXISTS lets a migration that was cut short be done again.
CREATE TABLE IF NOT EXISTS vouch_docs (
    kind    VARBINARY(63)  NOT NULL,
    id      VARBINARY(190) NOT NULL,
    version BIGINT         NOT NULL,
    due     BIGINT,                  -- unix microseconds; NULL: never
    lists   BLOB           NOT NULL, -- what vouch_lists holds for this version: {"list": place}; empty: none
    body    MEDIUMBLOB     NOT NULL, -- JSON in UTF-8, byte for byte
    PRIMARY KEY (kind, id),
    KEY vouch_docs_due (kind, due, id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4;

CREATE TABLE IF NOT EXISTS vouch_lists (
    kind  VARBINARY(63)  NOT NULL,
    list  VARBINARY(190) NOT NULL,
    place BIGINT         NOT NULL,
    id    VARBINARY(190) NOT NULL,
    PRIMARY KEY (kind, list, place, id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4;

CREATE TABLE IF NOT EXISTS vouch_counters (
    name  VARBINARY(255) NOT NULL PRIMARY KEY,
    value BIGINT         NOT NULL,
    `until` BIGINT,               -- unix microseconds after which it may be discarded; NULL: kept; a keyword of TiDB's
    rev   BIGINT         NOT NULL, -- so that every update changes something
    KEY vouch_counters_until (`until`)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4;
