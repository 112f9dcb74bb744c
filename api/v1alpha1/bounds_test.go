// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"fmt"
	"maps"
	"reflect"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// many is a list of n items, each made from its number.
func many(n int, item func(int) fields) []any {
	all := make([]any, 0, n)
	for i := range n {
		all = append(all, item(i))
	}
	return all
}

func endpoint(i int) fields { return fields{"hostname": fmt.Sprintf("h%d", i), "session": "ACS"} }

func ledgerLine(i int) fields {
	return fields{"networkACLID": "acl-0a1b2c3d", "ruleNumber": i + 1, "cidr": "192.0.2.10/32", "state": "Creating"}
}

func containerInstance(i int) fields { return fields{"arn": fmt.Sprintf("arn:%d", i)} }

func refusal(i int) fields {
	return fields{"reason": "NoRoom", "message": fmt.Sprintf("Reason %d.", i)}
}

func plannedRule(i int) fields { return fields{"ruleNumber": i + 1, "cidr": "192.0.2.10/32"} }

func plannedACL(changes fields) fields {
	all := fields{"id": "acl-0a1b2c3d", "mode": "Clone", "modeReason": "SharedWithOtherSubnets", "otherSubnets": 12}
	maps.Copy(all, changes)
	return all
}

func condition(i int) fields {
	return fields{
		"type": fmt.Sprintf("T%d", i), "status": "True", "reason": "Reason", "message": "", "lastTransitionTime": "2026-01-02T15:04:05Z",
	}
}

// planned is a status with a plan.
func planned(changes fields) fields {
	plan := fields{"time": "2026-01-02T15:04:05Z", "observedGeneration": 1, "wouldStart": true}
	maps.Copy(plan, changes)
	return fields{"plan": plan}
}

// startedWith is a status with what the spec said at the start.
func startedWith(changes fields) fields {
	all := fields{"otherClusters": "Refuse", "onDrift": "Reapply"}
	maps.Copy(all, changes)
	return fields{"startedWith": all}
}

// networkACL is a status with a network ACL.
func networkACL(changes fields) fields {
	all := fields{"mode": "Clone", "modeReason": "Requested"}
	maps.Copy(all, changes)
	return fields{"networkACL": all}
}

// probeStatus is a status with what a probe saw.
func probeStatus(changes fields) fields {
	all := fields{"taskDefinitionARN": "arn:1"}
	maps.Copy(all, changes)
	return fields{"probe": all}
}

func probeOutcome(i int) fields {
	return fields{"reason": fmt.Sprintf("R%d", i), "count": 1, "firstTime": "2026-01-02T15:04:05Z", "lastTime": "2026-01-02T15:04:05Z"}
}

// callersStatus is a status with what CloudTrail shows of callers.
func callersStatus(changes fields) fields { return fields{"callers": changes} }

func caller(changes fields) fields {
	all := fields{"outcome": "Recovered", "calls": 2, "metCalls": 1, "firstAgentTime": "2026-01-02T15:04:05Z", "lastAgentTime": "2026-01-02T15:04:05Z"}
	maps.Copy(all, changes)
	return all
}

