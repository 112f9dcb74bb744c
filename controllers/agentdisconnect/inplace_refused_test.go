// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
)

// What another Kubernetes cluster has.
const (
	elsewhere = "00000000-1111-4222-8333-444444444444"
	theirUID  = "9b2f4c1e-7a3d-4e5f-8a6b-0c1d2e3f4a5b"
)

// theirs are the tags of a run of another Kubernetes cluster that ends after a time.
func (w *world) theirs(left time.Duration) map[string]string {
	return ownership.Ownership{
		UID: theirUID, Owner: "team-b/their-run", ClusterID: elsewhere, Expires: w.clock.Now().Add(left).UTC().Truncate(time.Second),
		Rules: []v1alpha1.Rule{{NetworkACLID: aclID, RuleNumber: 80, CIDR: first + "/32"}},
	}.Tags()
}

func tagsFull(excess int) string {
	return fmt.Sprintf("network ACL %s has no room for the run's ownership tags: delete %d of its tags (a network ACL can have 50)", aclID, excess)
}

func managed(who string) string {
	return "network ACL " + aclID + " is managed by " + who + ", whose changes to it would conflict with those of a run: wait until it no longer manages the network ACL, or choose another subnet"
}

func temporary(owner string) string {
	return "network ACL " + aclID + " is itself the clone of a run (" + owner + "): the run begins when subnet " + subnetID + " has its own network ACL again"
}

// marked is bad input by tags on the network ACL, which mends when they go.
func marked(reason, message string, tags map[string]string) badInput {
	return badInput{
		cause: func(w *world) { w.label(tags) }, reason: reason, message: message,
		mend: func(w *world) { w.unlabel(tags) },
	}
}

var _ = DescribeTable("A network ACL that is not a run's to use", func(ctx context.Context, b badInput) { b.check(ctx) },
	Entry("it has as many tags as it can have", badInput{
		cause: func(w *world) { w.label(fill(49)) }, reason: v1alpha1.ReasonTagsFull, message: tagsFull(6),
		mend: func(w *world) { w.unlabel(fill(6)) },
	}),
	Entry("it has room for all tags that a run may come to need but one", badInput{
		cause: func(w *world) { w.label(fill(44)) }, reason: v1alpha1.ReasonTagsFull, message: tagsFull(1),
		mend: func(w *world) { w.unlabel(fill(1)) },
	}),
	Entry("AWS FIS made it", marked(v1alpha1.ReasonNetworkACLManaged, managed("AWS Fault Injection Service"), map[string]string{"managedByFIS": "true"})),
	Entry("Firewall Manager keeps it as it is", marked(v1alpha1.ReasonNetworkACLManaged, managed("AWS Firewall Manager"), map[string]string{"FMManaged": "true"})),
	Entry("it is the clone of an unknown run", marked(v1alpha1.ReasonNetworkACLTemporary, temporary(theirUID), map[string]string{ownership.TagClone: theirUID})),
	Entry("it is the clone of another Kubernetes cluster's run", badInput{
		cause: func(w *world) {
			w.label(w.theirs(-time.Hour))
			w.label(map[string]string{ownership.TagClone: theirUID})
		},
		reason: v1alpha1.ReasonNetworkACLTemporary, message: temporary("team-b/their-run"),
		mend: func(w *world) { w.unlabel(map[string]string{ownership.TagClone: ""}) },
	}),
)

var _ = Describe("A network ACL that looks like one", func() {
	DescribeTable("is used, and all its tags stay", func(ctx context.Context, tags func(w *world) map[string]string) {
		w, _ := audited(ctx)
		Expect(w.sim.Region().SetTags(aclID, tags(w))).To(Succeed())
		w.before = w.entries()
		obj := w.blocking(ctx)
		w.expectClaimed(w.get(ctx, obj))
		w.discard(ctx, obj)
	},
		Entry("Firewall Manager let go of it", func(*world) map[string]string { return map[string]string{"FMManaged": "false"} }),
		Entry("it was adopted as its subnet's own", func(*world) map[string]string {
			return map[string]string{ownership.TagAdopted: "2026-01-02T03:04:05Z"}
		}),
		Entry("it has room to the last tag, AWS's own not counted", func(*world) map[string]string {
			tags := fill(44)
			tags["aws:cloudformation:stack-name"], tags["aws:cloudformation:stack-id"] = "network", "x"
			return tags
		}),
		Entry("a run of another Kubernetes cluster that is over left its tags", func(w *world) map[string]string { return w.theirs(-time.Second) }),
		Entry("the tags of a run can't be read", func(*world) map[string]string {
			return map[string]string{ownership.TagDomain + theirUID: "v9 whatever"}
		}),
	)
})

var _ = Describe("A run of another Kubernetes cluster on the network ACL", func() {
	held := func(until time.Time) string {
		return fmt.Sprintf("team-b/their-run of another Kubernetes cluster (%s) holds network ACL %s until %s: this run begins when that one is over",
			elsewhere, aclID, until.UTC().Format(time.RFC3339))
	}

	It("is waited for by name, until its tags are gone", func(ctx context.Context) {
		w, _ := audited(ctx)
		until := w.clock.Now().Add(30 * time.Minute)
		tags := w.theirs(30 * time.Minute)
		w.label(tags)
		w.before = w.entries()
		obj := w.create(ctx)
		w.run(ctx, 10*time.Minute, obj)
		badInput{reason: v1alpha1.ReasonHolder, message: held(until), waits: true}.expect(ctx, w, obj)

		w.unlabel(tags)
		w.before = w.entries()
		w.run(ctx, 30*time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateBlocking), describe(seen))
		Expect(seen.Status.ExpirationTime.Sub(seen.Status.StartTime.Time)).To(Equal(10*time.Minute), "waiting costs none of the duration")
		w.discard(ctx, obj)
	})

	It("is no longer waited for when its time is over, whatever it left", func(ctx context.Context) {
		w, _ := audited(ctx)
		until := w.clock.Now().Add(5 * time.Minute)
		w.label(w.theirs(5 * time.Minute))
		w.before = w.entries()
		obj := w.create(ctx)
		w.run(ctx, 5*time.Minute-time.Second, obj)
		badInput{reason: v1alpha1.ReasonHolder, message: held(until), waits: true}.expect(ctx, w, obj)
		w.run(ctx, 31*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, obj)))
		w.discard(ctx, obj)
	})

	It("that shows up in the moment of the start is waited for", func(ctx context.Context) {
		w, _ := audited(ctx)
		until := w.clock.Now().Add(30 * time.Minute)
		obj := w.create(ctx)
		w.run(ctx, time.Second, obj)
		w.label(w.theirs(until.Sub(w.clock.Now())))
		w.before = w.entries()
		w.run(ctx, time.Minute, obj)
		badInput{reason: v1alpha1.ReasonHolder, message: held(until), waits: true}.expect(ctx, w, obj)
	})
})
