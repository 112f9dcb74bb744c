#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Copies into config/chart what is generated elsewhere: a chart can't read files outside of its folder. `make manifests` and
# `make alerts` call it.
set -euo pipefail
cd "$(dirname "$0")/../config"
rm -rf chart/files && mkdir -p chart/files/crds
cp crd/bases/*.yaml chart/files/crds/
cp rbac/role.yaml prometheus/rules.yaml chart/files/
