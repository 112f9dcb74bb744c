#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# check.sh TOOL IMAGE VERSION looks at an image that was built: its user, what it starts, its labels, and that it has the
# manager and no shell. TOOL is docker or podman.
set -euo pipefail

tool=$1 image=$2 version=$3
failed=0

# expect NAME WANT HAVE
expect() {
  [ "$2" = "$3" ] && return
  echo "$1 is \"$3\", want \"$2\"" >&2
  failed=1
}

config() { "$tool" image inspect --format "{{ $1 }}" "$image"; }
expect user 65532:65532 "$(config .Config.User)"
expect entrypoint '["/manager"]' "$(config 'json .Config.Entrypoint')"
expect version "$version" "$(config 'index .Config.Labels "org.opencontainers.image.version"')"
expect licence Apache-2.0 "$(config 'index .Config.Labels "org.opencontainers.image.licenses"')"
for label in source revision; do
  [ -n "$(config "index .Config.Labels \"org.opencontainers.image.$label\"")" ] || expect "$label" "a value" ""
done

container=$("$tool" create "$image")
trap '"$tool" rm "$container" >/dev/null' EXIT
files=$("$tool" export "$container" | tar -t)
expect "the manager" manager "$(grep -x manager <<<"$files" || true)"
expect "a shell" "" "$(grep -xE '(usr/)?bin/(ba|da|a)?sh|(usr/)?bin/busybox|busybox/.*' <<<"$files" || true)"
grep -q '^etc/ssl/certs/ca-certificates.crt$' <<<"$files" || expect "the CA certificates" "there" "missing"

[ "$failed" -eq 0 ] || exit 1
echo "$image: user, entrypoint and labels are right; it has the manager and no shell"
