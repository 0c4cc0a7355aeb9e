#!/bin/sh
# Fuzzes each target of the repository for FUZZTIME, one after another: go test
# takes one target of one package at a time. FUZZTIME is a time (60s) or a
# number of runs (15000x). Minimising is kept short: it would
# eat all of a short run at the first interesting input.
set -eu
cd "$(dirname "$0")/.."
time=${FUZZTIME:-15000x}
go=${GO:-go}
grep -rEn --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*\(' . |
	sed -E 's|^\./(.*)/[^/]*_test\.go:[0-9]+:func (Fuzz[A-Za-z0-9_]*)\(.*|\1 \2|; s|^\./[^/]*_test\.go:[0-9]+:func (Fuzz[A-Za-z0-9_]*)\(.*|. \1|' |
	sort -u |
	while read -r dir target; do
		echo "fuzz $dir $target for $time"
		$go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 5x "./$dir" </dev/null
	done
