// SPDX-License-Identifier: Apache-2.0

package history

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
)

// What people do to objects. What the API server rejects did not happen.

func (p *play) create(op Op) {
	spec := v1alpha1.AgentDisconnectSpec{
		Cluster: cluster, SubnetID: Subnets[op.Subnet], Duration: metav1.Duration{Duration: op.For.d()},
		NetworkACLMode: v1alpha1.NetworkACLMode(op.Mode), OnDrift: v1alpha1.OnDrift(op.OnDrift), OtherClusters: v1alpha1.OtherClustersAllow,
	}
	if op.Probe {
		spec.Probe = &v1alpha1.Probe{TaskDefinition: taskFamily, Interval: &metav1.Duration{Duration: 10 * time.Second}}
	}
	if op.Stop {
		spec.StopConditions = []v1alpha1.StopCondition{{CloudWatchAlarm: alarmName}}
	}
	if op.Recover != 0 {
		spec.Callers = &v1alpha1.Callers{RecoverWithin: &metav1.Duration{Duration: op.Recover.d()}}
		if op.Require {
			spec.Callers.Require = v1alpha1.RequireRecovery
		}
	}
	if op.Start != 0 {
		spec.StartAfter = at(p.now().Add(op.Start.d()))
	}
	if op.Window != 0 {
		spec.StartDeadline = at(p.now().Add((op.Start + op.Window).d()))
	}
	if p.world.Create(p.ctx, op.Object, spec) == nil {
		p.manifests[op.Object] = spec
	}
}

func at(t time.Time) *metav1.Time { return new(metav1.NewTime(t.Truncate(time.Second))) }

// apply is what a tool does that keeps objects as a repository has them.
func (p *play) apply(op Op) {
	spec, known := p.manifests[op.Object]
	if !known {
		return
	}
	if _, there := p.object(op.Object); !there {
		_ = p.world.Create(p.ctx, op.Object, spec)
		return
	}
	p.change(op.Object, func(obj *v1alpha1.AgentDisconnect) { obj.Spec = *spec.DeepCopy() })
}

func (p *play) lengthen(op Op) {
	p.change(op.Object, func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Duration.Duration = op.For.d() })
}

func (p *play) suspend(op Op) {
	p.change(op.Object, func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Suspend = new(true) })
}

func (p *play) resume(op Op) {
	p.change(op.Object, func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Suspend = nil })
}

func (p *play) renew(op Op) {
	p.change(op.Object, func(obj *v1alpha1.AgentDisconnect) { obj.Spec.RunID, obj.Spec.StartDeadline = op.How, nil })
}

func (p *play) delete(op Op) {
	_ = p.world.Delete(p.ctx, op.Object)
}

// force takes the finalizer away, and the object with it where that was all that kept it. It is not done to a run whose tags
// a third party stripped: the two together destroy all that says whose the rules are.
func (p *play) force(op Op) {
	obj, there := p.object(op.Object)
	if !there || !p.claimed(obj) {
		return
	}
	if op.Gone {
		_ = p.world.Delete(p.ctx, op.Object)
	}
	p.change(op.Object, func(obj *v1alpha1.AgentDisconnect) { controllerutil.RemoveFinalizer(obj, v1alpha1.Finalizer) })
	p.forced[string(obj.UID)] = true
}

// claimed reports whether the tags cover whatever of a run is in AWS.
func (p *play) claimed(obj *v1alpha1.AgentDisconnect) bool {
	for _, found := range p.region.View(time.Time{}).NetworkACLs() {
		claims, _ := ownership.ParseClaims(found.Tags)
		mine := slices.IndexFunc(claims, func(c ownership.Claim) bool { return c.UID == string(obj.UID) })
		if clone, made := p.audit.Clone(found.ID); made && clone.UID == string(obj.UID) && (mine < 0 || found.Tags[ownership.TagClone] != clone.UID) {
			return false
		}
		for _, e := range found.Entries {
			if made, known := p.audit.Entry(found.ID, e); known && made.UID == string(obj.UID) && mine < 0 {
				return false
			}
		}
	}
	return true
}

func (p *play) dropCondition(op Op) {
	p.changeStatus(op.Object, func(obj *v1alpha1.AgentDisconnect) {
		if n := len(obj.Status.Conditions); n > 0 {
			obj.Status.Conditions = slices.Delete(obj.Status.Conditions, op.Pick%n, op.Pick%n+1)
		}
	})
}

// damageLedger makes a line one that no controller writes.
func (p *play) damageLedger(op Op) {
	p.changeStatus(op.Object, func(obj *v1alpha1.AgentDisconnect) {
		if n := len(obj.Status.Rules); n > 0 {
			line := &obj.Status.Rules[op.Pick%n]
			p.damages = append(p.damages, damage{obj.Name, line.DeepCopy()})
			line.CIDR = damagedCIDR
			p.damaged[string(obj.UID)] = true
		}
	})
}

// damagedCIDR is no address, and no range of any spec here.
const damagedCIDR = "10.0.0.0/8"

// damage is a line of a ledger as it was before it was damaged.
type damage struct {
	object string
	line   *v1alpha1.Rule
}

// repair puts a line back, as the object asks for.
func (p *play) repair(d damage) {
	p.changeStatus(d.object, func(obj *v1alpha1.AgentDisconnect) {
		for i, line := range obj.Status.Rules {
			if line.RuleNumber == d.line.RuleNumber && line.NetworkACLID == d.line.NetworkACLID && line.CIDR == damagedCIDR {
				obj.Status.Rules[i].CIDR = d.line.CIDR
			}
		}
	})
}

// object reads an object; there reports whether there is one of that name.
func (p *play) object(name string) (obj *v1alpha1.AgentDisconnect, there bool) {
	obj, err := p.world.Get(p.ctx, name)
	if err != nil {
		p.broken("reading %s: %w", name, err)
	}
	return obj, err == nil && obj != nil
}

// objects are all objects, by name.
func (p *play) objects() []v1alpha1.AgentDisconnect {
	var all v1alpha1.AgentDisconnectList
	if err := p.plane.Client.List(p.ctx, &all, client.InNamespace(p.world.Namespace)); err != nil {
		p.broken("listing objects: %w", err)
	}
	return all.Items
}

// lives reports whether there is an object with a UID.
func (p *play) lives(uid string) bool {
	return slices.ContainsFunc(p.objects(), func(obj v1alpha1.AgentDisconnect) bool { return string(obj.UID) == uid })
}

// change writes an object, on top of whatever the manager wrote. What the API server rejects, and what is about an object that
// isn't there, did not happen.
func (p *play) change(name string, change func(*v1alpha1.AgentDisconnect)) {
	_ = p.world.Edit(p.ctx, name, change)
}

func (p *play) changeStatus(name string, change func(*v1alpha1.AgentDisconnect)) {
	_ = p.world.EditStatus(p.ctx, name, change)
}

// cloneOf is the id of the clone that an object's run has; empty: none.
func (p *play) cloneOf(name string) string {
	obj, there := p.object(name)
	if !there || obj.Status.NetworkACL == nil || obj.Status.NetworkACL.Mode != v1alpha1.NetworkACLModeClone {
		return ""
	}
	return obj.Status.NetworkACL.ID
}
