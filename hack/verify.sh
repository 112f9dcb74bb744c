#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Checks what is checked in, one line a step, and goes on after a failure so that one run shows all of them.
# `make verify` calls it, with the tools built.
# shellcheck disable=SC2317 # step calls the functions
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

# As the image is built, which the tests have done before in CI: nothing is compiled another time.
export CGO_ENABLED=0 GOFLAGS="${GOFLAGS:+$GOFLAGS }-trimpath"

tools=$PWD/bin/tools
modules=". hack/envtest hack/tools"
failed=0

# step NAME COMMAND... prints the name and how it went, and what the command said if it failed.
step() {
  local name=$1 said start=$SECONDS
  shift
  printf '%-44s ' "$name"
  if said=$("$@" 2>&1); then
    # A check that can't be made here passes, and says why on its last line.
    case $said in
      *"skipped: "*) echo "skipped: ${said##*skipped: }" ;;
      *) echo "ok ($((SECONDS - start))s)" ;;
    esac
  else
    echo "FAILED"
    printf '%s\n' "$said" | awk -v most=80 'NR <= most { print "    " $0 } END { if (NR > most) print "    … " NR - most " more lines" }'
    failed=1
  fi
}

# everywhere runs a command in each module.
everywhere() {
  local module status=0
  for module in $modules; do
    (cd "$module" && "$@") || status=1
  done
  return "$status"
}

formatted() {
  local files
  files=$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l) && [ -z "$files" ] && return
  echo "not formatted, see make fmt: $files"
  return 1
}

# The modules with many dependencies are not vetted and linted: that would compile all of these.
tidy() {
  local module status=0
  everywhere go mod tidy -diff || status=1
  for module in hack/gitops hack/tools/{actionlint,d2,helm,promtool}; do
    go -C "$module" mod tidy -diff || status=1
  done
  return "$status"
}

kustomizations() {
  local file status=0
  for file in $(git ls-files -co --exclude-standard 'config/*kustomization.yaml'); do
    "$tools/kustomize" build "$(dirname "$file")" >/dev/null || status=1
  done
  return "$status"
}

vulnerabilities() {
  local said status
  said=$("$tools/govulncheck" ./... 2>&1)
  status=$?
  # It exits with 3 for findings. Anything else with the database's name in it is a database out of reach.
  if [ "$status" -ne 0 ] && [ "$status" -ne 3 ] && grep -q 'vuln.go.dev\|fetching vulnerabilities' <<<"$said"; then
    echo "skipped: the vulnerability database (vuln.go.dev) can't be reached from here"
    return 0
  fi
  printf '%s\n' "$said"
  return "$status"
}

# The sizes that keep a package readable.
shape() {
  local folder lines most=2000 methods status=0
  for folder in $(git ls-files 'controllers/*.go' | xargs -n1 dirname | sort -u); do
    lines=$(git ls-files "$folder/*.go" | grep -v _test.go | grep -E "^$folder/[^/]+$" | xargs cat | wc -l)
    if [ "$lines" -gt "$most" ]; then
      echo "$folder has $lines lines without its tests, more than $most: split it"
      status=1
    fi
  done
  methods=$(cat controllers/agentdisconnect/*.go | grep -c '^func (\w* \?\*\?Reconciler) ')
  if [ "$methods" -gt 45 ]; then
    echo "the Reconciler has $methods methods, more than 45"
    status=1
  fi
  return "$status"
}

clean_tree() {
  local changes
  changes=$(git status --porcelain)
  [ -z "$changes" ] && return
  echo "differs from what is committed; if a generated file is among these, commit it:"
  printf '%s\n' "$changes"
  git --no-pager diff --stat --patch HEAD
  return 1
}

step "deepcopy methods (make generate)" make generate
step "CRD, RBAC role, chart (make manifests)" make manifests
step "reference of the API (make docs)" make docs
step "alerts (make alerts)" make alerts
step "dashboard's queries (make dashboard)" make dashboard
step "pictures (make pictures)" make pictures
step "gofmt" formatted
step "go vet (make vet)" make vet
step "golangci-lint (make lint)" make lint
step "size of packages" shape
step "one writer of each struct" go run ./hack/onewriter ./controllers/...
step "go mod tidy" tidy
step "kustomize build" kustomizations
step "workflows (make workflows)" make workflows
step "govulncheck" vulnerabilities
step "nothing uncommitted" clean_tree

if [ "$failed" -ne 0 ]; then
  echo "verify: FAILED"
  exit 1
fi
echo "verify: all checks passed"
