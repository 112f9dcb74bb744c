// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

const (
	clusterRule = "must be the name of an ECS cluster (letters, digits, - and _, 255 at most) or its ARN, such as arn:aws:ecs:ap-northeast-1:123456789012:cluster/demo"
	subnetRule  = "must be the id of a subnet, such as subnet-0a1b2c3d4e5f67890"
	regionRule  = "must be the code of an AWS Region, such as ap-northeast-1"
	regionFits  = "spec.region: Invalid value: region differs from the region in the cluster's ARN: leave region out, or name the same one"
)

// invalid is the complaint about a string that breaks a rule.
func invalid(field, value, rule string) string {
	return fmt.Sprintf("%s: Invalid value: %q: %s", field, value, rule)
}

var _ = Describe("The target", func() {
	Context("cluster", func() {
		DescribeTable("accepts", func(ctx context.Context, cluster string) {
			obj, err := decoded(stored(ctx, fields{"cluster": cluster}))
			Expect(err).NotTo(HaveOccurred())
			Expect(obj.Spec.Cluster).To(Equal(cluster))
		},
			Entry("a name", "demo"),
			Entry("a name of one letter", "d"),
			Entry("a name with every kind of character", "Demo_cluster-2"),
			Entry("a name that starts with a digit", "2nd"),
			Entry("a name that starts with a sign", "-_"),
			Entry("the longest name", strings.Repeat("n", 255)),
			Entry("an ARN", "arn:aws:ecs:ap-northeast-1:123456789012:cluster/demo"),
			Entry("an ARN in China", "arn:aws-cn:ecs:cn-northwest-1:123456789012:cluster/demo"),
			Entry("an ARN in GovCloud", "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:cluster/demo"),
			Entry("an ARN in an isolated Region", "arn:aws-iso-b:ecs:us-isob-east-1:123456789012:cluster/demo"),
			Entry("an ARN in the European Sovereign Cloud", "arn:aws-eusc:ecs:eusc-de-east-1:123456789012:cluster/demo"),
			Entry("an ARN with the longest name", "arn:aws:ecs:ap-northeast-1:123456789012:cluster/"+strings.Repeat("n", 255)),
		)

		DescribeTable("refuses", func(ctx context.Context, cluster string) {
			Expect(complaints(kube.Create(ctx, object(fields{"cluster": cluster})))).To(ConsistOf(invalid("spec.cluster", cluster, clusterRule)))
		},
			Entry("a name with a space", "my cluster"),
			Entry("a name with a dot", "demo.cluster"),
			Entry("a name with a line break at its end", "demo\n"),
			Entry("a name that is too long", strings.Repeat("n", 256)),
			Entry("a path", "cluster/demo"),
			Entry("the start of an ARN", "arn:aws"),
			Entry("an ARN of another service", "arn:aws:eks:ap-northeast-1:123456789012:cluster/demo"),
			Entry("an ARN of another kind", "arn:aws:ecs:ap-northeast-1:123456789012:service/demo"),
			Entry("an ARN of a container instance", "arn:aws:ecs:ap-northeast-1:123456789012:container-instance/demo/0123"),
			Entry("an ARN without a region", "arn:aws:ecs::123456789012:cluster/demo"),
			Entry("an ARN with a wildcard", "arn:aws:ecs:ap-northeast-1:123456789012:cluster/*"),
			Entry("an ARN of a short account", "arn:aws:ecs:ap-northeast-1:12345678901:cluster/demo"),
			Entry("an ARN of another vendor", "arn:awsome:ecs:ap-northeast-1:123456789012:cluster/demo"),
			Entry("an ARN in front of which something stands", " arn:aws:ecs:ap-northeast-1:123456789012:cluster/demo"),
		)

		It("refuses an empty one and one beyond all bounds", func(ctx context.Context) {
			Expect(complaints(kube.Create(ctx, object(fields{"cluster": ""})))).To(ConsistOf(
				invalid("spec.cluster", "", "spec.cluster in body should be at least 1 chars long"),
				invalid("spec.cluster", "", clusterRule)))
			Expect(complaints(kube.Create(ctx, object(fields{"cluster": strings.Repeat("n", 321)})))).To(ConsistOf(
				"spec.cluster: Too long: may not be more than 320 bytes"))
		})
	})

	Context("subnetID", func() {
		DescribeTable("accepts", func(ctx context.Context, subnet string) {
			obj, err := decoded(stored(ctx, fields{"subnetID": subnet}))
			Expect(err).NotTo(HaveOccurred())
			Expect(obj.Spec.SubnetID).To(Equal(subnet))
		},
			Entry("17 digits", "subnet-0a1b2c3d4e5f67890"),
			Entry("the 8 digits of old", "subnet-0a1b2c3d"),
		)

		DescribeTable("refuses", func(ctx context.Context, subnet string) {
			Expect(complaints(kube.Create(ctx, object(fields{"subnetID": subnet})))).To(ConsistOf(invalid("spec.subnetID", subnet, subnetRule)))
		},
			Entry("7 digits", "subnet-0a1b2c3"),
			Entry("16 digits", "subnet-0a1b2c3d4e5f6789"),
			Entry("18 digits", "subnet-0a1b2c3d4e5f678901"),
			Entry("capitals", "subnet-0A1B2C3D"),
			Entry("digits that are not hexadecimal", "subnet-0a1b2c3g"),
			Entry("no prefix", "0a1b2c3d"),
			Entry("another kind", "vpc-0a1b2c3d"),
			Entry("something in front", "my-subnet-0a1b2c3d"),
			Entry("something behind", "subnet-0a1b2c3d-x"),
			Entry("a line break behind", "subnet-0a1b2c3d\n"),
			Entry("an ARN", "arn:aws:ec2:ap-northeast-1:123456789012:subnet/subnet-0a1b2c3d"),
		)

		It("refuses an empty one and one beyond all bounds", func(ctx context.Context) {
			Expect(complaints(kube.Create(ctx, object(fields{"subnetID": ""})))).To(ConsistOf(
				invalid("spec.subnetID", "", "spec.subnetID in body should be at least 1 chars long"),
				invalid("spec.subnetID", "", subnetRule)))
			Expect(complaints(kube.Create(ctx, object(fields{"subnetID": "subnet-" + strings.Repeat("0", 122)})))).To(ConsistOf(
				"spec.subnetID: Too long: may not be more than 128 bytes"))
		})
	})

	Context("region", func() {
		DescribeTable("accepts", func(ctx context.Context, region, cluster string) {
			obj, err := decoded(stored(ctx, fields{"region": region, "cluster": cluster}))
			Expect(err).NotTo(HaveOccurred())
			Expect(obj.Spec.Region).To(Equal(region))
		},
			Entry("a Region", "ap-northeast-1", "demo"),
			Entry("a Region of GovCloud", "us-gov-west-1", "demo"),
			Entry("a Region of the European Sovereign Cloud", "eusc-de-east-1", "demo"),
			Entry("a Region that is numbered with two digits", "ap-southeast-10", "demo"),
			Entry("the Region of the cluster's ARN", "cn-north-1", "arn:aws-cn:ecs:cn-north-1:123456789012:cluster/demo"),
		)

		DescribeTable("refuses", func(ctx context.Context, region string) {
			Expect(complaints(kube.Create(ctx, object(fields{"region": region})))).To(ConsistOf(invalid("spec.region", region, regionRule)))
		},
			Entry("an availability zone", "ap-northeast-1a"),
			Entry("capitals", "AP-NORTHEAST-1"),
			Entry("a name for people", "Tokyo"),
			Entry("no number", "ap-northeast"),
			Entry("a host", "ap-northeast-1.amazonaws.com"),
			Entry("a line break behind", "ap-northeast-1\n"),
		)

		It("refuses an empty one, since leaving it out is what says unset, and one beyond all bounds", func(ctx context.Context) {
			Expect(complaints(kube.Create(ctx, object(fields{"region": ""})))).To(ConsistOf(
				invalid("spec.region", "", "spec.region in body should be at least 1 chars long"),
				invalid("spec.region", "", regionRule)))
			Expect(complaints(kube.Create(ctx, object(fields{"region": "ap-" + strings.Repeat("northeast-", 3) + "1"})))).To(ConsistOf(
				"spec.region: Too long: may not be more than 32 bytes"))
		})

		It("refuses one that differs from the cluster's ARN", func(ctx context.Context) {
			Expect(complaints(kube.Create(ctx, object(fields{
				"region": "us-east-1", "cluster": "arn:aws:ecs:ap-northeast-1:123456789012:cluster/demo",
			})))).To(ConsistOf(regionFits))
		})

		It("says nothing of a conflict with a cluster that is no ARN at all", func(ctx context.Context) {
			Expect(complaints(kube.Create(ctx, object(fields{"region": "us-east-1", "cluster": "arn:aws"})))).To(ConsistOf(
				invalid("spec.cluster", "arn:aws", clusterRule)))
		})
	})

	It("needs a spec with its three required fields", func(ctx context.Context) {
		Expect(complaints(kube.Create(ctx, object(fields{"cluster": nil, "subnetID": nil, "duration": nil})))).To(ConsistOf(
			"spec.cluster: Required value", "spec.subnetID: Required value", "spec.duration: Required value"))
		u := object(nil)
		delete(u.Object, "spec")
		Expect(complaints(kube.Create(ctx, u))).To(ConsistOf("spec: Required value"))
	})

	It("refuses other types than strings", func(ctx context.Context) {
		Expect(complaints(kube.Create(ctx, object(fields{"subnetID": 12345678})))).To(ConsistOf(
			`spec.subnetID: Invalid value: "integer": spec.subnetID in body must be of type string: "integer"`))
	})
})
