// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	simworld "agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// actionsOf are the IAM actions of what a client may be asked for. sts:GetCallerIdentity is none that anyone can lack.
func actionsOf[Client any](service string) []string {
	var actions []string
	for method := range reflect.TypeFor[Client]().Methods() {
		actions = append(actions, service+":"+method.Name)
	}
	return actions
}

// What reading takes in both modes, and what each writes.
var (
	// probeReads are for runs with a probe alone: see probe_test.go.
	probeReads  = []string{"ecs:DescribeTaskDefinition", "ecs:DescribeTasks", "ecs:ListTasks"}
	readActions = slices.DeleteFunc(slices.Concat(actionsOf[aws.FencedEC2]("ec2"), actionsOf[aws.ECS]("ecs")), func(action string) bool {
		_, name, _ := strings.Cut(action, ":")
		isRead := strings.HasPrefix(name, "Describe") || strings.HasPrefix(name, "List") || strings.HasPrefix(name, "Discover")
		return !isRead || slices.Contains(probeReads, action)
	})
	inPlaceActions = []string{"ec2:CreateNetworkAclEntry", "ec2:CreateTags", "ec2:DeleteNetworkAclEntry", "ec2:DeleteTags"}
	// cloningActions make a clone and give the original back; they are asked for before the first write.
	cloningActions = []string{"ec2:CreateNetworkAcl", "ec2:ReplaceNetworkAclAssociation"}
	// cloneActions are about the clone itself: IAM may allow them on its tags alone, so they can't be asked for before it is
	// there. They are before it serves a subnet.
	cloneActions = append([]string{"ec2:DeleteNetworkAcl", "ec2:ReplaceNetworkAclEntry"}, inPlaceActions...)
)

// furnish gives the VPC what takes a further look: an interface endpoint of ECS, and an instance of a capacity provider.
func (w *world) furnish() {
	GinkgoHelper()
	r := w.sim.Region()
	_, err := r.AddVPCEndpoint(region.VPCEndpoint{
		VPCID: defaultVPC, ServiceName: r.EndpointService("ecs-agent"), Interfaces: []region.NetworkInterface{{SubnetID: plainSubnet}},
	})
	Expect(err).NotTo(HaveOccurred())
	Expect(r.AddCapacityProvider(region.CapacityProvider{
		Name: "spare", Type: "EC2_AUTOSCALING", AutoScalingGroupARN: r.ARN("autoscaling", "autoScalingGroup:1:autoScalingGroupName/spare"),
	})).To(Succeed())
	Expect(r.AddClusterCapacityProviders(clusterName, "spare")).To(Succeed())
	for id, subnet := range map[string]string{strings.Repeat("e", 32): subnetID, strings.Repeat("f", 32): sharedSubnet} {
		_, err = r.AddContainerInstance(clusterName, id, region.ContainerInstance{SubnetID: subnet, AgentConnected: true, CapacityProvider: "spare"})
		Expect(err).NotTo(HaveOccurred())
	}
}

// without gives the manager a role that lacks actions.
func without(actions ...string) func(*sim.Options) {
	return func(o *sim.Options) {
		o.World = simworld.Default()
		o.World.AccessKeys = []simworld.AccessKey{
			{ID: "AKIALESS", Secret: "x", ARN: "arn:aws:sts::123456789012:assumed-role/agentdisconnect/pod-5d9f-1c7a", Deny: actions},
			{ID: "AKIAMORE", Secret: "x"},
		}
	}
}

// lacking is what a status says where the role lacks actions; AWS's own words are about the one that was asked for first.
func lacking(first, resource string, actions ...string) string {
	message := "AWS denies the manager's role " + strings.Join(actions, ", ") + ": grant the actions of the product's IAM policy (config/iam/policy.json). "
	if strings.HasPrefix(first, "ec2:") {
		message += "UnauthorizedOperation: You are not authorized to perform this operation. "
	} else {
		message += "AccessDeniedException: "
	}
	message += "User: arn:aws:sts::123456789012:assumed-role/agentdisconnect is not authorized to perform: " + first
	if resource != "" {
		message += " on resource: " + resource
	}
	message += " because no identity-based policy allows the " + first + " action"
	if strings.HasPrefix(resource, "arn:aws:ec2:") {
		message += "." // the encoded message that followed is another one each time
	}
	return message
}

