package main

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"fairlead.dev"
	"fairlead.dev/core/audit"
	"github.com/rogpeppe/go-internal/testscript"
)

// code N COMMAND… runs a command that has to end with the exit code N.
func code(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		got = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if (strconv.Itoa(got) == args[0]) == neg {
		ts.Fatalf("exit code %d", got)
	}
}

// capture VAR REGEXP keeps what the parentheses found in the last stdout.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) != 2 {
		ts.Fatalf("%s is not in\n%s", args[1], ts.ReadFile("stdout"))
	}
	ts.Setenv(args[0], m[1])
}

// tamper SEQ OLD NEW [rehash] changes an entry of the ledger in the database of
// a server that is stopped; with rehash it computes the whole tree anew, as
// whoever knows how would.
func tamper(ts *testscript.TestScript, neg bool, args []string) {
	db, err := sql.Open("sqlite", filepath.Join(ts.Getenv("FAIRLEAD_DATA"), "state.db"))
	ts.Check(err)
	defer db.Close()
	var entry []byte
	ts.Check(db.QueryRow("SELECT entry FROM ledger WHERE seq = $1", args[0]).Scan(&entry))
	changed := bytes.Replace(entry, []byte(args[1]), []byte(args[2]), 1)
	if bytes.Equal(entry, changed) {
		ts.Fatalf("%q is not in %s", args[1], entry)
	}
	_, err = db.Exec("UPDATE ledger SET entry = $1 WHERE seq = $2", changed, args[0])
	ts.Check(err)
	if len(args) < 4 {
		return
	}
	rows, err := db.Query("SELECT entry FROM ledger ORDER BY seq")
	ts.Check(err)
	defer rows.Close()
	var hashes []audit.Hash
	for seq := int64(0); rows.Next(); seq++ {
		var e []byte
		ts.Check(rows.Scan(&e))
		more, err := audit.Append(seq, e, func(indexes []int64) ([]audit.Hash, error) {
			var out []audit.Hash
			for _, i := range indexes {
				out = append(out, hashes[i])
			}
			return out, nil
		})
		ts.Check(err)
		hashes = append(hashes, more...)
	}
	ts.Check(rows.Err())
	for i, h := range hashes {
		_, err = db.Exec("UPDATE hashes SET hash = $1 WHERE id = $2", h[:], i)
		ts.Check(err)
	}
}

// The key is made once, for its owner alone; a broken one is never replaced.
func TestLedgerKey(t *testing.T) {
	d := &data{dir: t.TempDir()}
	newID := fairlead.System().NewID
	if err := os.WriteFile(d.path(ledgerKeyFile+".new"), []byte("half"), 0o600); err != nil { // of a start that was cut short
		t.Fatal(err)
	}
	first, err := d.ledgerKey(newID)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := d.ledgerKey(newID); err != nil || again != first {
		t.Errorf("the second start has another key (%v)", err)
	}
	if vkey, err := audit.VerifierKey(first); err != nil || !strings.HasPrefix(vkey, "fairlead-") {
		t.Errorf("%s: %v", vkey, err)
	}
	if err := os.WriteFile(d.path(ledgerKeyFile), []byte(first[:40]), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ledgerKey(newID); err == nil || !strings.Contains(err.Error(), ledgerKeyFile) || strings.Contains(err.Error(), first[:40]) {
		t.Errorf("a broken key: %v", err)
	}
	if other, err := (&data{dir: t.TempDir()}).ledgerKey(newID); err != nil || strings.Split(other, "+")[2] == strings.Split(first, "+")[2] {
		t.Errorf("two ledgers share a name (%v)", err)
	}
}
