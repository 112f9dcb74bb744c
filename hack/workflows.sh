#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Checks the workflows with actionlint, which calls shellcheck where that is installed, and that each action is pinned by a
# full commit with its version beside it: a tag can be moved to other code. Dependabot must know each Go module.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

status=0
bin/tools/actionlint -color=false || status=1
if grep -nE '^\s*(- )?uses:' .github/workflows/*.yml | grep -vE 'uses: (\./\S+|\S+@[0-9a-f]{40} # v[0-9]+\.[0-9]+\.[0-9]+)$'; then
  echo "pin these by commit, with the version as a comment"
  status=1
fi
for module in $(git ls-files -co --exclude-standard '*go.mod'); do
  folder=/$(dirname "$module" | sed 's/^\.$//')
  if ! grep -qF "'$folder'" .github/dependabot.yml; then
    echo "add the Go module '$folder' to .github/dependabot.yml"
    status=1
  fi
done
exit "$status"
