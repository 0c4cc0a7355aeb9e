-- Documents, deleted ones too: their row stays, with data NULL, so that
-- revisions go on and watchers hear of the deletion.
CREATE TABLE docs (
    kind TEXT    NOT NULL,
    key  TEXT    NOT NULL,
    rev  INTEGER NOT NULL,
    idx  INTEGER NOT NULL, -- of the commit that wrote it last
    pos  INTEGER NOT NULL, -- its place in that commit
    data BLOB,
    PRIMARY KEY (kind, key)
);
CREATE UNIQUE INDEX docs_by_change ON docs (idx, pos);

-- The ledger's entries as they were hashed, and the hashes of RFC 6962's tree.
CREATE TABLE ledger (
    seq   INTEGER PRIMARY KEY,
    entry BLOB NOT NULL
);
CREATE TABLE hashes (
    id   INTEGER PRIMARY KEY,
    hash BLOB NOT NULL
);

-- Effects still to do.
CREATE TABLE effects (
    kind TEXT    NOT NULL,
    key  TEXT    NOT NULL,
    idx  INTEGER NOT NULL,
    pos  INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
);

-- One row: the index of the last commit and the number of ledger entries.
CREATE TABLE head (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    idx  INTEGER NOT NULL,
    size INTEGER NOT NULL
);
INSERT INTO head (id, idx, size) VALUES (1, 0, 0);
