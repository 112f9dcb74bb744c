// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/hack/policies"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	simworld "agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const (
	spokeAccount = "222222222222"
	spokeRole    = "arn:aws:iam::" + spokeAccount + ":role/agentdisconnect"
	secondRole   = "arn:aws:iam::" + spokeAccount + ":role/second"

	elsewhereAccount = "333333333333"
	elsewhereRole    = "arn:aws:iam::" + elsewhereAccount + ":role/agentdisconnect"
)

// accounts are two accounts with the same ids in one Region, and one manager: the hub's, whose
// credentials it has, and a spoke, in which it works for the spoke's namespace.
type accounts struct{ hub, spoke *world }

func newAccounts(ctx context.Context) *accounts {
	GinkgoHelper()
	hub := newWorld(ctx, func(o *sim.Options) {
		bindPolicies(o)
		for _, role := range []string{spokeRole, secondRole, elsewhereRole} {
			documents, err := policies.For(o.World, policies.Values{SpokeRole: role}, policies.Hub)
			Expect(err).NotTo(HaveOccurred())
			o.World.AccessKeys[0].Policies = append(o.World.AccessKeys[0].Policies, documents...)
		}
	})

	there := simworld.Default()
	there.Account = spokeAccount
	simulator, err := sim.Start(context.WithoutCancel(ctx), sim.Options{World: there, NoAgents: true, DenyAbsent: true})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(simulator.Close)
	hub.sim.Join(simulator)

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	Expect(kube.Create(ctx, namespace)).To(Succeed())
	spoke := &world{sim: simulator, clock: hub.clock, namespace: namespace.Name}
	spoke.before = spoke.entries()
	DeferCleanup(spoke.forget)

	a := &accounts{hub, spoke}
	a.admit(options.DefaultExternalID(spoke.namespace))
	a.give(options.NamespaceRole{Namespace: spoke.namespace, ARN: spokeRole, ExternalID: options.DefaultExternalID(spoke.namespace)})
	return a
}

// admit has the role's trust policy ask for an external id.
func (a *accounts) admit(externalID string) {
	GinkgoHelper()
	role, err := policies.Spoke(a.spoke.sim.World(), a.values(externalID), policies.Manager, policies.Deadman)
	Expect(err).NotTo(HaveOccurred())
	a.spoke.sim.Roles().Put(role)
}

// give restarts the manager with these roles of namespaces.
func (a *accounts) give(roles ...options.NamespaceRole) {
	a.hub.options.NamespaceRoles = roles
	a.restart()
}

func (a *accounts) restart() {
	a.hub.restart()
	a.spoke.options, a.spoke.events = a.hub.options, a.hub.events
	a.spoke.sessions, a.spoke.reader, a.spoke.reconciler = a.hub.sessions, a.hub.reader, a.hub.reconciler
}

// addElsewhere adds an account with a role that admits the spoke's namespace too.
func (a *accounts) addElsewhere(ctx context.Context) {
	GinkgoHelper()
	there := simworld.Default()
	there.Account = elsewhereAccount
	simulator, err := sim.Start(context.WithoutCancel(ctx), sim.Options{World: there, NoAgents: true})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(simulator.Close)
	a.hub.sim.Join(simulator)
	v := a.values("elsewhere")
	v.SpokeRole = elsewhereRole
	role, err := policies.Spoke(there, v, policies.Manager)
	Expect(err).NotTo(HaveOccurred())
	simulator.Roles().Put(role)
}

// values are what the documents of config/iam say of the manager and the spoke's namespace.
func (a *accounts) values(externalID string) policies.Values {
	v := shippedFor
	v.HubRole, v.SpokeRole, v.ExternalID = a.hub.sim.World().Keys()[0].ARN, spokeRole, externalID
	v.Namespace, v.KubeSystemUID = a.spoke.namespace, a.hub.options.ClusterID
	return v
}

