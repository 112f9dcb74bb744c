// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/agentdisconnect"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/controllers/sweeper"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	simworld "agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// What the simulator's default world has.
const (
	clusterName  = simworld.DefaultCluster
	subnetID     = simworld.DedicatedSubnet // alone on its network ACL
	aclID        = simworld.DedicatedACL
	sharedSubnet = simworld.SharedSubnet // shares the default network ACL
	sharedACL    = simworld.SharedACL
	plainSubnet  = simworld.PlainSubnet // shares it too, and has no consent
)

// world is one test's own simulated Region, clock and reconciler, on the suite's API server.
type world struct {
	sim        *sim.Simulator
	clock      *clocktesting.FakeClock
	reconciler *agentdisconnect.Reconciler
	// sessions and reader are those of the reconciler, for a sweeper beside it.
	sessions  *aws.Sessions
	reader    client.Reader
	events    *events.FakeRecorder
	options   options.Options
	namespace string
	// before are the entries of all network ACLs as the test found them.
	before map[string][]string
	// beforePass, if set, is called before every pass: a manager that died is replaced there.
	beforePass func()
	// watched, if set, is called before every pass too: by an audit.
	watched func()
	// edited says that the test edited a status by hand.
	edited bool
	// pace counts the passes of each second, to tell a loop that spins.
	pace pace
}

func newWorld(ctx context.Context, change ...func(*sim.Options)) *world {
	return newWorldAt(ctx, clocktesting.NewFakeClock(time.Now().Truncate(time.Second)), change...)
}

// newWorldAt is newWorld with a clock that the Region may go by too.
func newWorldAt(ctx context.Context, clock *clocktesting.FakeClock, change ...func(*sim.Options)) *world {
	simulated := sim.Options{NoAgents: true}
	for _, c := range change {
		c(&simulated)
	}
	bindPolicies(&simulated)
	simulator, err := sim.Start(context.WithoutCancel(ctx), simulated)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(simulator.Close)

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	Expect(kube.Create(ctx, namespace)).To(Succeed())
	w := &world{
		sim: simulator, clock: clock, namespace: namespace.Name,
		options: options.Defaults(),
	}
	w.options.MaxDuration, w.options.MaxActiveRuns = options.LongestDuration, 0
	w.options.LookupInterval = w.options.AgentPollInterval // a third of the passes, and so of the time
	w.options.DNSServer, w.options.ClusterID = simulator.DNSAddr(), "6f1d2c3b-4a59-4687-9b1c-0d2e3f4a5b6c"
	w.before = w.entries()
	w.restart()
	DeferCleanup(w.forget)
	return w
}

// restart replaces the manager by a new one that knows nothing but what the API server and AWS say.
func (w *world) restart() { w.restartAs(w.sim.World().Keys()[0].ID) }

func (w *world) restartAs(accessKey string) {
	w.events = events.NewFakeRecorder(1000)
	sessions := aws.NewSessions(w.sim.ConfigFor(accessKey), "agentdisconnect", "test", agentdisconnect.CountCalls, withoutDelays)
	sessions.Clock = w.clock
	w.manageWith(kube, sessions)
}

// manageWith has the world's objects reconciled by a manager with a client and sessions.
func (w *world) manageWith(kubernetes client.Client, sessions *aws.Sessions) {
	w.sessions, w.reader = sessions, kubernetes
	w.reconciler = agentdisconnect.New(kubernetes, kubernetes, w.events, sessions, w.clock, w.options)
}

// newSweeper is the sweeper of the world's manager.
func (w *world) newSweeper() *sweeper.Sweeper {
	return sweeper.New(objects.NewReader(w.reader), w.sessions, w.clock, w.options)
}

// forget takes the test's objects away from the API server, so that no other test waits for them.
func (w *world) forget(ctx context.Context) {
	var all v1alpha1.AgentDisconnectList
	Expect(kube.List(ctx, &all, client.InNamespace(w.namespace))).To(Succeed())
	for i := range all.Items {
		obj := &all.Items[i]
		if len(obj.Finalizers) > 0 {
			obj.Finalizers = nil
			Expect(kube.Update(ctx, obj)).To(Succeed())
		}
		Expect(client.IgnoreNotFound(kube.Delete(ctx, obj))).To(Succeed())
	}
}

