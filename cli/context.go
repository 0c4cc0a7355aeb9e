package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fairlead.dev"
)

// DefaultServer is where `fairlead serve` listens unless told otherwise.
const DefaultServer = "http://127.0.0.1:8080"

// contexts is the file that login writes: servers and tokens by name.
type contexts struct {
	Current  string           `json:"current,omitempty"`
	Contexts map[string]place `json:"contexts"`
}

// place is a server and the token to use there.
type place struct {
	Server string `json:"server"`
	Token  string `json:"token,omitempty"`
}

// contextFile is $FAIRLEAD_CONFIG, or contexts.json in the user's
// configuration folder.
func (p *program) contextFile() (string, error) {
	if f := p.Getenv("FAIRLEAD_CONFIG"); f != "" {
		return f, nil
	}
	dir := p.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home := p.Getenv("HOME")
		if home == "" {
			return "", usagef("neither FAIRLEAD_CONFIG, XDG_CONFIG_HOME nor HOME is set: nowhere to keep contexts")
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "fairlead", "contexts.json"), nil
}

func (p *program) loadContexts() (contexts, error) {
	c := contexts{Contexts: map[string]place{}}
	file, err := p.contextFile()
	if err != nil {
		return c, nil //nolint:nilerr // no place for the file is the same as no file
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, usagef("%s is not a context file (%v); remove it and log in again", file, err)
	}
	if c.Contexts == nil {
		c.Contexts = map[string]place{}
	}
	return c, nil
}

// saveContexts replaces the file as a whole; only the user may read it.
func (p *program) saveContexts(c contexts) error {
	file, err := p.contextFile()
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".contexts-*") // made with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(append(data, '\n'))
	if err := errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}

// where gives the server and token to use. Each is taken from the first place
// that has it: flag, environment, context, and for the server the address that
// a server on this machine wrote into its data folder.
func (p *program) where() (place, error) {
	cs, err := p.loadContexts()
	if err != nil {
		return place{}, err
	}
	name := p.context
	if name == "" {
		name = p.Getenv("FAIRLEAD_CONTEXT")
	}
	if name == "" {
		name = cs.Current
	} else if _, ok := cs.Contexts[name]; !ok {
		return place{}, usage{fairlead.Unknown("context", name, slices.Sorted(maps.Keys(cs.Contexts)))}
	}
	c := cs.Contexts[name]
	for _, s := range []string{p.server, p.Getenv("FAIRLEAD_SERVER")} {
		if s != "" {
			// A token is sent only to the server it was given for.
			if s = strings.TrimRight(s, "/"); s != c.Server {
				c = place{Server: s}
			}
			break
		}
	}
	if t := p.Getenv("FAIRLEAD_TOKEN"); t != "" {
		c.Token = t
	}
	if c.Server == "" {
		c.Server = p.discover()
	}
	return c, checkServer(c.Server)
}

func checkServer(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return usagef("%q is not a server's address; expected something like %s", s, DefaultServer)
	}
	return nil
}

// DataDir is where a server keeps its data unless told otherwise: the folder
// that the XDG conventions give for state, so that it does not depend on where
// the command is started.
func DataDir(getenv func(string) string) (string, error) {
	if d := getenv("FAIRLEAD_DATA"); d != "" {
		return d, nil
	}
	if d := getenv("XDG_STATE_HOME"); d != "" {
		return filepath.Join(d, "fairlead"), nil
	}
	if h := getenv("HOME"); h != "" {
		return filepath.Join(h, ".local", "state", "fairlead"), nil
	}
	return "", fmt.Errorf("none of FAIRLEAD_DATA, XDG_STATE_HOME and HOME is set: give --data")
}

// AddressFile in the data folder holds the address of the server that runs there.
const AddressFile = "address"

// discover is the address of the server that keeps its data on this machine.
func (p *program) discover() string {
	if dir, err := DataDir(p.Getenv); err == nil {
		if data, err := os.ReadFile(filepath.Join(dir, AddressFile)); err == nil {
			if s := strings.TrimSpace(string(data)); checkServer(s) == nil {
				return s
			}
		}
	}
	return DefaultServer
}
