// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/sweep"
	"agentdisconnect.dev/agentdisconnect/controllers/sweeper"
	"agentdisconnect.dev/agentdisconnect/hack/policies"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// createEqual has a third party make the entry of a line of a ledger.
func (w *world) createEqual(ctx context.Context, line v1alpha1.Rule) {
	GinkgoHelper()
	sessions := aws.NewSessions(w.sim.Config(), "agentdisconnect", "test")
	theirs := sessions.In(sessions.DefaultRegion()).Fenced(func(context.Context) (time.Time, error) { return time.Now(), nil }).EC2
	_, err := ec2acl.Create(ctx, theirs, line)
	Expect(err).NotTo(HaveOccurred())
}

// expelled is an object that goes without a clean-up: its finalizer is taken away by hand.
func (w *world) expelled(ctx context.Context, obj *v1alpha1.AgentDisconnect) {
	GinkgoHelper()
	fresh := w.get(ctx, obj)
	fresh.Finalizers = nil
	Expect(kube.Update(ctx, fresh)).To(Succeed())
	Expect(client.IgnoreNotFound(kube.Delete(ctx, fresh))).To(Succeed())
	Expect(w.gone(ctx, obj)).To(BeTrue())
}

// swept sweeps, and once more when that confirms what the first sweep read.
func (w *world) swept(ctx context.Context, s *sweeper.Sweeper) {
	GinkgoHelper()
	Expect(s.Sweep(ctx)).To(Succeed())
	w.clock.Step(networkacl.SettleFor)
	Expect(s.Sweep(ctx)).To(Succeed())
}

// left is the metric of what the last sweep found.
func left(kind sweep.Kind, cluster string) float64 {
	return metric("agentdisconnect_sweep_found", map[string]string{"kind": string(kind), "cluster": cluster})
}

// overdueSince sets the clock to when a run counts as left behind.
func (w *world) overdueSince(obj *v1alpha1.AgentDisconnect) {
	w.clock.SetTime(obj.Status.ExpirationTime.Add(5 * time.Minute))
}

// withList is a client that lists objects as told.
func withList(list func() error) client.Client {
	api, err := client.NewWithWatch(control.RESTConfig, client.Options{Scheme: kube.Scheme(), Mapper: kube.RESTMapper()})
	Expect(err).NotTo(HaveOccurred())
	return interceptor.NewClient(api, interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return list() },
	})
}

// sweeperWith is the sweeper of a manager that has its own client.
func (w *world) sweeperWith(c client.Client) *sweeper.Sweeper {
	sessions := aws.NewSessions(w.sim.Config(), "agentdisconnect", "test", withoutRetries)
	return sweeper.New(objects.NewReader(c), sessions, w.clock, w.options)
}

// modes are a run on its subnet's own network ACL, and one on a clone.
var modes = map[string][]func(*v1alpha1.AgentDisconnect){"in place": nil, "on a clone": {cloning}}

