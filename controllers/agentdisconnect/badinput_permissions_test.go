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

var allActions = slices.Concat(actionsOf[aws.EC2]("ec2"), actionsOf[aws.ECS]("ecs"))

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
	message := "AWS denies the manager's role " + strings.Join(actions, ", ") + ": grant the actions of the product's IAM policy. "
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
	if strings.Contains(resource, "network-acl/") {
		message += "." // the encoded message that followed is another one each time
	}
	return message
}

var _ = Describe("A role that lacks a permission", func() {
	aclARN := "arn:aws:ec2:ap-northeast-1:123456789012:network-acl/" + aclID
	firstInstance := "arn:aws:ecs:ap-northeast-1:123456789012:container-instance/demo/3f1b5d7e9a2c46808d6f4b2a1c3e5d79"
	// What AWS names as the resource in its refusal.
	resources := map[string]string{
		"ec2:CreateNetworkAclEntry": aclARN, "ec2:DeleteNetworkAclEntry": aclARN,
		"ecs:DescribeClusters": demoARN, "ecs:ListContainerInstances": demoARN, "ecs:DescribeContainerInstances": firstInstance, "ecs:DiscoverPollEndpoint": "*",
	}
	more := func(w *world) { w.restartAs("AKIAMORE") }
	check := func(first string, actions ...string) func(context.Context) {
		return func(ctx context.Context) {
			badInput{
				simulator: without(actions...), reason: v1alpha1.ReasonAccessDenied, message: lacking(first, resources[first], actions...), mend: more,
			}.check(ctx)
		}
	}
	for _, action := range allActions {
		It("is told that it is "+action, check(action, action))
	}
	It("is told of all that reading takes", check("ec2:DescribeSubnets",
		"ec2:DescribeNetworkAcls", "ec2:DescribeSubnets", "ecs:DescribeClusters", "ecs:ListContainerInstances"))
	It("is told of both, the doing and the undoing", check("ec2:CreateNetworkAclEntry", "ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAclEntry"))
	It("is told of all that comes after reading", check("ecs:DescribeContainerInstances",
		"ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAclEntry", "ecs:DescribeContainerInstances", "ecs:DiscoverPollEndpoint"))

	It("has all of them asked for before the first write", func(ctx context.Context) {
		w := newWorld(ctx)
		w.blocking(ctx)
		calls := w.sim.Calls()
		begun := slices.IndexFunc(calls, func(c sim.Call) bool { return !c.ReadOnly && !c.DryRun })
		var asked []string
		for _, call := range calls[:begun] {
			asked = append(asked, call.Name())
		}
		Expect(asked).To(ContainElements(allActions))
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
		reason: v1alpha1.ReasonNoCredentials, message: noCredentials("InvalidClientTokenId: The security token included in the request is invalid"),
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
		reason: v1alpha1.ReasonNoCredentials, message: noCredentials("ExpiredToken: The security token included in the request is expired"),
		mend: func(w *world) { w.sim.Faults().Clear() },
	}),
)

func noCredentials(detail string) string {
	return "AWS does not accept the manager's credentials, or there are none: give the manager's service account a role (EKS Pod Identity or IRSA). " + detail
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