var _ = Describe("Several accounts", func() {
	It("refuses a run whose target is in the account of another namespace", func(ctx context.Context) {
		a := newAccounts(ctx)
		in := func(account string) func(*v1alpha1.AgentDisconnect) {
			return func(obj *v1alpha1.AgentDisconnect) {
				obj.Spec.Cluster = "arn:aws:ecs:ap-northeast-1:" + account + ":cluster/" + clusterName
			}
		}
		here, there := a.hub.create(ctx, in(spokeAccount)), a.spoke.create(ctx, in(simworld.DefaultAccount))
		a.hub.run(ctx, time.Minute, here, there)
		for w, obj := range map[*world]*v1alpha1.AgentDisconnect{a.hub: here, a.spoke: there} {
			Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled)).To(HaveField("Reason", v1alpha1.ReasonWrongAccount))
			Expect(w.writes()).To(BeEmpty())
			w.expectRestored()
		}
	})

	DescribeTable("takes no answer of one account for another's", func(ctx context.Context, change func(*world), reason string) {
		a := newAccounts(ctx)
		change(a.spoke)
		here, there := a.hub.create(ctx), a.spoke.create(ctx)
		a.hub.run(ctx, 30*time.Second, there, here) // the spoke's answers come first
		Expect(a.spoke.get(ctx, there).Status.Reason).To(Equal(reason), "%s", describe(a.spoke.get(ctx, there)))
		Expect(a.hub.state(ctx, here)).To(Equal(v1alpha1.StateBlocking), "%s", describe(a.hub.get(ctx, here)))
		a.spoke.expectRestored()
	},
		Entry("about other clusters", func(w *world) { w.register("other", subnetID) }, v1alpha1.ReasonOtherClusters),
		Entry("about its quota", func(w *world) { Expect(w.sim.Region().SetQuota(region.QuotaEntries, 4)).To(Succeed()) }, v1alpha1.ReasonQuotaExceeded),
		Entry("about a Region that does not answer", func(w *world) {
			w.sim.Faults().Add(faults.Fault{Action: "ec2:*", Error: "InternalError"})
		}, v1alpha1.ReasonAWSUnavailable),
	)

	It("refuses the runs of a namespace alone whose role can't be assumed, until its trust policy is right", func(ctx context.Context) {
		a := newAccounts(ctx)
		a.admit("another")
		here, there := a.hub.create(ctx), a.spoke.create(ctx)
		a.hub.run(ctx, 20*time.Second, here, there)
		Expect(a.hub.state(ctx, here)).To(Equal(v1alpha1.StateBlocking))
		Expect(condition(a.spoke.get(ctx, there), v1alpha1.ConditionStalled)).To(And(
			HaveField("Reason", v1alpha1.ReasonNoCredentials), HaveField("Message", And(
				HavePrefix("the manager could not assume role %s for namespace %s with external id agentdisconnect/%s: AccessDenied: ", spokeRole, a.spoke.namespace, a.spoke.namespace),
				ContainSubstring("Correct the trust policy of the role (config/iam/trust-spoke.json)")))))
		Expect(a.spoke.sim.Calls()).To(BeEmpty())

		a.admit(options.DefaultExternalID(a.spoke.namespace))
		a.hub.run(ctx, 3*time.Minute, here, there)
		Expect(a.spoke.state(ctx, there)).To(Equal(v1alpha1.StateBlocking), "%s", describe(a.spoke.get(ctx, there)))
	})

	It("ends the runs of other namespaces on time while a role can't be assumed, and its own once it can", func(ctx context.Context) {
		a := newAccounts(ctx)
		here, there := a.hub.create(ctx), a.spoke.create(ctx)
		a.hub.run(ctx, 20*time.Second, here, there)
		Expect(a.spoke.state(ctx, there)).To(Equal(v1alpha1.StateBlocking))

		a.admit("another")
		a.restart() // else the credentials would last for the run
		a.hub.run(ctx, 11*time.Minute, here, there)
		a.hub.expectRestored()
		Expect(a.spoke.denies(aclID)).To(HaveLen(6))
		Expect(condition(a.spoke.get(ctx, there), v1alpha1.ConditionStalled)).To(HaveField("Reason", v1alpha1.ReasonNoCredentials))

		a.admit(options.DefaultExternalID(a.spoke.namespace))
		a.hub.run(ctx, 2*time.Minute, there)
		a.spoke.expectRestored()
	})

	DescribeTable("says which role ends a run whose mapping changed, and ends it with that", func(ctx context.Context, change func(*accounts)) {
		a := newAccounts(ctx)
		a.addElsewhere(ctx)
		mapped := a.hub.options.NamespaceRoles
		there := a.spoke.blocking(ctx)
		change(a)
		a.hub.run(ctx, 12*time.Minute, there)
		Expect(condition(a.spoke.get(ctx, there), v1alpha1.ConditionStalled)).To(And(
			HaveField("Reason", v1alpha1.ReasonWrongAccount), HaveField("Message", And(
				HavePrefix("the run works in account %s, and ", spokeAccount),
				ContainSubstring("give the namespace the role with which the run began until the run is over: --namespace-role=%s=%s", a.spoke.namespace, spokeRole)))))
		Expect(a.spoke.denies(aclID)).To(HaveLen(6))
		Expect(a.hub.newSweeper().Sweep(ctx)).To(MatchError(ContainSubstring("give namespace %s role %s (--namespace-role)", a.spoke.namespace, spokeRole)))

		a.hub.options.RequireNamespaceRole = false
		a.give(mapped...)
		a.hub.run(ctx, 2*time.Minute, there)
		a.spoke.expectRestored()
		a.hub.expectRestored()
	},
		Entry("removed", func(a *accounts) { a.give() }),
		Entry("removed, and none is allowed", func(a *accounts) { a.hub.options.RequireNamespaceRole = true; a.give() }),
		Entry("one of another account by now", func(a *accounts) {
			a.give(options.NamespaceRole{Namespace: a.spoke.namespace, ARN: elsewhereRole, ExternalID: "elsewhere"})
		}),
	)

	It("goes on with another role of the same account", func(ctx context.Context) {
		a := newAccounts(ctx)
		there := a.spoke.blocking(ctx)
		v := a.values("second")
		v.SpokeRole = secondRole
		role, err := policies.Spoke(a.spoke.sim.World(), v, policies.Manager)
		Expect(err).NotTo(HaveOccurred())
		a.spoke.sim.Roles().Put(role)
		a.spoke.sim.Roles().Remove(spokeRole)
		a.give(options.NamespaceRole{Namespace: a.spoke.namespace, ARN: secondRole, ExternalID: "second"})
		a.hub.run(ctx, 11*time.Minute, there)
		a.spoke.expectRestored()
		Expect(a.spoke.get(ctx, there).Status.Target.RoleARN).To(Equal(spokeRole), "the one with which it began")
	})

	It("refuses namespaces without a role where each needs one", func(ctx context.Context) {
		a := newAccounts(ctx)
		a.hub.options.RequireNamespaceRole = true
		a.restart()
		here, there := a.hub.create(ctx), a.spoke.create(ctx)
		a.hub.run(ctx, 20*time.Second, here, there)
		Expect(condition(a.hub.get(ctx, here), v1alpha1.ConditionStalled)).To(And(HaveField("Reason", v1alpha1.ReasonNoRole),
			HaveField("Message", HavePrefix("namespace %s has no role", a.hub.namespace))))
		Expect(a.spoke.state(ctx, there)).To(Equal(v1alpha1.StateBlocking))
		Expect(slices.DeleteFunc(a.hub.sim.Calls(), func(c sim.Call) bool { return c.Name() == "sts:AssumeRole" })).To(BeEmpty())
	})

	It("sweeps what is left in each account, and others while a role can't be assumed", func(ctx context.Context) {
		a := newAccounts(ctx)
		here, there := a.hub.create(ctx), a.spoke.create(ctx)
		a.hub.run(ctx, 20*time.Second, here, there)
		a.spoke.expelled(ctx, there)
		a.hub.expelled(ctx, here)

		a.admit("another")
		a.restart()
		s := a.hub.newSweeper()
		var waits []time.Duration
		for range 5 {
			Expect(s.Sweep(ctx)).To(MatchError(ContainSubstring("searching Region ap-northeast-1 with the role of namespace %s: ", a.spoke.namespace)))
			waits = append(waits, s.Wait())
			a.hub.clock.Step(networkacl.SettleFor)
		}
		Expect(waits).To(Equal([]time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, a.hub.options.SweepInterval}))
		a.hub.expectRestored()
		Expect(a.spoke.denies(aclID)).To(HaveLen(6))

		a.admit(options.DefaultExternalID(a.spoke.namespace))
		a.hub.swept(ctx, s)
		a.spoke.expectRestored()
		Expect(s.Wait()).To(Equal(a.hub.options.SweepInterval))
	})

	It("undoes what is left with the role of the owner's namespace, where several reach the account", func(ctx context.Context) {
		a := newAccounts(ctx)
		v := a.values("second")
		v.SpokeRole, v.Namespace = secondRole, "aaa" // it looks first
		reader, err := policies.Spoke(a.spoke.sim.World(), v, policies.Manager)
		Expect(err).NotTo(HaveOccurred())
		reader.Allow = []string{"ec2:Describe*", "ecs:*"}
		a.spoke.sim.Roles().Put(reader)
		a.give(options.NamespaceRole{Namespace: v.Namespace, ARN: secondRole, ExternalID: v.ExternalID}, a.hub.options.NamespaceRoles[0])
		a.spoke.expelled(ctx, a.spoke.blocking(ctx))
		a.hub.swept(ctx, a.hub.newSweeper())
		a.spoke.expectRestored()
	})

	It("arms the dead man's switch of the role's account, and no other", func(ctx context.Context) {
		a := newAccounts(ctx)
		a.hub.options.DeadManRoleARN, a.hub.options.DeadManScheduleGroup = switchRole, switchGroup
		a.restart()
		there := a.spoke.blocking(ctx, cloning)
		Expect(a.spoke.get(ctx, there).Status.NetworkACL.DeadManSwitch.State).To(Equal(v1alpha1.SwitchNotConfigured))
		a.spoke.finish(ctx, there, time.Hour)
		a.spoke.expectRestored()

		Expect(a.spoke.sim.Region().CreateScheduleGroup("", "", switchGroup, nil)).To(Succeed())
		role, err := policies.SwitchRole(a.spoke.sim.World(), shippedFor)
		Expect(err).NotTo(HaveOccurred())
		a.spoke.sim.Roles().Put(role)
		mapped := a.hub.options.NamespaceRoles[0]
		mapped.DeadManRoleARN, mapped.DeadManScheduleGroup = role.ARN, switchGroup
		a.give(mapped)
		a.spoke.setAgents(true)
		there = a.spoke.blocking(ctx, cloning)
		Expect(a.spoke.get(ctx, there).Status.NetworkACL.DeadManSwitch.State).To(Equal(v1alpha1.SwitchArmed))
		Expect(a.spoke.schedules()).To(Equal(armedFor(a.spoke.get(ctx, there))))
		for _, s := range a.spoke.sim.Region().Schedules() {
			Expect(s.Target.RoleARN).To(Equal(role.ARN))
		}
		a.spoke.finish(ctx, there, time.Hour)
		Expect(a.spoke.schedules()).To(BeEmpty())
		a.spoke.expectRestored()
		Expect(a.hub.writes()).To(BeEmpty())
	})

	It("runs side by side in two accounts that have the same ids", func(ctx context.Context) {
		a := newAccounts(ctx)
		a.hub.follow()
		a.spoke.follow()
		here, there := a.hub.create(ctx), a.spoke.create(ctx)
		a.hub.run(ctx, 20*time.Second, here, there)
		for w, obj := range map[*world]*v1alpha1.AgentDisconnect{a.hub: here, a.spoke: there} {
			Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), "%s", describe(w.get(ctx, obj)))
			Expect(w.denies(aclID)).To(HaveLen(6))
			Expect(w.tagsOf(obj)).NotTo(BeEmpty())
		}
		Expect(a.hub.get(ctx, here).Status.Target).To(HaveField("RoleARN", BeEmpty()))
		Expect(a.spoke.get(ctx, there).Status.Target).To(And(HaveField("AccountID", spokeAccount), HaveField("RoleARN", spokeRole)))

		a.restart()
		a.hub.run(ctx, 15*time.Minute, here, there)
		for w, obj := range map[*world]*v1alpha1.AgentDisconnect{a.hub: here, a.spoke: there} {
			w.setAgents(true)
			w.run(ctx, 5*time.Minute, obj)
			Expect(w.get(ctx, obj).Status.CompletionTime).NotTo(BeNil(), "%s", describe(w.get(ctx, obj)))
			w.expectRestored()
		}
	})
})
