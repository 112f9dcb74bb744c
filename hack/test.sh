#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the tests of the packages given, in random order, and prints them as the JSON events that gotestsum reads.
# Ginkgo suites are run on their own: what shuffles their specs is a flag that other test binaries don't know.
set -uo pipefail

# With -e a package that can't be loaded is in the list too, and go test says what is wrong with it.
ginkgo=github.com/onsi/ginkgo/v2
# shellcheck disable=SC2016 # a template, not a variable
suites=$(go list -e -f '{{$p := .ImportPath}}{{range .TestImports}}{{.}} {{$p}}
{{end}}{{range .XTestImports}}{{.}} {{$p}}
{{end}}' "$@" | awk -v ginkgo="$ginkgo" '$1 == ginkgo { print $2 }' | sort -u)
others=$(go list -e "$@" | grep -vxF "${suites:-none}")

# The race detector needs cgo, which Go turns off where there is no C compiler.
race=-race
if [ "$(go env CGO_ENABLED)" != 1 ]; then
  race=
  echo "no C compiler: the tests run without the race detector" >&2
fi

failed=0
# shellcheck disable=SC2086 # lists of packages, and a flag that may be empty
{
  [ -z "$others" ] || go test -json $race -shuffle=on -timeout 15m $others || failed=1
  [ -z "$suites" ] || go test -json $race -timeout 30m $suites -ginkgo.randomize-all -ginkgo.no-color || failed=1
}
exit "$failed"