var _ = Describe("A role that lacks a permission", func() {
	aclARN := "arn:aws:ec2:ap-northeast-1:123456789012:network-acl/" + aclID
	firstInstance := "arn:aws:ecs:ap-northeast-1:123456789012:container-instance/demo/" + simworld.DedicatedInstance1
	// What AWS names as the resource in its refusal.
	resources := map[string]string{
		"ec2:CreateNetworkAclEntry": aclARN, "ec2:DeleteNetworkAclEntry": aclARN, "ec2:CreateTags": aclARN, "ec2:DeleteTags": aclARN,
		"ecs:DescribeClusters": demoARN, "ecs:ListContainerInstances": demoARN, "ecs:DescribeContainerInstances": firstInstance,
		"ecs:DiscoverPollEndpoint": "*", "ecs:ListClusters": "*", "ecs:DescribeCapacityProviders": "*",
	}
	more := func(w *world) { w.restartAs("AKIAMORE") }
	check := func(first string, actions ...string) func(context.Context) {
		return func(ctx context.Context) {
			badInput{
				simulator: without(actions...), cause: func(w *world) { w.furnish() }, mend: more,
				reason: v1alpha1.ReasonAccessDenied, message: lacking(first, resources[first], actions...),
			}.check(ctx)
		}
	}
	for _, action := range slices.Concat(readActions, inPlaceActions) {
		It("is told that it is "+action, check(action, action))
	}
	It("is told of all that reading takes", check("ec2:DescribeSubnets",
		"ec2:DescribeNetworkAcls", "ec2:DescribeSubnets", "ecs:DescribeClusters", "ecs:ListClusters", "ecs:ListContainerInstances"))
	It("is told of all, the doing and the undoing", check("ec2:CreateNetworkAclEntry", inPlaceActions...))
	It("is told of all that comes after reading", check("ec2:DescribeVpcEndpoints",
		"ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAclEntry", "ec2:DescribeVpcEndpoints", "ecs:DescribeContainerInstances", "ecs:DiscoverPollEndpoint"))

	for action, resource := range map[string]string{
		"ec2:CreateNetworkAcl":             "vpc/" + defaultVPC,
		"ec2:CreateTags":                   "network-acl/*", // the tags that the clone has from its creation on
		"ec2:ReplaceNetworkAclAssociation": "network-acl/" + sharedACL,
	} {
		It("is told that a clone takes "+action, func(ctx context.Context) {
			resource := "arn:aws:ec2:ap-northeast-1:123456789012:" + resource
			badInput{
				simulator: without(action), object: shared, mend: more,
				reason: v1alpha1.ReasonAccessDenied, message: lacking(action, resource, action),
			}.check(ctx)
		})
	}

	for _, action := range cloneActions {
		if action == "ec2:CreateTags" {
			continue // found missing before that
		}
		It("is told that a clone takes "+action+" before it serves a subnet", func(ctx context.Context) {
			w := newWorld(ctx, without(action))
			obj := w.create(ctx, shared)
			w.run(ctx, 90*time.Second, obj)
			seen := w.get(ctx, obj)
			stalled := condition(seen, v1alpha1.ConditionStalled)
			Expect(stalled.Reason).To(Equal(v1alpha1.ReasonAccessDenied), describe(seen))
			Expect(stalled.Message).To(HavePrefix("AWS denies the manager's role " + action + ": grant the actions of the product's IAM policy (config/iam/policy.json)."))
			Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateInstalling))
			now, _ := w.sim.Region().SubnetACL(sharedSubnet)
			Expect(now.ID).To(Equal(sharedACL), "the clone serves, and can't be undone")

			By("going on by itself once it is granted")
			more(w)
			w.run(ctx, 90*time.Second, obj)
			Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, obj)))
			w.discard(ctx, obj)
		})
	}

	// before gives the names of the calls before the first that changes something, or the first of an action that does.
	before := func(w *world, action string) (asked []string) {
		for _, call := range w.sim.Calls() {
			if !call.ReadOnly && !call.DryRun && (action == "" || call.Name() == action) {
				return asked
			}
			asked = append(asked, call.Name())
		}
		return nil
	}

	It("has all of them asked for before the first write", func(ctx context.Context) {
		w := newWorld(ctx)
		w.furnish()
		obj := w.blocking(ctx)
		Expect(before(w, "")).To(ContainElements(slices.Concat(readActions, inPlaceActions)))
		for _, call := range w.sim.Calls() {
			Expect(call.Name()).NotTo(BeElementOf(cloningActions), "it makes no clone")
		}
		w.discard(ctx, obj)
	})

	It("has those of a clone asked for before the first write, and those on it before it serves a subnet", func(ctx context.Context) {
		w := newWorld(ctx)
		w.furnish()
		obj := w.blocking(ctx, shared)
		allOthers := slices.DeleteFunc(slices.Clone(readActions), func(action string) bool { return action == "ecs:ListClusters" }) // not where others are allowed
		Expect(before(w, "")).To(ContainElements(slices.Concat(allOthers, cloningActions)))
		clone := w.get(ctx, obj).Status.NetworkACL.ID
		var asked []string
		for _, call := range w.sim.Calls() {
			if call.Name() == "ec2:ReplaceNetworkAclAssociation" && !call.DryRun {
				break
			}
			if call.DryRun && (call.Param("NetworkAclId") == clone || call.Param("ResourceId.1") == clone) {
				asked = append(asked, call.Name())
			}
		}
		Expect(asked).To(ContainElements(cloneActions))
		w.discard(ctx, obj)
	})

	It("may be of what a clone takes, where none is made", func(ctx context.Context) {
		w := newWorld(ctx, without(append([]string{"ec2:DeleteNetworkAcl", "ec2:ReplaceNetworkAclEntry"}, cloningActions...)...))
		w.discard(ctx, w.blocking(ctx))
	})

	It("may be of what is never called, for a clone and in place", func(ctx context.Context) {
		granted := slices.Concat(readActions, cloneActions, cloningActions)
		w := newWorld(ctx, func(o *sim.Options) {
			o.World = simworld.Default()
			o.World.AccessKeys = []simworld.AccessKey{{ID: "AKIALESS", Secret: "x", Allow: append(granted, "sts:GetCallerIdentity")}}
		})
		inPlace, clone := w.create(ctx), w.create(ctx, shared)
		w.run(ctx, 30*time.Second, inPlace, clone)
		for _, obj := range []*v1alpha1.AgentDisconnect{inPlace, clone} {
			Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, obj)))
			Expect(kube.Delete(ctx, obj)).To(Succeed())
		}
		w.run(ctx, time.Second, inPlace, clone)
		w.expectRestored()
	})
})

