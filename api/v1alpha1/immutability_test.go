// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"reflect"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

var _ = Describe("What can't be changed", func() {
	const (
		cluster = "spec.cluster: Forbidden: cluster is immutable: create another AgentDisconnect for another cluster"
		subnet  = "spec.subnetID: Forbidden: subnetID is immutable: create another AgentDisconnect for another subnet"
		region  = "spec.region: Forbidden: region is immutable, and can be neither added nor removed: create another AgentDisconnect for another region"
		arn     = "arn:aws:ecs:ap-northeast-1:123456789012:cluster/demo"
	)

	DescribeTable("stays as it was created", func(ctx context.Context, before, change fields, complaint string) {
		u := stored(ctx, before)
		Expect(complaints(patchSpec(ctx, u.DeepCopy(), change))).To(ConsistOf(complaint))
		Expect(u.GetGeneration()).To(Equal(int64(1)))
	},
		Entry("cluster", nil, fields{"cluster": "other"}, cluster),
		Entry("cluster, even to the same one's ARN", nil, fields{"cluster": arn}, cluster),
		Entry("cluster, taken out", nil, fields{"cluster": nil}, "spec.cluster: Required value"),
		Entry("subnetID", nil, fields{"subnetID": "subnet-0a1b2c3d"}, subnet),
		Entry("subnetID, taken out", nil, fields{"subnetID": nil}, "spec.subnetID: Required value"),
		Entry("region", fields{"region": "us-east-1"}, fields{"region": "us-east-2"}, region),
		Entry("region, set later", nil, fields{"region": "us-east-1"}, region),
		Entry("region, set later to that of the ARN", fields{"cluster": arn}, fields{"region": "ap-northeast-1"}, region),
		Entry("region, taken out", fields{"region": "us-east-1"}, fields{"region": nil}, region),
	)

	It("doesn't stand in the way of a change of everything else", func(ctx context.Context) {
		u := stored(ctx, fields{"region": "us-east-1"})
		changes := fields{
			"duration": "20m", "sessions": list("ACS"), "mode": "Plan", "networkACLMode": "InPlace", "otherClusters": "Allow", "onDrift": "Abort",
			"additionalEndpoints": fields{"cidrs": list("192.0.2.0/24")}, "startAfter": "2026-01-02T15:04:05Z", "startDeadline": "2026-01-02T16:04:05Z",
			"suspend": true, "runID": "2", "ttlSecondsAfterFinished": 60, "probe": fields{"taskDefinition": "canary"}, "callers": fields{"require": "Recovery"},
			"stopConditions": stoppedBy("a")["stopConditions"],
		}
		Expect(changes).To(HaveLen(reflect.TypeFor[v1alpha1.AgentDisconnectSpec]().NumField() - len([]string{"cluster", "subnetID", "region"})))
		Expect(patchSpec(ctx, u, changes)).To(Succeed())
		for name := range changes {
			changes[name] = nil
		}
		delete(changes, "duration")
		Expect(patchSpec(ctx, u, changes)).To(Succeed())
		Expect(u.GetGeneration()).To(Equal(int64(3)))
	})

	It("says all at once what can't be changed", func(ctx context.Context) {
		u := stored(ctx, nil)
		Expect(complaints(patchSpec(ctx, u, fields{
			"cluster": "other", "subnetID": "subnet-0a1b2c3d", "region": "us-east-1",
		}))).To(ConsistOf(cluster, subnet, region))
	})
})
