// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"slices"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/pages"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// badInput is one thing that keeps a run from beginning: what brings it about, what the status has to say of it, and what
// mends it.
type badInput struct {
	// simulator changes what there is from the start.
	simulator func(*sim.Options)
	// cause spoils the world before the object is created. It may change w.options and start the manager anew.
	cause func(w *world)
	// object changes the object that is created.
	object func(*v1alpha1.AgentDisconnect)

	reason, message string
	// waits: it passes by itself, so that no person is alerted.
	waits bool
	// mend takes the cause away. Nil: nothing can, but another object.
	mend func(w *world)
}

// check takes an object through it: nothing is written to AWS, the status says so and stays as it is, and once the cause is
// mended the run begins by itself.
func (b badInput) check(ctx context.Context) {
	GinkgoHelper()
	w := newWorld(ctx, func(o *sim.Options) {
		if b.simulator != nil {
			b.simulator(o)
		}
	})
	b.message = strings.ReplaceAll(b.message, theResolver, w.options.DNSServer)
	if b.cause != nil {
		b.cause(w)
	}
	w.before = w.entries()
	obj := w.create(ctx, func(obj *v1alpha1.AgentDisconnect) {
		if b.object != nil {
			b.object(obj)
		}
	})
	w.run(ctx, time.Second, obj)
	b.expect(ctx, w, obj)

	By("saying the same as long as the cause is the same")
	w.run(ctx, 90*time.Second, obj) // lookups settle meanwhile
	said := w.get(ctx, obj)
	w.run(ctx, time.Minute, obj)
	b.expect(ctx, w, obj)
	Expect(w.get(ctx, obj).ResourceVersion).To(Equal(said.ResourceVersion), "the status was written again:\n%s\n%s", describe(said), describe(w.get(ctx, obj)))
	if !b.waits {
		Expect(w.told("Warning "+b.reason)).To(Equal([]string{"Warning " + b.reason + " " + b.message + ". See " + pages.Stalled(b.reason)}), "one event for one cause")
	}
	if b.mend == nil {
		w.discard(ctx, obj)
		return
	}

	By("beginning by itself once the cause is mended")
	b.mend(w)
	w.before = w.entries()
	w.run(ctx, 150*time.Second, obj) // the longest wait, and a second poll
	seen := w.get(ctx, obj)
	Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateBlocking), "%s", describe(seen))
	Expect(condition(seen, v1alpha1.ConditionStalled).Status).To(BeEquivalentTo("Absent"))
	Expect(seen.Status.ExpirationTime.Sub(seen.Status.StartTime.Time)).To(Equal(obj.Spec.Duration.Duration), "waiting costs none of the duration")
	w.discard(ctx, obj)
}

// theResolver stands in a message for the DNS server of the world.
const theResolver = "(the world's)"

// expect holds the world and the status against what bad input may do: nothing, and say why.
func (b badInput) expect(ctx context.Context, w *world, obj *v1alpha1.AgentDisconnect) {
	GinkgoHelper()
	b.message = strings.ReplaceAll(b.message, theResolver, w.options.DNSServer)
	seen := w.get(ctx, obj)
	Expect(w.attempts()).To(BeEmpty())
	w.expectRestored()
	Expect(seen.Status.StartTime).To(BeNil())
	Expect(seen.Status.Rules).To(BeEmpty())
	Expect(seen.Finalizers).To(BeEmpty(), "nothing to clean up")

	succeeded, stalled := condition(seen, v1alpha1.ConditionSucceeded), condition(seen, v1alpha1.ConditionStalled)
	Expect(succeeded.Status).To(Equal(metav1.ConditionUnknown), "%s", describe(seen))
	Expect(succeeded.Message).To(Equal(b.message))
	Expect(condition(seen, v1alpha1.ConditionReconciling).Status).To(BeEquivalentTo("Absent"))
	Expect(condition(seen, v1alpha1.ConditionRulesInstalled).Reason).To(Equal("NotStarted"))
	if b.waits {
		Expect(succeeded.Reason).To(Equal(v1alpha1.StateWaiting))
		Expect(stalled.Status).To(BeEquivalentTo("Absent"), "%s", describe(seen))
		return
	}
	Expect(succeeded.Reason).To(Equal(v1alpha1.StateRefused))
	Expect(stalled.Status).To(Equal(metav1.ConditionTrue))
	Expect(stalled.Reason).To(Equal(b.reason))
	Expect(stalled.Message).To(Equal(b.message + ". See " + pages.Stalled(b.reason)))
}

// attempts are the calls that change something, those of a caller that AWS doesn't know included.
func (w *world) attempts() []sim.Call {
	return slices.DeleteFunc(w.writes(), func(c sim.Call) bool {
		return strings.HasPrefix(c.Action, "Describe") || strings.HasPrefix(c.Action, "List") || strings.HasPrefix(c.Action, "Get")
	})
}

// told are the events so far that begin with a text, the others are dropped.
func (w *world) told(prefix string) []string {
	var told []string
	for {
		select {
		case event := <-w.events.Events:
			if strings.HasPrefix(event, prefix) {
				told = append(told, event)
			}
		default:
			return told
		}
	}
}

// discard deletes an object and expects that nothing of its run is left.
func (w *world) discard(ctx context.Context, obj *v1alpha1.AgentDisconnect) {
	GinkgoHelper()
	Expect(kube.Delete(ctx, obj)).To(Succeed())
	w.run(ctx, time.Second, obj)
	Expect(w.gone(ctx, obj)).To(BeTrue(), "the object stays")
	w.expectRestored()
}

// restartWith starts another manager, with a changed configuration of the SDK.
func (w *world) restartWith(change func(*awssdk.Config)) {
	w.events = events.NewFakeRecorder(1000)
	cfg := w.sim.Config()
	change(&cfg)
	w.manageWith(kube, aws.NewSessions(cfg, "agentdisconnect", "test", withoutDelays))
}

// tagSubnet gives the subnet a value for a tag; none takes the tag away.
func (w *world) tagSubnet(key string, value ...string) {
	GinkgoHelper()
	Expect(w.sim.Region().DeleteTags([]string{subnetID}, []region.Deletion{{Key: key}})).To(Succeed())
	for _, v := range value {
		Expect(w.sim.Region().CreateTags([]string{subnetID}, map[string]string{key: v})).To(Succeed())
	}
}

// register puts a connected container instance of a cluster into a subnet and gives its ARN.
func (w *world) register(cluster, subnet string) string {
	GinkgoHelper()
	arn, err := w.sim.Region().AddContainerInstance(cluster, "", region.ContainerInstance{SubnetID: subnet, AgentConnected: true})
	Expect(err).NotTo(HaveOccurred())
	return arn
}

// sessionNumbers are the numbers of the entries that deny, sorted.
func (w *world) sessionNumbers(id string) []int {
	var numbers []int
	for number := range w.denies(id) {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	return numbers
}