var _ = DescribeTable("Credentials that don't do", func(ctx context.Context, b badInput) { b.check(ctx) },
	Entry("there are none", badInput{
		cause: func(w *world) {
			w.restartWith(func(cfg *awssdk.Config) {
				cfg.Credentials = awssdk.CredentialsProviderFunc(func(context.Context) (awssdk.Credentials, error) {
					return awssdk.Credentials{}, errors.New("no EC2 IMDS role found")
				})
			})
		},
		reason: v1alpha1.ReasonNoCredentials, message: noCredentials("no AWS credentials: no EC2 IMDS role found"),
		mend: func(w *world) { w.restart() },
	}),
	Entry("AWS doesn't know the access key", badInput{
		cause:  func(w *world) { w.restartAs("AKIANOBODY") },
		reason: v1alpha1.ReasonNoCredentials, message: noCredentials("AWS does not accept the manager's credentials: InvalidClientTokenId: The security token included in the request is invalid"),
		mend: func(w *world) { w.restart() },
	}),
	Entry("they have expired", badInput{
		cause: func(w *world) {
			for service, code := range map[string]string{"ec2": "RequestExpired", "ecs": "ExpiredTokenException", "sts": "ExpiredToken"} {
				w.sim.Faults().Add(faults.Fault{
					ID: service, Action: service + ":*", Error: code, Message: "The security token included in the request is expired", DryRuns: true,
				})
			}
		},
		reason: v1alpha1.ReasonNoCredentials, message: noCredentials("AWS does not accept the manager's credentials: ExpiredToken: The security token included in the request is expired"),
		mend: func(w *world) { w.sim.Faults().Clear() },
	}),
)

func noCredentials(detail string) string {
	return detail + ". Give the manager's service account a role (EKS Pod Identity or IRSA, config/iam/README.md), then restart the manager"
}

var _ = Describe("Credentials that come and go", func() {
	It("hold up neither the start for long nor what is running", func(ctx context.Context) {
		w := newWorld(ctx)
		var missing atomic.Bool
		good := w.sim.Config().Credentials
		w.restartWith(func(cfg *awssdk.Config) {
			cfg.Credentials = awssdk.CredentialsProviderFunc(func(ctx context.Context) (awssdk.Credentials, error) {
				if missing.Load() {
					return awssdk.Credentials{}, errors.New("the agent of EKS Pod Identity does not answer")
				}
				return good.Retrieve(ctx)
			})
		})
		obj := w.blocking(ctx)

		By("saying so while the run is on, with its rules in place")
		missing.Store(true)
		w.run(ctx, 2*time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionStalled).Reason).To(Equal(v1alpha1.ReasonNoCredentials), "%s", describe(seen))
		Expect(w.denies(aclID)).To(HaveLen(6))

		By("going on as if nothing had been")
		missing.Store(false)
		w.run(ctx, time.Minute, obj)
		seen = w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateBlocking), "%s", describe(seen))
		Expect(condition(seen, v1alpha1.ConditionStalled).Status).To(BeEquivalentTo("Absent"))
		w.discard(ctx, obj)
	})
})
