# Fairlead's chores. Needs Go, make and git; everything else is fetched by Go.

GO      ?= go
BIN     := bin/fairlead
# A number of runs, not a time: a time that ends amid a run is a failure to go test.
FUZZTIME ?= 15000x
BENCH    ?= .
PKG      ?= ./...

# The race detector needs a C compiler; without one the tests run without it,
# and say so.
CC_FOUND := $(shell command -v gcc 2>/dev/null || command -v clang 2>/dev/null)
ifeq ($(CC_FOUND),)
RACE :=
else
RACE := -race
export CGO_ENABLED = 1
endif

# One line for test and check, so that what one of them has run the other finds
# in Go's test cache (which -shuffle would switch off: see make shuffle).
TESTS := $(GO) test $(RACE) -timeout 10m $(PKG)

.PHONY: build help test check sim static arch shuffle fuzz demo bench bench-gates clean

# Without cgo, so the binary runs on any Linux of its kind; its version is what
# Go records of the commit, if there is a git checkout around it.
build: ## build bin/fairlead (the default)
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=auto -ldflags "-s -w" -o $(BIN) ./cmd/fairlead

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

test: ## every test, with the race detector where there is a C compiler
	@if [ -z "$(RACE)" ]; then echo "NOTE: no C compiler found: the tests run without the race detector"; fi
	$(TESTS)

check: static arch build ## what must hold before a commit: format, vet, staticcheck, house rules, modules, tests, short fuzzing
	@if [ -z "$(RACE)" ]; then echo "NOTE: no C compiler found: the tests run without the race detector"; fi
	$(TESTS)
	$(MAKE) --no-print-directory sim
	FUZZTIME=$(FUZZTIME) tools/fuzz.sh

sim: ## simulate 2,000 releases with faults and crashes (without the race detector, which is ten times slower)
	CGO_ENABLED=0 $(GO) test -timeout 10m ./sim

static: ## format, vet, staticcheck
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt -w these:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool -modfile=tools/staticcheck.mod staticcheck ./...
	$(GO) mod verify
	$(GO) mod tidy -diff

arch: ## the rules of the house
	$(GO) test ./internal/arch

shuffle: ## every test in random order, without the race detector
	$(GO) test -shuffle=on $(PKG)

fuzz: ## fuzz each target for FUZZTIME (15000x if not given)
	FUZZTIME=$(FUZZTIME) tools/fuzz.sh

demo: build ## serve a real model, promote a better version, turn a bad one back (KEEP=1 leaves it running)
	$(GO) run ./examples/digits $(if $(KEEP),--keep)

bench: ## the benchmarks (BENCH=regexp, PKG=./gateway)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG)

bench-gates: ## measure the gates' error rates and write docs/benchmarks/gates.md
	@mkdir -p docs/benchmarks
	$(GO) run ./internal/bench/gates -o docs/benchmarks/gates.md

clean: ## remove what make built
	rm -rf bin
