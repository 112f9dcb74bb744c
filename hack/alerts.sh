#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Writes config/prometheus/prometheusrule.yaml from the rules, checks them, and tries each alert. `make alerts` calls it, with
# promtool built.
set -euo pipefail
cd "$(dirname "$0")/../config/prometheus"
promtool=../../bin/tools/promtool

{
  cat <<'EOF'
# Generated from rules.yaml: make alerts.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: controller-manager
  labels:
    app.kubernetes.io/name: agentdisconnect
    app.kubernetes.io/component: controller-manager
spec:
EOF
  sed -e '/^#/d' -e 's/^./  &/' -e "s|runbook_url: |&${DOCS:-}|" rules.yaml
} >prometheusrule.yaml
../../hack/chart.sh

"$promtool" check rules --lint=all --lint-fatal rules.yaml
"$promtool" test rules rules_test.yaml

# An alert that is tried nowhere. That each is explained, the specs of api/v1alpha1 see to.
status=0
for alert in $(sed -n 's/^ *- alert: //p' rules.yaml); do
  grep -q "alertname=\"$alert\", alertstate=\"firing\"" rules_test.yaml || { echo "$alert: no test in rules_test.yaml makes it fire"; status=1; }
done

# A metric that no component serves: an alert on it never fires.
for metric in $(grep -o 'agentdisconnect_[a-z_]*' rules.yaml | sort -u); do
  grep -qF "\"$metric\"" ../../controllers/*/*.go || { echo "$metric: no code in controllers serves it"; status=1; }
done
lease=$(sed -n 's/.*leader_election_master_status{name="\([^"]*\)"}.*/\1/p' rules.yaml)
grep -qF "LeaderElectionID: \"$lease\"" ../../cmd/manager/main.go || { echo "$lease: not the lease of cmd/manager"; status=1; }
exit "$status"
