#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# check.sh VERSION fails unless the commit may be released as that version. Given a file name too, it writes there what
# CHANGELOG.md says of the version.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=${1:?the version, such as v0.1.0}
notes=${2:-/dev/stdout}

if ! [[ $version =~ ^v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?$ ]]; then
  echo "$version is no version of a release, such as v0.1.0" >&2
  exit 1
fi
section=$(awk -v head="## [${version#v}]" '
  index($0, "## [") == 1 || index($0, "[Unreleased]:") == 1 { inside = index($0, head) == 1; next }
  inside' CHANGELOG.md)
if [ -z "${section//[[:space:]]/}" ]; then
  echo "CHANGELOG.md has no section \"## [${version#v}] - DATE\" with an entry: move what is Unreleased there" >&2
  exit 1
fi
if [ -n "$(git status --porcelain)" ]; then
  echo "the tree has changes that are not committed:" >&2
  git status --short >&2
  exit 1
fi
printf '%s\n' "$section" >"$notes"
