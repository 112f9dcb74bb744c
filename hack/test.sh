#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the tests of the packages given, in random order, and prints them as the JSON events that gotestsum reads.
# Ginkgo suites run their specs in one process a processor, each with a control plane of its own, so that no spec sees
# what another one does. The ginkgo command does that, and go test runs the plain tests beside the suites.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

ginkgo=$PWD/bin/tools/ginkgo
# By convention the function that runs a package's specs.
entry='^TestSpecs$'
# Half of the time of a test is the processor's, and a good part of that is collecting garbage, of which little is there.
export GOGC=400
# These bound a test that hangs. No test is to depend on how fast the machine is.
limit=3h

# With -e a package that can't be loaded is in the list too, and go test says what is wrong with it.
# shellcheck disable=SC2016 # a template, not a variable
suites=$(go list -e -f '{{$dir := .Dir}}{{range .TestImports}}{{.}} {{$dir}}
{{end}}{{range .XTestImports}}{{.}} {{$dir}}
{{end}}' "$@" | awk '$1 == "github.com/onsi/ginkgo/v2" { print $2 }' | sort -u)

# The race detector needs cgo, which Go turns off where there is no C compiler.
race=-race
if [ "$(go env CGO_ENABLED)" != 1 ]; then
  race=
  echo "no C compiler: the tests run without the race detector" >&2
fi

report=$(mktemp -d)
trap 'rm -rf "$report"' EXIT
failed=0

# Some tests start the manager. It is built as the Dockerfile builds it, before any of them waits for it.
if go list -e -deps -test "$@" | grep -qE '/hack/(stack|process|docker)( |$)'; then
  CGO_ENABLED=0 go build -trimpath -o "$report/manager" ./cmd/manager || failed=1
fi

# The suites run beside the plain tests: both wait a good part of their time. What both are built of is built once, before.
# shellcheck disable=SC2086 # lists of packages, and a flag that may be empty
if [ -n "$suites" ]; then
  go test -c $race -o /dev/null $suites >/dev/null 2>&1 # what doesn't build is told of below
  set -m                                                # a group of its own, to hand an interrupt on to
  "$ginkgo" run -p $race --randomize-all --keep-going --no-color --timeout=$limit \
    --output-dir="$report" --gojson-report=specs.json $suites -- -test.run="$entry" >"$report/log" 2>&1 &
  specs=$!
  set +m
  trap 'kill -INT -- -$specs 2>/dev/null' INT TERM
fi

# make verify vets, so vetting here would be done twice.
# shellcheck disable=SC2086
go test -json -vet=off $race -shuffle=on -timeout $limit -skip "$entry" "$@" || failed=1

if [ -n "$suites" ]; then
  wait "$specs"
  status=$?
  go run ./hack/specs <"$report/specs.json" || failed=1
  # What failed is in the events. Where nothing is, the suite never came so far.
  if [ "$status" -ne 0 ]; then
    failed=1
    grep -q '"Action":"fail"' "$report/specs.json" || cat "$report/log" >&2
  fi
fi
exit "$failed"
