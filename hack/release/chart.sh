#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# chart.sh VERSION IMAGE@DIGEST [FOLDER] packages the chart as that version, with that image, into the folder (dist). DOCS is
# the URL before the page that each alert names.
# `make release-chart` calls it, with helm built.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=${1:?the version, such as v0.1.0}
image=${2:-}
folder=${3:-dist}
helm=bin/tools/helm

if ! [[ $image =~ ^[^@]+/[^@]+@sha256:[0-9a-f]{64}$ ]]; then
  echo "IMG=$image does not name an image by its digest, such as ghcr.io/OWNER/agentdisconnect@sha256:…" >&2
  exit 1
fi

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r config/chart "$copy/agentdisconnect"
sed -e "s|^  repository: \"\"|  repository: ${image%@*}|" -e "s|^  digest: \"\"|  digest: ${image#*@}|" \
  -e "s|^  docs: \"\"|  docs: \"${DOCS:-}\"|" config/chart/values.yaml >"$copy/agentdisconnect/values.yaml"

mkdir -p "$folder"
"$helm" package "$copy/agentdisconnect" --version "${version#v}" --app-version "$version" --destination "$folder"
if ! "$helm" template agentdisconnect "$folder/agentdisconnect-${version#v}.tgz" | grep -qF "image: \"$image\""; then
  echo "the packaged chart does not run $image: does config/chart/values.yaml still have image.repository and image.digest?" >&2
  exit 1
fi
