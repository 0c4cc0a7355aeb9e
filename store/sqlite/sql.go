package sqlite

// The whole SQL of the store, in the words that SQLite and PostgreSQL share
// ($N parameters, ON CONFLICT), so that both can use one text.
const (
	sqlGet = `SELECT rev, idx, data FROM docs WHERE kind = $1 AND key = $2 AND data IS NOT NULL`

	// A key range, not LIKE: a prefix may contain any character.
	sqlList = `SELECT key, rev, idx, data FROM docs
		WHERE kind = $1 AND key >= $2 AND key > $3 AND data IS NOT NULL ORDER BY key LIMIT $4`
	sqlListTo = `SELECT key, rev, idx, data FROM docs
		WHERE kind = $1 AND key >= $2 AND key > $3 AND data IS NOT NULL AND key < $5 ORDER BY key LIMIT $4`

	sqlRev = `SELECT rev, data IS NOT NULL FROM docs WHERE kind = $1 AND key = $2`
	sqlPut = `INSERT INTO docs (kind, key, rev, idx, pos, data) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (kind, key) DO UPDATE SET rev = excluded.rev, idx = excluded.idx, pos = excluded.pos, data = excluded.data`
	sqlDelete = `UPDATE docs SET idx = $3, pos = $4, data = NULL WHERE kind = $1 AND key = $2`

	sqlHead    = `SELECT idx, size FROM head WHERE id = 1`
	sqlSetHead = `UPDATE head SET idx = $1, size = $2 WHERE id = 1`

	sqlAppend  = `INSERT INTO ledger (seq, entry) VALUES ($1, $2)`
	sqlEntries = `SELECT seq, entry FROM ledger WHERE seq >= $1 ORDER BY seq LIMIT $2`
	sqlAddHash = `INSERT INTO hashes (id, hash) VALUES ($1, $2)`
	sqlHash    = `SELECT hash FROM hashes WHERE id = $1`

	sqlEffect = `INSERT INTO effects (kind, key, idx, pos) VALUES ($1, $2, $3, $4)
		ON CONFLICT (kind, key) DO UPDATE SET idx = excluded.idx, pos = excluded.pos`
	sqlPending = `SELECT kind, key, idx FROM effects ORDER BY idx, pos`
	sqlDone    = `DELETE FROM effects WHERE kind = $1 AND key = $2 AND idx <= $3`

	sqlChanges = `SELECT kind, key, idx FROM docs WHERE idx > $1 ORDER BY idx, pos`

	sqlVersions   = `CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY)`
	sqlVersion    = `SELECT COALESCE(MAX(version), 0) FROM schema_version`
	sqlSetVersion = `INSERT INTO schema_version (version) VALUES ($1)`
)