// entries are all network ACLs, by id: their entries, their tags and the subnets that have them.
func (w *world) entries() map[string][]string {
	entries := map[string][]string{}
	for _, found := range w.sim.Region().View(time.Time{}).NetworkACLs() {
		for _, e := range found.Entries {
			entries[found.ID] = append(entries[found.ID], fmt.Sprintf("%+v", e))
		}
		for key, value := range found.Tags {
			entries[found.ID] = append(entries[found.ID], "tag "+key+"="+value)
		}
		for _, association := range found.Associations {
			entries[found.ID] = append(entries[found.ID], "subnet "+association.SubnetID)
		}
		slices.Sort(entries[found.ID])
	}
	return entries
}

// denies are the numbers of the outbound deny entries of a network ACL beside the default one, with what they deny.
func (w *world) denies(id string) map[int]string {
	denies := map[int]string{}
	found, _ := w.sim.Region().NetworkACL(id)
	for _, e := range found.Entries {
		if e.Egress && !e.Allow && !e.Default() {
			denies[e.RuleNumber] = e.CIDR.String()
		}
	}
	return denies
}

// setAgents has ECS say of the agents in the subnet that they are connected or not.
func (w *world) setAgents(connected bool) {
	for _, arn := range w.agents() {
		w.sim.Region().SetAgentConnected(arn, connected)
	}
}

// agents are the container instances of the cluster in the subnet, sorted.
func (w *world) agents() []string {
	var arns []string
	for _, instance := range w.sim.Region().ContainerInstances() {
		if instance.SubnetID == subnetID {
			arns = append(arns, instance.ARN)
		}
	}
	slices.Sort(arns)
	return arns
}

// writes are the calls that changed something in AWS, dry runs left out.
func (w *world) writes() []sim.Call {
	return slices.DeleteFunc(w.sim.Calls(), func(c sim.Call) bool { return c.ReadOnly || c.DryRun })
}

