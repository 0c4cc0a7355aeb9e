package docs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"fairlead.dev"
	"fairlead.dev/bus/local"
	"fairlead.dev/gateway"
	"fairlead.dev/runtime"
)

// The table of metrics names each one that a gateway exposes.
func TestEveryMetricIsOnThePage(t *testing.T) {
	page, err := os.ReadFile("operations.md")
	if err != nil {
		t.Fatal(err)
	}
	gw, err := gateway.New(gateway.Config{Env: fairlead.System(), Bus: local.New(), Logger: slog.New(slog.DiscardHandler), Dir: t.TempDir(),
		Load: func(context.Context, fairlead.Arm) (runtime.Model, error) { return nil, errors.New("no model here") }})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := gw.WriteMetrics(&b); err != nil {
		t.Fatal(err)
	}
	n := 0
	for lines := bufio.NewScanner(&b); lines.Scan(); {
		rest, ok := strings.CutPrefix(lines.Text(), "# HELP ")
		if !ok {
			continue
		}
		n++
		if name, _, _ := strings.Cut(rest, " "); !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("operations.md does not name %s", name)
		}
	}
	if n < 10 {
		t.Errorf("only %d metrics found", n)
	}
}