// bounds are the most items that each list takes, and a status with n items in it.
var bounds = map[string]struct {
	most   int
	status func(n int) fields
}{
	"conditions": {16, func(n int) fields { return fields{"conditions": many(n, condition)} }},
	"endpoints":  {v1alpha1.MaxEndpoints, func(n int) fields { return fields{"endpoints": many(n, endpoint)} }},
	"endpoints[0].addresses": {v1alpha1.MaxAddresses, func(n int) fields {
		return fields{"endpoints": []any{fields{"hostname": "h", "session": "TCS", "addresses": numbered(n, "192.0.2.%d")}}}
	}},
	"startedWith.sessions": {2, func(n int) fields { return startedWith(fields{"sessions": list("ACS", "TCS", "ACS")[:n]}) }},
	"startedWith.additionalEndpoints.hostnames": {10, func(n int) fields {
		return startedWith(fields{"additionalEndpoints": fields{"hostnames": numbered(n, "h%d.example.com")}})
	}},
	"startedWith.additionalEndpoints.cidrs": {10, func(n int) fields {
		return startedWith(fields{"additionalEndpoints": fields{"cidrs": numbered(n, "2001:db8::%d/128")}})
	}},
	"startedWith.stopConditions": {5, func(n int) fields {
		return startedWith(stoppedBy([]string{"a", "b", "c", "d", "e", "f"}[:n]...))
	}},
	"networkACL.baseline":  {160, func(n int) fields { return networkACL(fields{"baseline": numbered(n, "entry %d")}) }},
	"networkACL.carryOver": {160, func(n int) fields { return networkACL(fields{"carryOver": numbered(n, "entry %d")}) }},
	"networkACL.deadManSwitch.ruleNumbers": {v1alpha1.MaxRules, func(n int) fields {
		var numbers []any
		for i := range n {
			numbers = append(numbers, int64(i+1))
		}
		return networkACL(fields{"deadManSwitch": fields{"state": "Armed", "ruleNumbers": numbers}})
	}},
	"exemptions": {v1alpha1.MaxExemptions, func(n int) fields {
		return fields{"exemptions": many(n, func(i int) fields {
			return fields{"cidr": fmt.Sprintf("192.0.2.%d/32", i), "reason": v1alpha1.ReasonProtectedAddress, "message": "needed"}
		})}
	}},
	"rules": {v1alpha1.MaxRules, func(n int) fields { return fields{"rules": many(n, ledgerLine)} }},
	"agents.containerInstances": {v1alpha1.MaxContainerInstances, func(n int) fields {
		return fields{"agents": fields{"containerInstances": many(n, containerInstance)}}
	}},
	"probe.outcomes": {v1alpha1.MaxProbeOutcomes, func(n int) fields { return probeStatus(fields{"outcomes": many(n, probeOutcome)}) }},
	"probe.tasks": {2 * v1alpha1.MaxProbeTasks, func(n int) fields {
		return probeStatus(fields{"tasks": many(n, containerInstance)})
	}},
	"callers.errors": {v1alpha1.MaxCallerErrors, func(n int) fields {
		return callersStatus(fields{"errors": many(n, func(i int) fields { return fields{"code": fmt.Sprintf("E%d", i), "calls": 1} })})
	}},
	"callers.callers": {v1alpha1.MaxCallers, func(n int) fields {
		return callersStatus(fields{"callers": many(n, func(int) fields { return caller(nil) })})
	}},
	"timeline": {v1alpha1.MaxTimeline, func(n int) fields {
		return fields{"timeline": many(n, func(int) fields { return fields{"time": "2026-01-02T15:04:05Z", "type": "Suspended"} })}
	}},
	"plan.refusals":  {v1alpha1.MaxRefusals, func(n int) fields { return planned(fields{"refusals": many(n, refusal)}) }},
	"plan.notes":     {v1alpha1.MaxNotes, func(n int) fields { return planned(fields{"notes": numbered(n, "Note %d.")}) }},
	"plan.rules":     {v1alpha1.MaxRules, func(n int) fields { return planned(fields{"rules": many(n, plannedRule)}) }},
	"plan.endpoints": {v1alpha1.MaxEndpoints, func(n int) fields { return planned(fields{"endpoints": many(n, endpoint)}) }},
	"plan.endpoints[0].addresses": {v1alpha1.MaxAddresses, func(n int) fields {
		return planned(fields{"endpoints": []any{fields{"hostname": "h", "session": "ACS", "addresses": numbered(n, "2001:db8::%d")}}})
	}},
	"plan.networkACL.otherSubnetIDs": {v1alpha1.MaxNamed, func(n int) fields {
		return planned(fields{"networkACL": plannedACL(fields{"otherSubnetIDs": numbered(n, "subnet-%08d")})})
	}},
	"plan.otherClusters": {v1alpha1.MaxNamed, func(n int) fields { return planned(fields{"otherClusters": numbered(n, "arn:%d")}) }},
	"plan.agents.containerInstances": {v1alpha1.MaxNamed, func(n int) fields {
		return planned(fields{"agents": fields{"total": n, "connected": n, "containerInstances": numbered(n, "arn:%d")}})
	}},
	"plan.outside.containerInstances": {v1alpha1.MaxNamed, func(n int) fields {
		return planned(fields{"outside": fields{"total": n, "containerInstances": numbered(n, "arn:%d")}})
	}},
}

var _ = Describe("Every list of the status", func() {
	It("holds as many as the controller may write, and no more", func(ctx context.Context) {
		Expect(bounds).To(HaveLen(places(reflect.TypeFor[v1alpha1.AgentDisconnectStatus](), isList)), "every list of the status")
		for place, bound := range bounds {
			By(place)
			u := stored(ctx, nil)
			Expect(patchStatus(ctx, u, bound.status(bound.most))).To(Succeed())
			_, err := decoded(u)
			Expect(err).NotTo(HaveOccurred())
			Expect(complaints(patchStatus(ctx, u, bound.status(bound.most+1)))).To(ContainElement(
				fmt.Sprintf("status.%s: Too many: %d: must have at most %d items", place, bound.most+1, bound.most)))
		}
	})
})
