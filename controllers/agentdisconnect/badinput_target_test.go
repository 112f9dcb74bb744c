// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/policies"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	simworld "agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const (
	consentTag = "agentdisconnect.dev/allow"
	newSubnet  = "subnet-0123456789abcdef0"
	newACL     = "acl-0123456789abcdef0"
	demoARN    = simworld.DefaultClusterARN
	defaultVPC = simworld.DefaultVPC
)

func withCluster(name string) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Cluster = name }
}

func withSubnet(id string) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) { obj.Spec.SubnetID = id }
}

// addSubnet makes the subnet newSubnet with a network ACL to itself, its owner's consent and a container instance.
func (w *world) addSubnet() {
	GinkgoHelper()
	r := w.sim.Region()
	Expect(r.AddNetworkACL(region.ACL{ID: newACL, VPCID: defaultVPC})).To(Succeed())
	Expect(r.SetEntries(newACL, region.AllowAll(100, true), region.AllowAll(100, false))).To(Succeed())
	Expect(r.AddSubnet(region.Subnet{
		ID: newSubnet, VPCID: defaultVPC, CIDR: netip.MustParsePrefix("10.0.9.0/24"), AvailabilityZone: "ap-northeast-1a",
		NetworkACLID: newACL, Tags: map[string]string{consentTag: "true"},
	})).To(Succeed())
	w.register(clusterName, newSubnet)
}

var _ = DescribeTable("A target that isn't there", func(ctx context.Context, b badInput) { b.check(ctx) },
	Entry("a subnet that doesn't exist", badInput{
		object: withSubnet(newSubnet), reason: v1alpha1.ReasonSubnetNotFound,
		message: "subnet " + newSubnet + " does not exist in account 123456789012, Region ap-northeast-1: check spec.subnetID and spec.region",
		mend:    func(w *world) { w.addSubnet() },
	}),
	Entry("a cluster that doesn't exist", badInput{
		simulator: grantedFor(policies.Values{Cluster: "missing"}),
		object:    cutting("missing"), reason: v1alpha1.ReasonClusterNotFound,
		message: "cluster missing does not exist in account 123456789012, Region ap-northeast-1: check spec.cluster and spec.region",
		mend: func(w *world) {
			Expect(w.sim.Region().AddCluster("missing", nil)).To(Succeed())
			w.register("missing", subnetID)
		},
	}),
	Entry("a cluster that was deleted", badInput{
		cause:   func(w *world) { Expect(w.sim.Region().DeleteCluster(clusterName)).To(Succeed()) },
		reason:  v1alpha1.ReasonClusterNotFound,
		message: "cluster demo is INACTIVE, not ACTIVE in account 123456789012, Region ap-northeast-1: check spec.cluster and spec.region",
		mend: func(w *world) {
			Expect(w.sim.Region().AddCluster(clusterName, nil)).To(Succeed())
			w.register(clusterName, subnetID)
		},
	}),
	Entry("a cluster of another account", badInput{
		object: withCluster("arn:aws:ecs:ap-northeast-1:999999999999:cluster/demo"), reason: v1alpha1.ReasonWrongAccount,
		message: "cluster arn:aws:ecs:ap-northeast-1:999999999999:cluster/demo is in account 999999999999, and the subnet and its network ACL are of account 123456789012, as the manager's credentials are: " +
			"a role in account 999999999999 couldn't change that network ACL, and this one can't see that account's agents. " +
			"Choose a subnet that account 999999999999 owns, and a manager with a role there, or name a cluster of account 123456789012",
	}),
	Entry("a subnet that another account shares", badInput{
		cause:  func(w *world) { Expect(w.sim.Region().ShareSubnet(subnetID, "999999999999")).To(Succeed()) },
		reason: v1alpha1.ReasonWrongAccount,
		message: "subnet " + subnetID + " and its network ACL belong to account 999999999999, which shares the subnet with account 123456789012 of the manager's credentials, and only the owner may change a network ACL: " +
			"run a manager with a role in account 999999999999. It sees the clusters of that account alone, so the cluster has to be there too",
		mend: func(w *world) { Expect(w.sim.Region().ShareSubnet(subnetID, "")).To(Succeed()) },
	}),
	Entry("a cluster of the same account that the manager may not see", badInput{
		simulator: func(o *sim.Options) {
			o.World = simworld.Default()
			o.World.AccessKeys = []simworld.AccessKey{{ID: "AKIALESS", Secret: "x", Deny: []string{"ecs:*"}}, {ID: "AKIAMORE", Secret: "x"}}
		},
		object: withCluster(demoARN), reason: v1alpha1.ReasonAccessDenied,
		message: "AWS denies the manager's role ecs:DescribeClusters, ecs:ListClusters, ecs:ListContainerInstances: grant the actions of the product's IAM policy (config/iam/policy.json). " +
			"AccessDeniedException: User: arn:aws:iam::123456789012:user/AKIALESS is not authorized to perform: ecs:DescribeClusters on resource: " + demoARN +
			" because no identity-based policy allows the ecs:DescribeClusters action",
		mend: func(w *world) { w.restartAs("AKIAMORE") },
	}),
	Entry("a cluster in another Region", badInput{
		simulator: grantedFor(policies.Values{Region: "us-east-1"}),
		object:    withCluster("arn:aws:ecs:us-east-1:123456789012:cluster/demo"), reason: v1alpha1.ReasonSubnetNotFound,
		message: "subnet " + subnetID + " does not exist in account 123456789012, Region us-east-1: check spec.subnetID and spec.region",
	}),
	Entry("a subnet in another Region", badInput{
		simulator: grantedFor(policies.Values{Region: "eu-west-1"}),
		object:    func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Region = "eu-west-1" }, reason: v1alpha1.ReasonSubnetNotFound,
		message: "subnet " + subnetID + " does not exist in account 123456789012, Region eu-west-1: check spec.subnetID and spec.region",
	}),
	Entry("no Region anywhere", badInput{
		cause:  func(w *world) { w.restartWith(func(cfg *awssdk.Config) { cfg.Region = "" }) },
		reason: v1alpha1.ReasonNoRegion,
		message: "neither the spec nor the manager names a Region: give the manager one (AWS_REGION), " +
			"or create the object again with spec.region or with the cluster's ARN",
		mend: func(w *world) { w.restart() },
	}),
)

