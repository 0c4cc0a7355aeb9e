package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"strconv"
	"strings"

	"fairlead.dev"
)

// migrations are the steps from an empty file to the present tables, one file
// each, numbered without gaps: NNNN_what.sql. A released file never changes.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the tables up to date, all steps in one transaction. It
// refuses a file written by a newer build, which may mean things that this one
// does not know.
func migrate(ctx context.Context, db *sql.DB, path string) error {
	files, err := migrations.ReadDir("migrations") // sorted by name
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // no-op after Commit
	if _, err := tx.ExecContext(ctx, sqlVersions); err != nil {
		return err
	}
	var version int
	if err := tx.QueryRowContext(ctx, sqlVersion).Scan(&version); err != nil {
		return err
	}
	if version > len(files) {
		return fairlead.Errorf(fairlead.Unsupported, "%s was written by a newer build (schema %d, this build knows %d)", path, version, len(files))
	}
	for n := version + 1; n <= len(files); n++ {
		name := files[n-1].Name()
		if number, _, _ := strings.Cut(name, "_"); number != pad(n) {
			return fairlead.Errorf(fairlead.Internal, "migration %s should have the number %s", name, pad(n))
		}
		text, err := migrations.ReadFile("migrations/" + name)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, string(text)); err != nil {
			return fairlead.Errorf(fairlead.Internal, "migration %s: %w", name, err)
		}
		if _, err := tx.ExecContext(ctx, sqlSetVersion, n); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func pad(n int) string {
	s := strconv.Itoa(n)
	return strings.Repeat("0", max(0, 4-len(s))) + s
}
