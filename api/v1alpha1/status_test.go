// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("The status", func() {
	It("is a subresource of its own", func(ctx context.Context) {
		u := object(nil)
		u.Object["status"] = fields{"driftRepairs": int64(2)}
		Expect(kube.Create(ctx, u)).To(Succeed())
		Expect(u.Object).To(HaveKeyWithValue("status", map[string]any{"observedGeneration": int64(-1)}), "only that no manager has looked yet")
		Expect(kube.Status().Patch(ctx, u, mergePatch(fields{"spec": fields{"duration": "20m"}, "status": fields{"driftRepairs": 1}}))).To(Succeed())
		obj, err := decoded(u)
		Expect(err).NotTo(HaveOccurred())
		Expect(obj.Spec.Duration.Duration).To(Equal(10 * time.Minute))
		Expect(obj.Status.DriftRepairs).To(Equal(int32(1)))
		Expect(obj.Generation).To(Equal(int64(1)))
	})

	DescribeTable("keeps one item a key", func(ctx context.Context, status fields, duplicate string) {
		Expect(complaints(patchStatus(ctx, stored(ctx, nil), status))).To(ConsistOf("status." + duplicate))
	},
		Entry("conditions by type", fields{"conditions": []any{condition(1), condition(1)}},
			`conditions[1]: Duplicate value: {"type":"T1"}`),
		Entry("endpoints by host and session", fields{"endpoints": []any{endpoint(1), endpoint(1)}},
			`endpoints[1]: Duplicate value: {"hostname":"h1","session":"ACS"}`),
		Entry("rules by network ACL and number", fields{"rules": []any{ledgerLine(79), ledgerLine(79)}},
			`rules[1]: Duplicate value: {"networkACLID":"acl-0a1b2c3d","ruleNumber":80}`),
		Entry("container instances by ARN", fields{"agents": fields{"containerInstances": []any{containerInstance(1), containerInstance(1)}}},
			`agents.containerInstances[1]: Duplicate value: {"arn":"arn:1"}`),
		Entry("planned rules by number", planned(fields{"rules": []any{plannedRule(79), plannedRule(79)}}),
			`plan.rules[1]: Duplicate value: {"ruleNumber":80}`),
		Entry("planned endpoints by host and session", planned(fields{"endpoints": []any{endpoint(1), endpoint(1)}}),
			`plan.endpoints[1]: Duplicate value: {"hostname":"h1","session":"ACS"}`),
		Entry("planned clusters", planned(fields{"otherClusters": list("arn", "arn")}), `plan.otherClusters[1]: Duplicate value: "arn"`),
	)

	It("takes a host once as ACS and once as TCS", func(ctx context.Context) {
		Expect(patchStatus(ctx, stored(ctx, nil), fields{"endpoints": []any{
			fields{"hostname": "h", "session": "ACS"}, fields{"hostname": "h", "session": "TCS"}, fields{"hostname": "h", "session": "Additional"},
		}})).To(Succeed())
	})

	DescribeTable("refuses what the controller never writes", func(ctx context.Context, status fields, all ...string) {
		Expect(complaints(patchStatus(ctx, stored(ctx, nil), status))).To(ConsistOf(all))
	},
		Entry("a rule number of 0", fields{"rules": []any{ledgerLine(-1)}},
			"status.rules[0].ruleNumber: Invalid value: 0: rules[0].ruleNumber in body should be greater than or equal to 1"),
		Entry("the number of the default entry", fields{"rules": []any{ledgerLine(32766)}},
			"status.rules[0].ruleNumber: Invalid value: 32767: rules[0].ruleNumber in body should be less than or equal to 32766"),
		Entry("a rule in another state", fields{"rules": []any{fields{"networkACLID": "acl-0a1b2c3d", "ruleNumber": 80, "cidr": "192.0.2.10/32", "state": "Gone"}}},
			`status.rules[0].state: Unsupported value: "Gone": supported values: "Creating", "Installed", "Deleting", "Released"`),
		Entry("half a target", fields{"target": fields{"region": "ap-northeast-1"}},
			"status.target.accountID: Required value", "status.target.clusterARN: Required value", "status.target.vpcID: Required value"),
		Entry("a run's id of nothing", fields{"runID": ""}, `status.runID: Invalid value: "": runID in body should be at least 1 chars long`),
		Entry("a run's id that no spec can have", fields{"runID": strings.Repeat("r", 64)}, "status.runID: Too long: may not be more than 63 bytes"),
		Entry("half a start", fields{"startedWith": fields{"networkACLMode": "Clone"}},
			"status.startedWith.otherClusters: Required value", "status.startedWith.onDrift: Required value"),
		Entry("words that no spec can have", startedWith(fields{"networkACLMode": "Copy", "otherClusters": "Ignore", "onDrift": "Ignore"}),
			`status.startedWith.networkACLMode: Unsupported value: "Copy": supported values: "InPlace", "Clone"`,
			`status.startedWith.otherClusters: Unsupported value: "Ignore": supported values: "Refuse", "Allow"`,
			`status.startedWith.onDrift: Unsupported value: "Ignore": supported values: "Reapply", "Abort"`),
		Entry("a range that no spec can have", startedWith(fields{"additionalEndpoints": fields{"cidrs": list("0.0.0.0/0")}}),
			invalid("status.startedWith.additionalEndpoints.cidrs[0]", "0.0.0.0/0", cidrRule)),
		Entry("the ECS API's host", startedWith(fields{"additionalEndpoints": fields{"hostnames": list("ecs.ap-northeast-1.amazonaws.com")}}),
			invalid("status.startedWith.additionalEndpoints.hostnames[0]", "ecs.ap-northeast-1.amazonaws.com", apiRule)),
		Entry("half a network ACL", fields{"networkACL": fields{"id": "acl-0a1b2c3d"}},
			"status.networkACL.mode: Required value", "status.networkACL.modeReason: Required value"),
		Entry("words of a network ACL that there aren't", networkACL(fields{"mode": "Copy", "modeReason": "Because", "state": "Gone"}),
			`status.networkACL.mode: Unsupported value: "Copy": supported values: "InPlace", "Clone"`,
			`status.networkACL.modeReason: Unsupported value: "Because": supported values: "Requested", "OnlySubnet", "SharedWithOtherSubnets"`,
			`status.networkACL.state: Unsupported value: "Gone": supported values: "Creating", "Ready", "Associating", "Serving", "Adopted"`),
		Entry("ids of nothing", networkACL(fields{"id": "", "originalID": ""}),
			`status.networkACL.id: Invalid value: "": networkACL.id in body should be at least 1 chars long`,
			`status.networkACL.originalID: Invalid value: "": networkACL.originalID in body should be at least 1 chars long`),
		Entry("a clone that was never requested", networkACL(fields{"attempt": 0}),
			"status.networkACL.attempt: Invalid value: 0: networkACL.attempt in body should be greater than or equal to 1"),
		Entry("an entry that is too long", networkACL(fields{"baseline": list(strings.Repeat("e", 129)), "carryOver": list(strings.Repeat("e", 129))}),
			"status.networkACL.baseline[0]: Too long: may not be more than 128 bytes", "status.networkACL.carryOver[0]: Too long: may not be more than 128 bytes"),
		Entry("fewer agents than none", fields{"agents": fields{"uncounted": -1}},
			"status.agents.uncounted: Invalid value: -1: agents.uncounted in body should be greater than or equal to 0"),
		Entry("a reason that is a sentence", fields{"abort": fields{"reason": "It ended.", "time": "2026-01-02T15:04:05Z"}},
			`status.abort.reason: Invalid value: "It ended.": abort.reason in body should match '^[A-Z][A-Za-z]*$'`),
		Entry("a message without end", fields{"abort": fields{"reason": "A", "time": "2026-01-02T15:04:05Z", "message": strings.Repeat("m", 1025)}},
			"status.abort.message: Too long: may not be more than 1024 bytes"),
		Entry("a count of nothing", fields{"driftRepairs": 0},
			"status.driftRepairs: Invalid value: 0: driftRepairs in body should be greater than or equal to 1"),
	)

	DescribeTable("refuses a plan that the controller never makes", func(ctx context.Context, plan fields, all ...string) {
		Expect(complaints(patchStatus(ctx, stored(ctx, nil), planned(plan)))).To(ConsistOf(all))
	},
		Entry("of no time and of nothing", fields{"time": nil, "observedGeneration": nil, "wouldStart": nil},
			"status.plan.time: Required value", "status.plan.observedGeneration: Required value", "status.plan.wouldStart: Required value"),
		Entry("of a generation before the first", fields{"observedGeneration": 0},
			"status.plan.observedGeneration: Invalid value: 0: plan.observedGeneration in body should be greater than or equal to 1"),
		Entry("with a refusal that says nothing", fields{"refusals": []any{fields{}}},
			"status.plan.refusals[0].reason: Required value", "status.plan.refusals[0].message: Required value"),
		Entry("with a refusal whose reason is a sentence", fields{"refusals": []any{fields{"reason": "No room.", "message": "m"}}},
			invalid("status.plan.refusals[0].reason", "No room.", "plan.refusals[0].reason in body should match '^[A-Z][A-Za-z]*$'")),
		Entry("with a refusal without end", fields{"refusals": []any{fields{"reason": "NoRoom", "message": strings.Repeat("m", 1025)}}},
			"status.plan.refusals[0].message: Too long: may not be more than 1024 bytes"),
		Entry("with notes of nothing and without end", fields{"notes": list("", strings.Repeat("n", 1025))},
			`status.plan.notes[0]: Invalid value: "": plan.notes[0] in body should be at least 1 chars long`,
			"status.plan.notes[1]: Too long: may not be more than 1024 bytes"),
		Entry("with half a network ACL", fields{"networkACL": fields{"id": "acl-0a1b2c3d"}},
			"status.plan.networkACL.mode: Required value", "status.plan.networkACL.modeReason: Required value", "status.plan.networkACL.otherSubnets: Required value"),
		Entry("with fewer other subnets than none", fields{"networkACL": plannedACL(fields{"otherSubnets": -1})},
			"status.plan.networkACL.otherSubnets: Invalid value: -1: plan.networkACL.otherSubnets in body should be greater than or equal to 0"),
		Entry("with a rule of nothing", fields{"rules": []any{fields{}}},
			"status.plan.rules[0].ruleNumber: Required value", "status.plan.rules[0].cidr: Required value"),
		Entry("with the number of the default entry", fields{"rules": []any{plannedRule(32766)}},
			"status.plan.rules[0].ruleNumber: Invalid value: 32767: plan.rules[0].ruleNumber in body should be less than or equal to 32766"),
		Entry("with a cluster without end", fields{"otherClusters": list(strings.Repeat("a", 401))},
			"status.plan.otherClusters[0]: Too long: may not be more than 400 bytes"),
		Entry("with headroom below no quota", fields{"headroom": fields{"ipv4Entries": 1}},
			"status.plan.headroom.entryQuota: Required value"),
		Entry("with agents that were not counted", fields{"agents": fields{}, "outside": fields{}},
			"status.plan.agents.total: Required value", "status.plan.agents.connected: Required value", "status.plan.outside.total: Required value"),
		Entry("with fewer instances than none", fields{"agents": fields{"total": -1, "connected": -1}, "outside": fields{"total": -1}},
			"status.plan.agents.total: Invalid value: -1: plan.agents.total in body should be greater than or equal to 0",
			"status.plan.agents.connected: Invalid value: -1: plan.agents.connected in body should be greater than or equal to 0",
			"status.plan.outside.total: Invalid value: -1: plan.outside.total in body should be greater than or equal to 0"),
	)
})
