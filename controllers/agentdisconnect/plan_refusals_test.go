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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

var _ = Describe("A plan's refusals", func() {
	It("are all that stands against a run, at once", func(ctx context.Context) {
		w := newWorld(ctx)
		w.options.MaxDuration = 5 * time.Minute
		w.restart()
		w.tagSubnet(consentTag)
		w.register("other", subnetID)
		w.setAgents(false)
		home := w.privateLink(region.ServiceAgent, subnetID)
		Expect(w.sim.Region().CreateTags([]string{aclID}, map[string]string{"FMManaged": "true"})).To(Succeed())
		for _, action := range []string{"ec2:DeleteNetworkAclEntry", "ec2:CreateTags"} {
			w.sim.Faults().Add(faults.Fault{Action: action, Denied: true})
		}
		obj := w.planned(ctx, withEndpoints([]string{"nowhere.example.com"}), func(obj *v1alpha1.AgentDisconnect) {
			obj.Spec.StartDeadline = &metav1.Time{Time: w.clock.Now().Add(-time.Minute)}
		})
		Expect(refusalsOf(obj)).To(ConsistOf(
			v1alpha1.ReasonDurationTooLong, v1alpha1.ReasonNoConsent, v1alpha1.ReasonOtherClusters, v1alpha1.ReasonNoConnectedAgents, v1alpha1.ReasonEndpointInSubnet,
			v1alpha1.ReasonNetworkACLManaged, v1alpha1.ReasonAccessDenied, v1alpha1.ReasonHostNotResolved, v1alpha1.AbortStartDeadlineExceeded,
		))
		for _, refusal := range obj.Status.Plan.Refusals {
			switch refusal.Reason {
			case v1alpha1.ReasonAccessDenied:
				Expect(refusal.Message).To(HavePrefix("AWS denies the manager's role ec2:CreateTags, ec2:DeleteNetworkAclEntry: grant "))
			case v1alpha1.ReasonEndpointInSubnet:
				Expect(refusal.Message).To(ContainSubstring(home.ID))
			}
		}
		Expect(condition(obj, v1alpha1.ConditionSucceeded).Message).To(HavePrefix("a run would not start ("))
		Expect(*obj.Status.Plan.Agents.Total).To(BeEquivalentTo(2))
		Expect(*obj.Status.Plan.Agents.Connected).To(BeZero())
		Expect(obj.Status.Plan.Rules).NotTo(BeEmpty(), "what is known is said all the same")
		Expect(w.writes()).To(BeEmpty())
	})

	It("of a cluster without instances, and one that isn't there, don't hide the others", func(ctx context.Context) {
		w := newWorld(ctx)
		w.tagSubnet(consentTag)
		Expect(w.sim.Region().AddCluster("empty", nil)).To(Succeed())
		obj := w.planned(ctx, withCluster("empty"), amongOthers)
		Expect(refusalsOf(obj)).To(ConsistOf(v1alpha1.ReasonNoConsent, v1alpha1.ReasonNoConnectedAgents))
		Expect(*obj.Status.Plan.Agents.Total).To(BeZero())
		Expect(*obj.Status.Plan.Outside.Total).To(BeZero())
		Expect(obj.Status.Plan.Rules).To(BeEmpty())

		obj = w.planned(ctx, withCluster("missing"), amongOthers)
		Expect(refusalsOf(obj)).To(ConsistOf(v1alpha1.ReasonNoConsent, v1alpha1.ReasonClusterNotFound))
		Expect(obj.Status.Plan.Agents).To(BeNil())
	})

	It("name a network ACL whose clone would cut the subnet off, as a start does", func(ctx context.Context) {
		w := newWorld(ctx) // whose agents stay connected
		w.onOriginal(replacing(acl.Entry{RuleNumber: 100, Egress: true, Allow: true, Protocol: acl.UDP, CIDR: netip.MustParsePrefix("0.0.0.0/0"), To: 65535}))
		Expect(refusalsOf(w.planned(ctx, shared))).To(ConsistOf(v1alpha1.ReasonNetworkACLDeniesAgents))
	})

	It("come from a manager without Region and from another account's cluster too", func(ctx context.Context) {
		w := newWorld(ctx)
		w.options.MaxDuration = 5 * time.Minute
		w.restartWith(func(cfg *awssdk.Config) { cfg.Region = "" })
		Expect(refusalsOf(w.planned(ctx))).To(ConsistOf(v1alpha1.ReasonNoRegion, v1alpha1.ReasonDurationTooLong))
		w.restart()
		obj := w.planned(ctx, withCluster("arn:aws:ecs:ap-northeast-1:999999999999:cluster/demo"))
		Expect(refusalsOf(obj)).To(ContainElements(v1alpha1.ReasonWrongAccount, v1alpha1.ReasonDurationTooLong))
	})

	It("name each permission that is missing", func(ctx context.Context) {
		w := newWorld(ctx)
		w.capacityProvider(region.ProviderAutoScaling)
		w.privateLink(region.ServiceAgent, plainSubnet) // so that there are interfaces to look up
		inPlace := []string{"ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAclEntry", "ec2:CreateTags", "ec2:DeleteTags", "ec2:DescribeVpcEndpoints",
			"ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DescribeNetworkAcls", "ecs:DescribeClusters", "ecs:ListClusters", "ecs:DescribeCapacityProviders",
			"ecs:ListContainerInstances", "ecs:DescribeContainerInstances", "ecs:DiscoverPollEndpoint"}
		check := func(action string, change ...func(*v1alpha1.AgentDisconnect)) {
			undo := w.sim.Faults().Add(faults.Fault{Action: action, Denied: true})
			defer undo()
			obj := w.planned(ctx, change...)
			Expect(obj.Status.Plan.Refusals).To(ContainElement(And(
				HaveField("Reason", v1alpha1.ReasonAccessDenied), HaveField("Message", HavePrefix("AWS denies the manager's role "+action+": "))),
			), fmt.Sprintf("%s: %v", action, obj.Status.Plan.Refusals))
		}
		for _, action := range inPlace {
			check(action)
		}
		for _, action := range []string{"ec2:CreateNetworkAcl", "ec2:ReplaceNetworkAclAssociation"} {
			check(action, withSubnet(sharedSubnet), amongOthers)
		}
		Expect(refusalsOf(w.planned(ctx))).To(BeEmpty())
		Expect(w.attempts()).To(BeEmpty())
	})

	It("name the run that holds the network ACL, and say when as many are on as may be", func(ctx context.Context) {
		w := newWorld(ctx)
		one := w.blocking(ctx)
		w.setAgents(false)
		obj := w.planned(ctx)
		Expect(refusalsOf(obj)).To(Equal([]string{v1alpha1.ReasonHolder}))
		Expect(obj.Status.Plan.Refusals[0].Message).To(ContainSubstring(one.Namespace + "/" + one.Name))

		obj = w.planned(ctx, withSubnet(sharedSubnet), amongOthers)
		Expect(obj.Status.Plan.Refusals).To(BeEmpty())
		w.options.MaxActiveRuns = 1
		w.restart()
		obj = w.planned(ctx, withSubnet(sharedSubnet), amongOthers)
		Expect(refusalsOf(obj)).To(Equal([]string{v1alpha1.ReasonTooManyRuns}))
		w.discard(ctx, one)
	})
})

// capacityProvider registers a further instance that a capacity provider of the type launched.
func (w *world) capacityProvider(kind string) {
	GinkgoHelper()
	provider := region.CapacityProvider{Name: "provider", Type: kind}
	if kind == region.ProviderManagedInstances {
		provider.Cluster, provider.Subnets, provider.AutoRepair = clusterName, []string{subnetID}, true
	} else {
		provider.AutoScalingGroupARN = "arn:aws:autoscaling:ap-northeast-1:123456789012:autoScalingGroup:0a1b2c3d:autoScalingGroupName/demo"
	}
	Expect(w.sim.Region().AddCapacityProvider(provider)).To(Succeed())
	_, err := w.sim.Region().AddContainerInstance(clusterName, "", region.ContainerInstance{SubnetID: subnetID, AgentConnected: true, CapacityProvider: provider.Name})
	Expect(err).NotTo(HaveOccurred())
}
