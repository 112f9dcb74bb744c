// SPDX-License-Identifier: Apache-2.0

package removal_test

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/removal"
)

const (
	creating  = v1alpha1.RuleCreating
	installed = v1alpha1.RuleInstalled
	deleting  = v1alpha1.RuleDeleting
	released  = v1alpha1.RuleReleased

	cidr, otherCIDR = "52.119.223.69/32", "52.119.223.70/32"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// line is one of the ledger, at number 80.
func line(state v1alpha1.RuleState) v1alpha1.Rule { return Rule(80, cidr, state) }

// aged is a line that AWS was last asked about some time ago.
func aged(line v1alpha1.Rule, ago time.Duration) v1alpha1.Rule {
	line.LastAttemptTime = &metav1.Time{Time: now.Add(-ago)}
	return line
}

// tag is the claim of tags to the entry of line, by a run that has long been over some time from now.
func tag(overIn time.Duration) removal.Claim { return tagOf(overIn, false) }

// keptTag is one of tags that stay.
func keptTag(overIn time.Duration) removal.Claim { return tagOf(overIn, true) }

func tagOf(overIn time.Duration, kept bool) removal.Claim {
	const uid = "7b0fd6a2-6c36-4d0f-9a55-0d0b6b8f7c11"
	o := ownership.Ownership{UID: uid, ClusterID: "x", Started: now.Add(-time.Hour), Expires: now, Rules: []v1alpha1.Rule{line(installed)}}
	claims, _ := ownership.ParseClaims(o.Tags())
	return removal.OfTag(ACLID, claims[0].Rules[0], now.Add(overIn), kept)
}
