#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Writes into OUT (bin/deploy/manifests.yaml) what the kustomization OVERLAY renders, with IMG as the manager's image.
# `make deploy` and `make build-installer` call it, with kustomize built.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
kustomize=$root/bin/tools/kustomize
overlay=${OVERLAY:-$root/config/default}
image=${IMG:-}
out=${OUT:-$root/bin/deploy/manifests.yaml}

refuse() {
  echo "$1" >&2
  exit 1
}

compgen -G "$overlay/[kK]ustomization*" >/dev/null ||
  refuse "OVERLAY=$overlay is no folder with a kustomization.yaml: name the one with yours (config/overlay-example is one to copy)"
mkdir -p "$(dirname "$out")"
out=$(cd "$(dirname "$out")" && pwd)/$(basename "$out")
rm -f "$out"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
"$kustomize" build "$overlay" >"$work/overlay.yaml"

cd "$work"
"$kustomize" create --resources overlay.yaml
[ -z "$image" ] || "$kustomize" edit set image "agentdisconnect=$image"
"$kustomize" build . >manifests.yaml

if [ -z "$image" ] && grep -qE '^ +(- )?image: agentdisconnect:dev$' manifests.yaml; then
  refuse "IMG is not set, and no registry has the image agentdisconnect:dev. Name the image that you built and pushed, such as IMG=registry.example.com/agentdisconnect:v0.1.0, or set it in your overlay (docs/install.md)"
fi
if [ -n "$image" ] && ! grep -qE '^ +(- )?image: ' manifests.yaml; then
  refuse "$overlay renders no Deployment: does its kustomization.yaml name config/default?"
fi
if [ -n "$image" ] && ! sed -nE 's/^ +(- )?image: //p' manifests.yaml | grep -qxF "$image"; then
  refuse "$overlay sets another image, so IMG=$image would have no effect: set the image in one of the two places"
fi
mv manifests.yaml "$out"
