#!/bin/sh
# Runs one experiment and ends with its verdict: 0 completed; 1 failed, or was deleted; 2 refused: a person must change something first.
set -eu

run=$(kubectl create -o name -f - <<'EOF'
apiVersion: chaos.agentdisconnect.dev/v1alpha1
kind: AgentDisconnect
metadata:
  generateName: pipeline-
spec:
  cluster: demo
  subnetID: subnet-0a1b2c3d4e5f67890
  duration: 10m
  ttlSecondsAfterFinished: 86400 # a day to look at it
EOF
)
echo "Created $run"

# A run that is not over ends with this script, also where it was refused and could still begin.
over=no
trap 'test "$over" = yes || kubectl delete --wait=false "$run"' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

verdict='{.status.conditions[?(@.type=="Succeeded")].status} {.status.state}: {.status.conditions[?(@.type=="Succeeded")].message}'
before=' : ' # nothing is known yet
while :; do
  # Empty where the object is gone. An API server that does not answer is asked again.
  if now=$(kubectl get "$run" --ignore-not-found -o "jsonpath=$verdict"); then
    test "$now" = "$before" || echo "${now#* }"
    before=$now
    case $now in
    True*) over=yes; exit 0 ;;
    False*) over=yes; exit 1 ;;
    'Unknown Refused: '*) exit 2 ;;
    '') over=yes; echo "$run was deleted before its run was over" >&2; exit 1 ;;
    esac
  fi
  sleep 5 & wait $! # the shell hears signals while it waits
done
