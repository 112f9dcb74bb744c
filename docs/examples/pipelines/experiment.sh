#!/bin/sh
# Runs one experiment and ends with its verdict: 0 completed; 1 failed, was deleted, or was not created; 2 refused: a person must
# change something first; 3 not over in 55 minutes.
set -eu

# The name is known before the object is there, so that no run is left whose creation was interrupted.
read -r id </proc/sys/kernel/random/uuid
run=agentdisconnect.chaos.agentdisconnect.dev/pipeline-$id

# A run that is not over ends with this script, also where it was refused and could still begin.
over=no
# shellcheck disable=SC2317 # the traps call it
finish() {
  code=$?
  trap '' INT TERM # nothing interrupts what follows
  test "$over" = no || exit "$code"
  for pause in 1 2 0; do
    timeout 5 kubectl delete "$run" --ignore-not-found --wait=false && exit "$code"
    sleep "$pause"
  done
  echo "$run was not deleted: if it is there, it ends by itself after its duration" >&2
  exit "$code"
}
trap finish EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# kubectl's own --request-timeout bounds each of its requests alone, which are six where an API server is silent.
timeout 10 kubectl create -f - <<EOF
apiVersion: chaos.agentdisconnect.dev/v1alpha1
kind: AgentDisconnect
metadata:
  name: ${run#*/}
spec:
  cluster: demo
  subnetID: subnet-0a1b2c3d4e5f67890
  duration: 10m
  ttlSecondsAfterFinished: 86400 # a day to look at it
EOF

end=$(($(date +%s) + 3300))
verdict='{.status.conditions[?(@.type=="Succeeded")].status} {.status.state}: {.status.conditions[?(@.type=="Succeeded")].message}'
before=' : ' # nothing is known yet
while test "$(date +%s)" -lt "$end"; do
  # Empty where the object is gone. An API server that does not answer is asked again.
  if now=$(timeout 10 kubectl get "$run" --ignore-not-found -o "jsonpath=$verdict"); then
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
echo "$run is not over: its time is up" >&2
exit 3