// create makes an object of 10 minutes for the subnet that is alone on its network ACL.
func (w *world) create(ctx context.Context, change ...func(*v1alpha1.AgentDisconnect)) *v1alpha1.AgentDisconnect {
	obj := &v1alpha1.AgentDisconnect{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, GenerateName: "run-"},
		Spec: v1alpha1.AgentDisconnectSpec{
			Cluster: clusterName, SubnetID: subnetID, Duration: metav1.Duration{Duration: 10 * time.Minute},
		},
	}
	for _, c := range change {
		c(obj)
	}
	Expect(kube.Create(ctx, obj)).To(Succeed())
	// Without managed fields the API server keeps none from here on, which is a good part of what a write costs it.
	Expect(kube.Patch(ctx, obj, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"managedFields":[{}]}}`)))).To(Succeed())
	return obj
}

// get reads an object anew.
func (w *world) get(ctx context.Context, obj *v1alpha1.AgentDisconnect) *v1alpha1.AgentDisconnect {
	fresh := &v1alpha1.AgentDisconnect{}
	Expect(kube.Get(ctx, client.ObjectKeyFromObject(obj), fresh)).To(Succeed())
	return fresh
}

// gone reports whether the API server no longer has an object.
func (w *world) gone(ctx context.Context, obj *v1alpha1.AgentDisconnect) bool {
	err := kube.Get(ctx, client.ObjectKeyFromObject(obj), &v1alpha1.AgentDisconnect{})
	Expect(client.IgnoreNotFound(err)).To(Succeed())
	return err != nil
}

// pass has the manager look at an object once.
func (w *world) pass(ctx context.Context, obj *v1alpha1.AgentDisconnect) (reconcile.Result, error) {
	if w.beforePass != nil {
		w.beforePass()
	}
	if w.watched != nil {
		w.watched()
	}
	w.pace.count(obj.Name, w.clock.Now())
	return w.reconciler.Reconcile(ctx, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(obj)})
}

// run lets a time of the fake clock go by, with a pass over each object whenever it asked for one. An error of a pass is
// repeated after a second, as the work queue would.
func (w *world) run(ctx context.Context, d time.Duration, objects ...*v1alpha1.AgentDisconnect) {
	end := w.clock.Now().Add(d)
	due := make([]time.Time, len(objects))
	for i := range due {
		due[i] = w.clock.Now()
	}
	for {
		next := time.Time{}
		for i, obj := range objects {
			for !due[i].IsZero() && !due[i].After(w.clock.Now()) {
				result, err := w.pass(ctx, obj)
				switch {
				case err != nil:
					due[i] = w.clock.Now().Add(time.Second)
				case result.RequeueAfter > 0:
					due[i] = w.clock.Now().Add(max(result.RequeueAfter, time.Millisecond))
				default:
					due[i] = time.Time{}
				}
			}
			if !due[i].IsZero() && (next.IsZero() || due[i].Before(next)) {
				next = due[i]
			}
		}
		if next.IsZero() || next.After(end) {
			w.clock.SetTime(end)
			return
		}
		w.clock.SetTime(next)
	}
}

// state is the STATE column of an object.
func (w *world) state(ctx context.Context, obj *v1alpha1.AgentDisconnect) string {
	GinkgoHelper()
	seen := w.get(ctx, obj)
	if succeeded := meta.FindStatusCondition(seen.Status.Conditions, v1alpha1.ConditionSucceeded); succeeded != nil {
		Expect(seen.Status.State).To(Equal(succeeded.Reason))
	}
	return seen.Status.State
}

func condition(obj *v1alpha1.AgentDisconnect, conditionType string) metav1.Condition {
	found := meta.FindStatusCondition(obj.Status.Conditions, conditionType)
	if found == nil {
		return metav1.Condition{Status: "Absent"}
	}
	return *found
}

// expectRestored holds the Region against what it was before the test.
func (w *world) expectRestored() {
	GinkgoHelper()
	Expect(w.entries()).To(Equal(w.before), "the network ACLs are not as they were; writes: %v", w.writes())
}

// expectLifted holds the Region against what it was before the test, but for the run's ownership tags: those stay as long as
// a line of its ledger does.
func (w *world) expectLifted(obj *v1alpha1.AgentDisconnect) {
	GinkgoHelper()
	Expect(w.tagsOf(obj)).NotTo(BeEmpty(), "a line of the ledger is left, and the tags are gone")
	Expect(untagged(w.entries())).To(Equal(untagged(w.before)), "the network ACLs are not as they were; writes: %v", w.writes())
}

// tagsOf are the ownership tags of a run, on whichever network ACL.
func (w *world) tagsOf(obj *v1alpha1.AgentDisconnect) map[string]string {
	tags := map[string]string{}
	for _, found := range w.sim.Region().View(time.Time{}).NetworkACLs() {
		for _, key := range ownership.TagKeys(string(obj.UID)) {
			if value, there := found.Tags[key]; there {
				tags[key] = value
			}
		}
	}
	return tags
}

// untagged are network ACLs as entries gives them, without the product's tags.
func untagged(acls map[string][]string) map[string][]string {
	out := map[string][]string{}
	for id, lines := range acls {
		out[id] = slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return strings.HasPrefix(line, "tag "+ownership.TagDomain) })
	}
	return out
}

// acceptMoves takes over into what the test found what a third party has just done to whole network ACLs: moved subnets, added
// ACLs, deleted some.
func (w *world) acceptMoves() {
	before := map[string][]string{}
	association := func(line string) bool { return strings.HasPrefix(line, "subnet ") }
	for id, now := range w.entries() {
		was, known := w.before[id]
		if !known {
			before[id] = now
			continue
		}
		moved := slices.DeleteFunc(slices.Clone(now), func(line string) bool { return !association(line) })
		before[id] = append(slices.DeleteFunc(slices.Clone(was), association), moved...)
		slices.Sort(before[id])
	}
	w.before = before
}

// blocking creates a run and takes it to where all rules are in place.
func (w *world) blocking(ctx context.Context, change ...func(*v1alpha1.AgentDisconnect)) *v1alpha1.AgentDisconnect {
	GinkgoHelper()
	obj := w.create(ctx, change...)
	w.run(ctx, 20*time.Second, obj)
	Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), "%s", describe(w.get(ctx, obj)))
	return obj
}

// describe is an object's status for failure messages.
func describe(obj *v1alpha1.AgentDisconnect) string {
	text := fmt.Sprintf("rules: %v\nabort: %v\n", obj.Status.Rules, obj.Status.Abort)
	for _, c := range obj.Status.Conditions {
		text += fmt.Sprintf("%s=%s %s: %s\n", c.Type, c.Status, c.Reason, c.Message)
	}
	return text
}
