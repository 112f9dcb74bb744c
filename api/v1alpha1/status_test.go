// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

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

func condition(i int) fields {
	return fields{
		"type": fmt.Sprintf("T%d", i), "status": "True", "reason": "Reason", "message": "", "lastTransitionTime": "2026-01-02T15:04:05Z",
	}
}

var _ = Describe("The status", func() {
	It("is a subresource of its own", func(ctx context.Context) {
		u := object(nil)
		u.Object["status"] = fields{"driftRepairs": int64(2)}
		Expect(kube.Create(ctx, u)).To(Succeed())
		Expect(u.Object).NotTo(HaveKey("status"))
		Expect(kube.Status().Patch(ctx, u, mergePatch(fields{"spec": fields{"duration": "20m"}, "status": fields{"driftRepairs": 1}}))).To(Succeed())
		obj, err := decoded(u)
		Expect(err).NotTo(HaveOccurred())
		Expect(obj.Spec.Duration.Duration).To(Equal(10 * time.Minute))
		Expect(obj.Status.DriftRepairs).To(Equal(int32(1)))
		Expect(obj.Generation).To(Equal(int64(1)))
	})

	DescribeTable("holds as many as the controller may write, and no more",
		func(ctx context.Context, most int, status func(int) fields, field string) {
			u := stored(ctx, nil)
			Expect(patchStatus(ctx, u, status(most))).To(Succeed())
			_, err := decoded(u)
			Expect(err).NotTo(HaveOccurred())
			Expect(complaints(patchStatus(ctx, u, status(most+1)))).To(ConsistOf(
				fmt.Sprintf("status.%s: Too many: %d: must have at most %d items", field, most+1, most)))
		},
		Entry("conditions", 16, func(n int) fields { return fields{"conditions": many(n, condition)} }, "conditions"),
		Entry("endpoints", v1alpha1.MaxEndpoints, func(n int) fields { return fields{"endpoints": many(n, endpoint)} }, "endpoints"),
		Entry("addresses of a host", v1alpha1.MaxAddresses, func(n int) fields {
			return fields{"endpoints": []any{fields{"hostname": "h", "session": "TCS", "addresses": numbered(n, "192.0.2.%d")}}}
		}, "endpoints[0].addresses"),
		Entry("ranges of the spec", 10, func(n int) fields { return fields{"cidrs": numbered(n, "192.0.2.%d/32")} }, "cidrs"),
		Entry("rules", v1alpha1.MaxRules, func(n int) fields { return fields{"rules": many(n, ledgerLine)} }, "rules"),
		Entry("container instances", v1alpha1.MaxContainerInstances, func(n int) fields {
			return fields{"agents": fields{"containerInstances": many(n, containerInstance)}}
		}, "agents.containerInstances"),
	)

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
			`status.rules[0].state: Unsupported value: "Gone": supported values: "Creating", "Installed", "Deleting"`),
		Entry("half a target", fields{"target": fields{"region": "ap-northeast-1"}},
			"status.target.accountID: Required value", "status.target.clusterARN: Required value", "status.target.vpcID: Required value"),
		Entry("a reason that is a sentence", fields{"abort": fields{"reason": "It ended.", "time": "2026-01-02T15:04:05Z"}},
			`status.abort.reason: Invalid value: "It ended.": abort.reason in body should match '^[A-Z][A-Za-z]*$'`),
		Entry("a message without end", fields{"abort": fields{"reason": "A", "time": "2026-01-02T15:04:05Z", "message": strings.Repeat("m", 1025)}},
			"status.abort.message: Too long: may not be more than 1024 bytes"),
		Entry("a count of nothing", fields{"driftRepairs": 0},
			"status.driftRepairs: Invalid value: 0: driftRepairs in body should be greater than or equal to 1"),
	)

	// Beyond 1.5 MiB, what fields belong to whom included, etcd refuses an object: the ledger could not be written.
	It("can be stored with every list full of the longest things that AWS has", func(ctx context.Context) {
		obj := &v1alpha1.AgentDisconnect{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "test-", Namespace: "default"},
			Spec:       v1alpha1.AgentDisconnectSpec{Cluster: "demo", SubnetID: "subnet-0a1b2c3d", Duration: metav1.Duration{Duration: time.Hour}},
		}
		Expect(kube.Create(ctx, obj)).To(Succeed())
		before := obj.DeepCopy()
		obj.Status = fullest()
		Expect(kube.Status().Patch(ctx, obj, client.MergeFrom(before), client.FieldOwner("manager"))).To(Succeed())
		Expect(obj.Status.Agents.ContainerInstances).To(HaveLen(v1alpha1.MaxContainerInstances))
	})
})

// fullest is the largest status that the controller can come to.
func fullest() v1alpha1.AgentDisconnectStatus {
	now := metav1.NewTime(time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC))
	account := "arn:aws-us-gov:ecs:us-gov-east-1:123456789012:"
	name := strings.Repeat("n", 255)
	acl := "acl-0a1b2c3d4e5f67890"
	s := v1alpha1.AgentDisconnectStatus{
		ObservedGeneration: 1, StartTime: &now, ExpirationTime: &now, RestoredTime: &now, CompletionTime: &now, DriftRepairs: 3,
		Target:     &v1alpha1.Target{AccountID: "123456789012", Region: "us-gov-east-1", ClusterARN: account + "cluster/" + name, VPCID: "vpc-0a1b2c3d4e5f67890"},
		NetworkACL: &v1alpha1.NetworkACL{ID: acl, Mode: v1alpha1.NetworkACLModeInPlace, Sharing: new(true)},
		Agents:     &v1alpha1.Agents{Total: new(int32(1000)), Disconnected: new(int32(1000)), DisconnectedTime: &now, ReconnectedTime: &now},
		Abort:      &v1alpha1.Abort{Reason: v1alpha1.AbortNetworkACLShared, Message: strings.Repeat("m", 1024), Time: now},
	}
	for i := range 6 {
		s.Conditions = append(s.Conditions, metav1.Condition{
			Type: fmt.Sprintf("Condition%d", i), Status: metav1.ConditionTrue, Reason: v1alpha1.StateBlocking, Message: strings.Repeat("m", 1024), LastTransitionTime: now,
		})
	}
	for i := range v1alpha1.MaxEndpoints {
		e := v1alpha1.Endpoint{Hostname: fmt.Sprintf("%s%02d", strings.Repeat("h", 251), i), Session: v1alpha1.EndpointAdditional}
		for j := range v1alpha1.MaxAddresses {
			e.Addresses = append(e.Addresses, fmt.Sprintf("2001:db8:ffff:ffff:ffff:ffff:ffff:%04x", j))
		}
		s.Endpoints = append(s.Endpoints, e)
	}
	for i := range v1alpha1.MaxRules {
		s.Rules = append(s.Rules, v1alpha1.Rule{
			NetworkACLID: acl, RuleNumber: int32(i + 1), CIDR: "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/128",
			Hostname: strings.Repeat("h", 253), State: v1alpha1.RuleInstalled, LastAttemptTime: &now,
		})
	}
	for i := range v1alpha1.MaxContainerInstances {
		s.Agents.ContainerInstances = append(s.Agents.ContainerInstances, v1alpha1.ContainerInstance{
			ARN: fmt.Sprintf("%scontainer-instance/%s/%032x", account, name, i), Connected: new(false), DisconnectedTime: &now, Gone: new(true),
		})
	}
	return s
}