var _ = Describe("The sweeper", func() {
	for mode, how := range modes {
		kind := map[bool]sweep.Kind{true: sweep.KindRules, false: sweep.KindClone}[how == nil]

		It("restores what an object left whose finalizer was taken away, "+mode, func(ctx context.Context) {
			w := switchWorld(ctx)
			sweeper := w.newSweeper()
			obj := w.blocking(ctx, how...)
			Expect(sweeper.Sweep(ctx)).To(Succeed())
			Expect(left(kind, "own")).To(BeZero(), "its object looks after it")

			w.expelled(ctx, obj)
			undone := metric("agentdisconnect_sweep_undone_total", map[string]string{"kind": string(kind)})
			w.swept(ctx, sweeper)
			w.expectRestored()
			Expect(w.schedules()).To(BeEmpty())
			Expect(left(kind, "own")).To(BeZero(), "it was undone")
			Expect(metric("agentdisconnect_sweep_undone_total", map[string]string{"kind": string(kind)}) - undone).To(Equal(1.))
			Expect(metric("agentdisconnect_sweep_last_success_timestamp_seconds", nil)).To(BeNumerically("~", w.clock.Now().Unix(), 1))

			writes := len(w.writes())
			Expect(sweeper.Sweep(ctx)).To(Succeed())
			Expect(left(kind, "own")).To(BeZero())
			Expect(w.writes()).To(HaveLen(writes))
		})

		It("leaves a run alone from its beginning to its end, "+mode, func(ctx context.Context) {
			w, _ := audited(ctx)
			sweeper := w.boot().world.newSweeper()
			obj := w.create(ctx, append(slices.Clone(how), within(2*time.Minute))...)
			w.beforePass = func() {
				calls := len(w.writes())
				Expect(sweeper.Sweep(ctx)).To(Succeed())
				Expect(w.writes()).To(HaveLen(calls), "%s", describe(w.get(ctx, obj)))
			}
			w.run(ctx, 90*time.Second, obj)
			Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, obj)))
			seen := w.finish(ctx, obj, 15*time.Minute)
			Expect(seen.Status.CompletionTime).NotTo(BeNil(), describe(seen))
			w.expectRestored()
		})

		It("takes the rules of a run away that is past its end, and its object goes on from there, "+mode, func(ctx context.Context) {
			w := switchWorld(ctx)
			sweeper := w.newSweeper()
			obj := w.blocking(ctx, how...)
			seen := w.get(ctx, obj)
			w.clock.SetTime(seen.Status.ExpirationTime.Add(5*time.Minute - time.Second))
			Expect(sweeper.Sweep(ctx)).To(Succeed())
			Expect(w.denies(seen.Status.NetworkACL.ID)).To(HaveLen(6), "its manager has not had its time")

			w.overdueSince(seen)
			w.swept(ctx, sweeper)
			Expect(w.aclOf(subnetID)).To(Equal(aclID))
			Expect(untagged(w.entries())).To(Equal(untagged(w.before)))
			if kind == sweep.KindRules {
				w.expectLifted(obj)
			}
			w.mirrorNow()
			most := time.Minute
			if kind != sweep.KindRules { // AWS denies what is asked for a clone that is gone: reads have to lack it for a while
				most += networkacl.AmbiguousFor
			}
			seen = w.finish(ctx, obj, most)
			Expect(seen.Status.CompletionTime).NotTo(BeNil(), describe(seen))
			w.expectRestored()
			Expect(w.schedules()).To(BeEmpty())
		})

		It("counts what another cluster's run has, and leaves it, "+mode, func(ctx context.Context) {
			w := newWorld(ctx)
			obj := w.blocking(ctx, how...)
			before := w.entries()
			w.expelled(ctx, obj)
			w.options.ClusterID = "00000000-4a59-4687-9b1c-0d2e3f4a5b6c"
			w.boot()
			w.clock.Step(24 * time.Hour)
			w.swept(ctx, w.newSweeper())
			Expect(w.entries()).To(Equal(before))
			Expect(left(kind, "other")).To(Equal(1.))
			Expect(left(kind, "own")).To(BeZero())
		})

		It("waits for a run's end where the kind isn't installed, "+mode, func(ctx context.Context) {
			w := newWorld(ctx)
			obj := w.blocking(ctx, how...)
			seen, before := w.get(ctx, obj), w.entries()
			sweeper := w.sweeperWith(withList(func() error {
				return &meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: v1alpha1.GroupVersion.Group, Kind: "AgentDisconnect"}}
			}))
			w.clock.SetTime(seen.Status.ExpirationTime.Time)
			Expect(sweeper.Sweep(ctx)).To(Succeed())
			Expect(w.entries()).To(Equal(before), "it may be installed again, with the objects")
			w.overdueSince(seen)
			w.swept(ctx, sweeper)
			w.expectRestored()
		})
	}

	It("leaves an object that is being deleted while no manager was there to its clean-up", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx)
		Expect(kube.DeleteAllOf(ctx, &v1alpha1.AgentDisconnect{}, client.InNamespace(w.namespace))).To(Succeed(), "as with the namespace")
		before := w.entries()
		w.boot()
		sweeper := w.newSweeper()
		Expect(sweeper.Sweep(ctx)).To(Succeed())
		Expect(w.entries()).To(Equal(before))
		_, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.expectRestored()
	})

	It("does nothing where it can't say which objects there are", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx)
		before, failures := w.entries(), metric("agentdisconnect_sweep_failures_total", nil)
		w.expelled(ctx, obj)
		w.clock.Step(24 * time.Hour)
		Expect(w.sweeperWith(withList(func() error { return errors.New("etcd is gone") })).Sweep(ctx)).To(MatchError(ContainSubstring("etcd is gone")))
		Expect(w.entries()).To(Equal(before))
		Expect(metric("agentdisconnect_sweep_failures_total", nil) - failures).To(Equal(1.))
	})

	It("goes on where one Region can't be searched, and where one finding can't be undone", func(ctx context.Context) {
		w := newWorld(ctx, grantedFor(policies.Values{Region: "eu-west-1"}))
		w.options.SweepRegions = []string{"eu-west-1"}
		w.boot()
		obj := w.blocking(ctx)
		made := w.stranded(ownership.Ownership{UID: "00000000-6c36-4d0f-9a55-0d0b6b8f7c11", Owner: "a/b", ClusterID: w.options.ClusterID, Started: w.clock.Now(), Expires: w.clock.Now()})
		w.expelled(ctx, obj)
		w.sim.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAcl", Denied: true})
		w.sim.Faults().Add(faults.Fault{Action: "ec2:DescribeNetworkAcls", Denied: true, When: func(c call.Call) bool { return c.Region == "eu-west-1" }})
		sweeper := w.newSweeper()
		Expect(sweeper.Sweep(ctx)).NotTo(Succeed())
		w.clock.Step(networkacl.SettleFor)
		err := sweeper.Sweep(ctx)
		Expect(err).To(MatchError(And(ContainSubstring("searching Region eu-west-1"), ContainSubstring("on network ACL "+made))))
		Expect(w.denies(aclID)).To(BeEmpty())
		Expect(w.tagsOf(obj)).To(BeEmpty())

		w.sim.Faults().Clear()
		Expect(w.newSweeper().Sweep(ctx)).To(Succeed())
		w.expectRestored()
	})

	It("says that it could not look at schedules where there should be some", func(ctx context.Context) {
		w := switchWorld(ctx)
		obj := w.blocking(ctx, cloning)
		w.expelled(ctx, obj)
		w.sim.Faults().Add(faults.Fault{Action: "scheduler:ListSchedules", Denied: true})
		Expect(w.newSweeper().Sweep(ctx)).To(MatchError(ContainSubstring("scheduler:ListSchedules")))
		Expect(w.aclOf(subnetID)).To(Equal(aclID), "all else is undone")
		Expect(w.acls()).To(HaveLen(len(w.before)))
		Expect(w.schedules()).To(HaveLen(6))

		w.sim.Faults().Clear()
		sweeper := w.newSweeper()
		Expect(sweeper.Sweep(ctx)).To(Succeed())
		w.clock.Step(networkacl.AmbiguousFor)
		Expect(sweeper.Sweep(ctx)).To(Succeed())
		Expect(w.schedules()).To(BeEmpty())
		w.expectRestored()
	})

	It("sweeps what a process that stood still sends after the clean-up, while its tag stands", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx)
		tags, rule := w.tagsOf(obj), w.get(ctx, obj).Status.Rules[0]
		sessions := aws.NewSessions(w.sim.Config(), "agentdisconnect", "test")
		frozen := sessions.In(sessions.DefaultRegion()).Fenced(func(context.Context) (time.Time, error) { return time.Now(), nil }).EC2
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, passes, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.expectRestored()
		sweeper := w.newSweeper()

		By("a CreateTags")
		_, err := ec2acl.WriteTags(ctx, frozen, aclID, tags)
		Expect(err).NotTo(HaveOccurred())
		Expect(sweeper.Sweep(ctx)).To(Succeed())
		Expect(w.tagsOf(obj)).NotTo(BeEmpty(), "it may yet send what the tag is for")

		By("a CreateNetworkAclEntry after it")
		_, err = ec2acl.Create(ctx, frozen, rule)
		Expect(err).NotTo(HaveOccurred())
		w.clock.Step(w.options.SweepInterval)
		Expect(sweeper.Wait()).To(Equal(time.Minute), "what only time was lacking for is due")
		Expect(sweeper.Sweep(ctx)).To(Succeed())
		Expect(sweeper.Wait()).To(Equal(w.options.SweepInterval))
		w.expectRestored()

		By("a CreateNetworkAcl")
		w.stranded(ownership.Ownership{UID: string(obj.UID), Owner: "x/y", ClusterID: w.options.ClusterID, Started: w.clock.Now(), Expires: w.clock.Now().Add(time.Minute)})
		Expect(sweeper.Sweep(ctx)).To(Succeed())
		w.expectRestored()
	})

	It("leaves a third party's entry alone that equals one of a run which just ended", func(ctx context.Context) {
		w := switchWorld(ctx)
		sweeper := w.newSweeper()
		obj := w.blocking(ctx)
		rule := w.get(ctx, obj).Status.Rules[0]
		w.clock.Step(time.Second)
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		_, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.expectRestored()
		w.createEqual(ctx, rule)
		made, writes := w.entries(), len(w.writes())

		w.clock.Step(time.Second)
		w.sim.Faults().Add(faults.Fault{Action: "ec2:Describe*", Stale: faults.Duration(1500 * time.Millisecond)})
		Expect(sweeper.Sweep(ctx)).To(Succeed())
		Expect(left(sweep.KindRules, "own")).To(Equal(1.), "reads show the tags of a run that has no object")
		Expect(sweeper.Wait()).To(Equal(networkacl.SettleFor))
		w.clock.Step(networkacl.SettleFor)
		Expect(sweeper.Sweep(ctx)).To(Succeed())
		Expect(left(sweep.KindRules, "own")).To(BeZero())
		Expect(w.entries()).To(Equal(made))
		Expect(w.writes()).To(HaveLen(writes))
	})

	It("goes on to confirm after a sweep that could not search the Region", func(ctx context.Context) {
		w := newWorld(ctx)
		sweeper := w.newSweeper()
		w.expelled(ctx, w.blocking(ctx))
		Expect(sweeper.Sweep(ctx)).To(Succeed())
		w.clock.Step(networkacl.SettleFor)
		allow := w.sim.Faults().Add(faults.Fault{Action: "ec2:DescribeNetworkAcls", Denied: true})
		Expect(sweeper.Sweep(ctx)).NotTo(Succeed())
		allow()
		Expect(sweeper.Sweep(ctx)).To(Succeed())
		w.expectRestored()
	})

	It("begins to confirm anew when the object ends its run itself", func(ctx context.Context) {
		w := switchWorld(ctx)
		sweeper := w.newSweeper()
		obj := w.blocking(ctx)
		seen := w.get(ctx, obj)
		rule := seen.Status.Rules[0]
		w.overdueSince(seen)
		Expect(sweeper.Sweep(ctx)).To(Succeed(), "reads show the claim, and the next one confirms it")
		w.clock.Step(networkacl.SettleFor - time.Second)
		_, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		seen = w.get(ctx, obj)
		Expect(seen.Status.RestoredTime).NotTo(BeNil(), describe(seen))
		Expect(seen.Status.CompletionTime).To(BeNil(), describe(seen))
		w.expectRestored()
		w.createEqual(ctx, rule)
		made, writes := w.entries(), len(w.writes())

		w.clock.Step(time.Second)
		w.sim.Faults().Add(faults.Fault{Action: "ec2:Describe*", Stale: faults.Duration(1500 * time.Millisecond)})
		Expect(sweeper.Sweep(ctx)).To(Succeed())
		Expect(left(sweep.KindRules, "own")).To(Equal(1.), "reads show the tags of a run whose object goes on")
		Expect(w.entries()).To(Equal(made))
		Expect(w.writes()).To(HaveLen(writes))
	})

	It("begins to confirm anew what a sweep in between did not find", func(ctx context.Context) {
		w := newWorld(ctx)
		sweeper := w.newSweeper()
		obj := w.blocking(ctx)
		tags, before := w.tagsOf(obj), w.entries()
		w.expelled(ctx, obj)
		Expect(sweeper.Sweep(ctx)).To(Succeed())
		others, _ := w.sim.Region().NetworkACL(aclID)
		stripped := maps.Clone(others.Tags)
		maps.DeleteFunc(stripped, func(key, _ string) bool { return tags[key] != "" })

		Expect(w.sim.Region().SetTags(aclID, stripped)).To(Succeed())
		Expect(sweeper.Sweep(ctx)).To(Succeed())
		Expect(w.sim.Region().SetTags(aclID, others.Tags)).To(Succeed())
		w.clock.Step(networkacl.SettleFor)
		Expect(sweeper.Sweep(ctx)).To(Succeed())
		Expect(w.entries()).To(Equal(before))
		w.clock.Step(networkacl.SettleFor)
		Expect(sweeper.Sweep(ctx)).To(Succeed())
		w.expectRestored()
	})

	It("undoes what an object's earlier run left, and not what the later one has", func(ctx context.Context) {
		w := newWorld(ctx)
		sweeper := w.newSweeper()
		obj := w.blocking(ctx, within(time.Minute))
		began := w.get(ctx, obj).Status.StartTime.Time
		w.finish(ctx, obj, 15*time.Minute)
		seen := w.get(ctx, obj)
		Expect(seen.Status.CompletionTime).NotTo(BeNil(), describe(seen))
		seen.Spec.RunID, seen.Spec.Duration.Duration = "again", time.Hour
		Expect(kube.Update(ctx, seen)).To(Succeed())
		w.run(ctx, 20*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))

		running := w.entries()
		w.stranded(ownership.Ownership{UID: string(obj.UID), Owner: "x/y", ClusterID: w.options.ClusterID, Started: began, Expires: began.Add(time.Minute)})
		w.clock.Step(30 * time.Minute)
		Expect(sweeper.Sweep(ctx)).To(Succeed())
		for id, entries := range running {
			Expect(w.entries()).To(HaveKeyWithValue(id, entries))
		}
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, passes, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		Expect(sweeper.Sweep(ctx)).To(Succeed())
		w.expectRestored()
	})

	It("sweeps when it starts and then at its interval", func(ctx context.Context) {
		w := newWorld(ctx)
		first := w.blocking(ctx)
		w.expelled(ctx, first)
		before := w.entries()
		sweeper := w.newSweeper()
		Expect(sweeper.NeedLeaderElection()).To(BeTrue())
		ctx, stop := context.WithCancel(ctx)
		ended := make(chan error)
		go func() { ended <- sweeper.Start(ctx) }()
		Eventually(w.clock.HasWaiters).Should(BeTrue())
		Expect(w.entries()).To(Equal(before), "one read proves no claim")
		w.clock.Step(networkacl.SettleFor)
		Eventually(w.entries).Should(Equal(w.before))

		Eventually(w.clock.HasWaiters).Should(BeTrue())
		second := w.blocking(ctx)
		w.expelled(ctx, second)
		w.clock.Step(w.options.SweepInterval)
		Eventually(w.clock.HasWaiters).Should(BeTrue())
		w.clock.Step(networkacl.SettleFor)
		Eventually(w.entries).Should(Equal(w.before))
		stop()
		Expect(<-ended).To(Succeed())
	})
})

// stranded is an empty clone of a run.
func (w *world) stranded(o ownership.Ownership) string {
	GinkgoHelper()
	tags := o.Tags()
	tags[ownership.TagClone], tags[ownership.TagOriginal], tags[ownership.TagSubnet] = o.UID, aclID, subnetID
	home, _ := w.sim.Region().NetworkACL(aclID)
	made, err := w.sim.Region().CreateNetworkACL(home.VPCID, "", "", tags)
	Expect(err).NotTo(HaveOccurred())
	Expect(w.sim.Region().SetEntries(made.ID, region.AllowAll(100, true))).To(Succeed())
	return made.ID
}
