package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"fairlead.dev/cli"
)

// data is the folder of one server: its state, artifacts and routes. The lock
// is held as long as the process lives; the kernel drops it however it ends.
type data struct {
	dir  string
	lock *os.File
}

// openData makes the folder, readable by nobody else, and locks it. Two servers
// on one folder would each believe that they alone move the releases.
func openData(dir string) (*data, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the data folder cannot be made: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a folder; choose another with --data", dir)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o), and it holds models and state; run: chmod 700 %s", dir, info.Mode().Perm(), dir)
	}
	d := &data{dir: dir}
	d.lock, err = lockFile(filepath.Join(dir, "lock"))
	if errors.Is(err, errLocked) {
		who := ""
		if a, err := os.ReadFile(d.path(cli.AddressFile)); err == nil {
			who = " (it listens on " + strings.TrimSpace(string(a)) + ")"
		}
		return nil, fmt.Errorf("another fairlead uses %s%s; stop it, or choose another folder with --data", dir, who)
	}
	if err != nil {
		return nil, fmt.Errorf("the data folder cannot be locked: %w", err)
	}
	return d, nil
}

func (d *data) path(name string) string { return filepath.Join(d.dir, name) }

// announce writes the server's address where commands on this machine look for it.
func (d *data) announce(address string) error {
	tmp := d.path(cli.AddressFile + ".new")
	if err := os.WriteFile(tmp, []byte(address+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, d.path(cli.AddressFile))
}

// close takes the address back and frees the folder.
func (d *data) close() error {
	_ = os.Remove(d.path(cli.AddressFile)) // absent when the start failed early
	return d.lock.Close()
}