var _ = DescribeTable("A Region that the manager doesn't have is taken from", func(ctx context.Context, object func(*v1alpha1.AgentDisconnect)) {
	w := newWorld(ctx)
	w.restartWith(func(cfg *awssdk.Config) { cfg.Region = "" })
	obj := w.blocking(ctx, object)
	Expect(w.get(ctx, obj).Status.Target.Region).To(Equal("ap-northeast-1"))
},
	Entry("the cluster's ARN", withCluster(demoARN)),
	Entry("spec.region", func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Region = "ap-northeast-1" }),
)

var _ = Describe("Consent", func() {
	noTag := "subnet " + subnetID + " has no tag " + consentTag + ": its owner consents with the value true, or with the namespaces that may, separated by spaces"

	It("is asked for", func(ctx context.Context) {
		badInput{
			cause:  func(w *world) { w.tagSubnet(consentTag) },
			reason: v1alpha1.ReasonNoConsent, message: noTag,
			mend: func(w *world) { w.tagSubnet(consentTag, "true") },
		}.check(ctx)
	})

	DescribeTable("is not given by the value", func(ctx context.Context, value func(namespace string) string) {
		w := newWorld(ctx)
		w.tagSubnet(consentTag, value(w.namespace))
		obj := w.create(ctx)
		w.run(ctx, time.Minute, obj)
		badInput{
			reason: v1alpha1.ReasonNoConsent,
			message: fmt.Sprintf("the tag %s of subnet %s is %q, which does not name namespace %s: its owner may add the namespace, separated by a space, or set the tag to true",
				consentTag, subnetID, value(w.namespace), w.namespace),
		}.expect(ctx, w, obj)

		By("beginning once the owner adds the namespace")
		w.tagSubnet(consentTag, value("other")+" "+w.namespace)
		w.run(ctx, 45*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
	},
		Entry("nothing", func(string) string { return "" }),
		Entry("other namespaces", func(string) string { return "team-a team-b" }),
		Entry("a longer name that begins with this one", func(n string) string { return n + "-2" }),
		Entry("a shorter name that this one begins with", func(n string) string { return n[:len(n)-1] }),
		Entry("false", func(string) string { return "false" }),
		Entry("True", func(string) string { return "True" }),
		Entry("everything", func(string) string { return "*" }),
		Entry("the namespaces with commas between them", func(n string) string { return "team-a," + n }),
	)

	DescribeTable("is given by the value", func(ctx context.Context, value func(namespace string) string) {
		w := newWorld(ctx)
		w.tagSubnet(consentTag, value(w.namespace))
		w.discard(ctx, w.blocking(ctx))
	},
		Entry("true", func(string) string { return "true" }),
		Entry("this namespace", func(n string) string { return n }),
		Entry("this namespace among others, generously spaced", func(n string) string { return " team-a   " + n + " team-b " }),
	)

	It("may be given with another key, and then with no other", func(ctx context.Context) {
		badInput{
			cause: func(w *world) {
				w.options.ConsentTagKey = "team/chaos"
				w.restart()
			},
			reason:  v1alpha1.ReasonNoConsent,
			message: "subnet " + subnetID + " has no tag team/chaos: its owner consents with the value true, or with the namespaces that may, separated by spaces",
			mend:    func(w *world) { w.tagSubnet("team/chaos", "true") },
		}.check(ctx)
	})

	It("is not asked for where the platform team says so", func(ctx context.Context) {
		w := newWorld(ctx)
		w.tagSubnet(consentTag)
		w.options.ConsentTagKey = ""
		w.restart()
		obj := w.blocking(ctx)
		w.run(ctx, 2*time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), "nor while it runs")
		w.discard(ctx, obj)
	})
})

var _ = Describe("A network ACL that serves other subnets too", func() {
	It("is taken itself where the spec asks for it by name", func(ctx context.Context) {
		w := newWorld(ctx)
		w.consenting()
		w.before = w.entries()
		obj := w.blocking(ctx, withSubnet(sharedSubnet), func(obj *v1alpha1.AgentDisconnect) {
			sharing(obj)
			amongOthers(obj)
		})
		Expect(w.denies(sharedACL)).To(HaveLen(6))
		Expect(w.denies(aclID)).To(BeEmpty())
		Expect(w.get(ctx, obj).Status.NetworkACL.ModeReason).To(Equal(v1alpha1.NetworkACLModeRequested))
		w.discard(ctx, obj)
	})
})
