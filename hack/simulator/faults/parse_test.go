// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, text := range []string{
		"ec2:CreateNetworkAclEntry error=RequestLimitExceeded times=2",
		"ec2:CreateNetworkAclEntry errorAfter=InternalError skip=1",
		"ec2:Create* lost times=1",
		"* latency=200ms",
		"* latencyAfter=1m0s",
		"ecs:* throttle",
		"ecs:* throttle=5/0.5",
		"ec2:Describe* stale=30s",
		"ec2:Describe* frozen",
		"ec2:CreateNetworkAclEntry denied key=AKIA1",
		"ec2:DeleteNetworkAcl denied missingTag=agentdisconnect.dev/clone",
		"ec2:CreateNetworkAclEntry error=InternalError dryRuns RuleNumber==82",
	} {
		f, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.String(); got != text {
			t.Errorf("%q came back as %q", text, got)
		}
		asJSON, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		var back Fault
		if err := json.Unmarshal(asJSON, &back); err != nil || back.String() != text {
			t.Errorf("%s as JSON: %s: %v, %v", text, asJSON, back, err)
		}
	}
	for text, want := range map[string]string{
		"":                            "a fault is an action and an effect",
		"ec2:*":                       "a fault is an action and an effect",
		"ec2:* tims=2 lost":           "not a word that faults know",
		"ec2:* lost frozen":           "2 effects",
		"ec2:* times=2":               "0 effects",
		"ec2:[ lost":                  "is not a pattern",
		"ec2:* latency=5":             "missing unit",
		"ec2:* throttle=5":            "burst/rate",
		"ec2:* throttle=0/5":          "a burst of at least 1",
		"ec2:* lost times=-1":         "can't be negative",
		"ec2:* error=X times=several": "invalid syntax",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", text, err, want)
		}
	}
}
