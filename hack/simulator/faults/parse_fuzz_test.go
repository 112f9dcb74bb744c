// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// What Parse takes is a fault that means something, and comes back from its text and from JSON as it was.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"ec2:CreateNetworkAclEntry error=RequestLimitExceeded times=2", "ec2:Create* lost times=1", "* latency=200ms", "* latencyAfter=1m0s skip=3",
		"ecs:* throttle", "ecs:* throttle=5/0.5", "ecs:* throttle=0/0", "* throttle=1/NaN", "* throttle=1/Inf", "* throttle=1/1e-9", "ec2:Describe* stale=30s key=AKIA1",
		"ec2:* denied missingTag=a=b", "* error=X RuleNumber==82 a====b", "* error=X ==", "* lost lost=no", "* error= lost", "[ lost", "* lost times=-0", "* latency=-1s lost",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fault, err := Parse(text)
		if err != nil || !utf8.ValidString(text) { // JSON holds no broken text
			return
		}
		if err := fault.Validate(); err != nil {
			t.Fatalf("%q was taken, and is not valid: %v", text, err)
		}
		canonical := fault.String()
		again, err := Parse(canonical)
		if err != nil || again.String() != canonical {
			t.Fatalf("%q is %q, which comes back as %q: %v", text, canonical, again, err)
		}
		asJSON, err := json.Marshal(fault)
		if err != nil {
			t.Fatalf("%q: %v", canonical, err)
		}
		var back Fault
		if err := json.Unmarshal(asJSON, &back); err != nil {
			t.Fatalf("%s: %v", asJSON, err)
		}
		if json, err := json.Marshal(back); err != nil || string(json) != string(asJSON) {
			t.Fatalf("%s comes back as %s: %v", asJSON, json, err)
		}
	})
}

func TestARateIsANumber(t *testing.T) {
	for _, text := range []string{"* throttle=1/NaN", "* throttle=1/Inf", "* throttle=1/-Inf"} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
