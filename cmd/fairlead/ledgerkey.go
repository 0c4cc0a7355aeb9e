package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"fairlead.dev/core/audit"
)

// ledgerKeyFile holds the secret that signs the ledger's checkpoints.
const ledgerKeyFile = "ledger.key"

// ledgerKey gives the key that signs the ledger's checkpoints. The first start
// makes it, under a name that no other ledger has.
func (d *data) ledgerKey(newID func() string) (string, error) {
	path := d.path(ledgerKeyFile)
	text, err := os.ReadFile(path)
	if err == nil {
		key := strings.TrimSpace(string(text))
		if _, err := audit.VerifierKey(key); err != nil {
			return "", fmt.Errorf("%s: %w; put it back from a backup, or remove it to begin with another key, under which no earlier checkpoint can be checked", path, err)
		}
		return key, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("the ledger's key cannot be read: %w", err)
	}
	key, _, err := audit.NewKey(rand.Reader, "fairlead-"+newID()[20:])
	if err != nil {
		return "", err
	}
	if err := writeSecret(path, key+"\n"); err != nil {
		return "", fmt.Errorf("the ledger's key cannot be kept: %w", err)
	}
	return key, nil
}

// writeSecret makes a file that is whole or not there, whenever the machine
// stops, and readable by its owner alone.
func writeSecret(path, text string) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
