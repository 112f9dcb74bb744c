// SPDX-License-Identifier: Apache-2.0

package points

import (
	"context"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/chaos/rig"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// What the simulator's default world has.
const (
	cluster = world.DefaultCluster
	// taskFamily is that of the task definition there.
	taskFamily = "demo"
	// aloneSubnet has aloneACL to itself; sharedSubnet shares sharedACL with another one, and with another cluster.
	aloneSubnet, aloneACL   = world.DedicatedSubnet, world.DedicatedACL
	sharedSubnet, sharedACL = world.SharedSubnet, world.SharedACL

	object = "run"
	// short is a run that nothing happens in; long has room for drift to be seen and repaired.
	short, long = 3 * time.Minute, 9 * time.Minute
	// recoverWithin is how long callers may take to recover.
	recoverWithin = 6 * time.Minute
	// patience is how long a scenario waits for what a fault may hold up, or keep from happening at all.
	patience = 12 * time.Minute
	// settling is how long a run may take to be over after all is said: its end, waiting for unanswered creations, and for
	// agents; and afterwards long enough for a sweep, and for the one that confirms it.
	settling, afterLife = time.Hour, 13 * time.Minute
)

// Scenario is a history of an object, as its user and third parties make it.
type Scenario struct {
	// Name is the mode and what happens, such as clone.suspend.
	Name string
	// spoke has the managers assume a role of another account.
	spoke bool
	// deadMan gives the managers a dead man's switch.
	deadMan bool
	// during are actions; at the first call of one of them, meanwhile is done, in the middle of a pass.
	during    []string
	meanwhile func(*play) error
	// script is what is done to the world, up to where there is nothing left to do but wait.
	script func(*play) error
	// subnet is what the object is about.
	subnet string
	clone  bool
	// probe: the run has a probe.
	probe bool
	// callers: the run looks at its callers, and fails if one does not recover.
	callers bool
}

// play is a scenario that is on.
type play struct {
	ctx      context.Context
	w        *rig.World
	scenario Scenario
	// own is how many steps there were when the scenario began to be another one than a run that nothing happens to.
	own int
	// struck says that the fault took place, done that what the scenario does meanwhile was.
	struck, done bool
}

func (p *play) spec(d time.Duration) v1alpha1.AgentDisconnectSpec {
	spec := v1alpha1.AgentDisconnectSpec{
		Cluster: cluster, SubnetID: p.scenario.subnet, Duration: metav1.Duration{Duration: d}, NetworkACLMode: v1alpha1.NetworkACLModeInPlace,
	}
	if p.scenario.clone {
		spec.NetworkACLMode = v1alpha1.NetworkACLModeClone
	}
	if p.scenario.probe {
		spec.Probe = &v1alpha1.Probe{TaskDefinition: taskFamily, Interval: &metav1.Duration{Duration: 10 * time.Second}}
	}
	if p.scenario.callers {
		spec.Callers = &v1alpha1.Callers{RecoverWithin: &metav1.Duration{Duration: recoverWithin}, Require: v1alpha1.RequireRecovery}
	}
	if p.scenario.subnet == sharedSubnet {
		spec.OtherClusters = v1alpha1.OtherClustersAllow
	}
	return spec
}

func (p *play) create(d time.Duration) error { return p.w.Create(p.ctx, object, p.spec(d)) }

func (p *play) delete() error {
	p.begin()
	return p.w.Delete(p.ctx, object)
}

// begin notes that from here on the scenario is one of its own.
func (p *play) begin() {
	if p.own == 0 {
		p.own = len(p.w.Records())
	}
}

func (p *play) edit(change func(*v1alpha1.AgentDisconnectSpec)) error {
	p.begin()
	return p.w.Edit(p.ctx, object, func(obj *v1alpha1.AgentDisconnect) { change(&obj.Spec) })
}

func (p *play) run(d time.Duration) error { return p.w.Run(p.ctx, d) }

// until waits for something, and goes on all the same where a fault keeps it from happening.
func (p *play) until(is func() bool) error {
	_, err := p.w.Until(p.ctx, patience, is)
	return err
}

// blocking waits until the rules act on the subnet, and the status says so.
func (p *play) blocking() error {
	return p.until(func() bool { return p.w.Blocked(p.scenario.subnet) && p.state() == v1alpha1.StateBlocking })
}

// over waits until the run is.
func (p *play) over() error { return p.until(p.w.Settled) }

// state is the STATE column, as it was last written.
func (p *play) state() string {
	i := slices.IndexFunc(p.seen().Status.Conditions, func(c metav1.Condition) bool { return c.Type == v1alpha1.ConditionSucceeded })
	if i < 0 {
		return ""
	}
	return p.seen().Status.Conditions[i].Reason
}

func (p *play) seen() *v1alpha1.AgentDisconnect { return p.w.Seen(object) }

// serving is the network ACL that has the run's rules and that the subnet has; empty: there is none.
func (p *play) serving() string {
	acl := p.seen().Status.NetworkACL
	if acl == nil {
		return ""
	}
	if has, _ := p.w.Sim.Region().SubnetACL(p.scenario.subnet); has.ID != acl.ID {
		return ""
	}
	return acl.ID
}

// steps does one thing after the other.
func steps(all ...func(*play) error) func(*play) error {
	return func(p *play) error {
		for _, do := range all {
			if err := do(p); err != nil {
				return err
			}
		}
		return nil
	}
}

func creating(d time.Duration) func(*play) error { return func(p *play) error { return p.create(d) } }

func passing(d time.Duration) func(*play) error { return func(p *play) error { return p.run(d) } }

func editing(change func(*v1alpha1.AgentDisconnectSpec)) func(*play) error {
	return func(p *play) error { return p.edit(change) }
}

// refusingRole has the role of the namespace refused for a time, to a manager that has just started.
func refusingRole(d time.Duration) func(*play) error {
	return func(p *play) error {
		p.w.RefuseRole(d)
		p.w.Kill()
		p.w.Boot(0)
		return nil
	}
}

func enduring(d time.Duration) func(*play) error {
	return editing(func(spec *v1alpha1.AgentDisconnectSpec) { spec.Duration.Duration = d })
}
