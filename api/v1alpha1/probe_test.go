// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("A probe", func() {
	DescribeTable("names a task definition, and an interval or none", func(ctx context.Context, probe fields) {
		stored(ctx, fields{"probe": probe})
	},
		Entry("a family", fields{"taskDefinition": "canary"}),
		Entry("a revision", fields{"taskDefinition": "canary:3", "interval": "10s"}),
		Entry("an ARN", fields{"taskDefinition": "arn:aws-cn:ecs:cn-north-1:123456789012:task-definition/canary:3", "interval": "10m"}),
	)

	DescribeTable("is refused with a sentence", func(ctx context.Context, spec fields, where, message string) {
		Expect(complaints(kube.Create(ctx, object(spec)))).To(ConsistOf(And(HavePrefix(where), ContainSubstring(message))))
	},
		Entry("without a task definition", fields{"probe": fields{}}, "spec.probe.taskDefinition", "Required value"),
		Entry("an ARN without a revision", fields{"probe": fields{"taskDefinition": "arn:aws:ecs:us-east-1:123456789012:task-definition/canary"}}, "spec.probe.taskDefinition", "must be a family, family:revision or the ARN"),
		Entry("another kind of ARN", fields{"probe": fields{"taskDefinition": "arn:aws:ecs:us-east-1:123456789012:cluster/demo"}}, "spec.probe.taskDefinition", "must be a family, family:revision or the ARN"),
		Entry("too often", fields{"probe": fields{"taskDefinition": "canary", "interval": "9s"}}, "spec.probe.interval", "must be from 10s to 10m"),
		Entry("too seldom", fields{"probe": fields{"taskDefinition": "canary", "interval": "10m1s"}}, "spec.probe.interval", "must be from 10s to 10m"),
		Entry("no interval", fields{"probe": fields{"taskDefinition": "canary", "interval": "often"}}, "spec.probe.interval", "must be from 10s to 10m"),
		Entry("without ACS", fields{"probe": fields{"taskDefinition": "canary"}, "sessions": list("TCS")}, "spec.probe", "a probe needs ACS among the sessions"),
	)
})
