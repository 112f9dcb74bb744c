// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/original"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// ObserveTimeout bounds what a pass spends on looking. With AWS or the DNS not answering, a pass
// that took longer would hold up the ends of other runs.
const ObserveTimeout = 10 * time.Second

// Learned is what the passes of this process learned of one object's target. It saves calls and
// tells two answers in a row from one; a restart loses it and costs the calls. Several packages add
// to it, by methods of the values: only the packages of their types write to their fields.
type Learned struct {
	// History is what was learned of agents and hosts.
	History discovery.History
	// Original are the reads of the network ACL that a clone is a copy of.
	Original original.Reads
	// Cache has the answers of AWS about the target.
	Cache answers.Cache
}

// Pass is one pass over one object.
type Pass struct {
	*Manager
	*Learned

	// Object is the object; its status is what the pass will have written at its end.
	Object *v1alpha1.AgentDisconnect
	// First is the status as it was when the pass began.
	First v1alpha1.AgentDisconnectStatus
	// Now is the time of the pass.
	Now time.Time
	// Ledger writes the object. Nil: the pass drafts a plan, and writes nothing.
	Ledger *ledger.Ledger
	// Clients reach the Region of the run. Nil: it is not known yet.
	Clients *aws.Clients
	// Phase is where the object is in its life.
	Phase run.Phase
	// Quota is that of entries, for what the pass plans.
	Quota answers.EntryQuota

	// fence is what changes in AWS rest on: that the object is still as it is here.
	fence aws.Fence
}

// Begin begins a pass over an object, as the API server had it at the time asked or later. learned
// is what earlier passes learned for it.
func (m *Manager) Begin(obj *v1alpha1.AgentDisconnect, asked time.Time, learned *Learned) *Pass {
	p := &Pass{Manager: m, Learned: learned, Object: obj, First: *obj.Status.DeepCopy(), Now: m.Clock.Now()}
	p.UpdatePhase(p.Now)
	p.Ledger = m.Store.Open(obj, asked, ledger.Hooks{
		Creates: func() bool { return p.Phase == run.Active },
		Retaken: func() { p.UpdatePhase(m.Clock.Now()) },
	})
	p.fence = p.Ledger.Fence
	return p
}

// Draft is a pass over a copy of the object without a run, to plan one. It writes nothing.
func (p *Pass) Draft(learned *Learned) *Pass {
	draft := *p
	draft.Learned, draft.Ledger, draft.Clients, draft.Phase = learned, nil, nil, run.Pending
	draft.Object = p.Object.DeepCopy()
	draft.Object.Status = v1alpha1.AgentDisconnectStatus{}
	draft.First = v1alpha1.AgentDisconnectStatus{}
	return &draft
}

// StartOver has the pass go on as if nothing had been learned of the target.
func (p *Pass) StartOver(learned *Learned) { p.Learned = learned }

// IsDraft reports whether the pass only drafts a plan.
func (p *Pass) IsDraft() bool { return p.Ledger == nil }

// Status is the object's status.
func (p *Pass) Status() *v1alpha1.AgentDisconnectStatus { return &p.Object.Status }

// UpdatePhase takes the phase that the object has at a time, after a change of the object.
func (p *Pass) UpdatePhase(at time.Time) { p.Phase, _ = run.PhaseAt(p.Object, at) }

// UseRegion has the pass work in a Region, with the role of the object's namespace.
func (p *Pass) UseRegion(region string) {
	p.Clients = p.Sessions.As(p.Options.RoleOf(p.Object.Namespace), region)
}

// Fenced are the clients for changes that rest on the object being as the pass knows it, and on
// further checks.
func (p *Pass) Fenced(checks ...aws.Fence) aws.Fenced {
	return p.Clients.Fenced(p.fence, checks...)
}

// AsOf is the time that answers are of: that of the pass, or that of an earlier request which they
// were given to.
func (p *Pass) AsOf(reads aws.Polled) time.Time {
	if at := reads.SentAt(); !at.IsZero() && at.Before(p.Now) {
		return at
	}
	return p.Now
}

// IsCloned reports whether the run's rules are on a clone.
func (p *Pass) IsCloned() bool { return run.IsCloned(p.Status()) }

// Within bounds a context by the end of a run that is on; over says that it is past already.
func (p *Pass) Within(ctx context.Context) (bounded context.Context, cancel context.CancelFunc, over bool) {
	if p.Phase != run.Active {
		return ctx, func() {}, false
	}
	left := run.Expiration(p.Status()).Sub(p.Clock.Now())
	bounded, cancel = context.WithTimeout(ctx, max(left, 0))
	return bounded, cancel, left <= 0
}

// VerifyAccount gets the clients of the run's Region, and makes sure that they are of the run's
// account: that something isn't found says nothing in another one.
func (p *Pass) VerifyAccount(ctx context.Context) error {
	recorded := p.Status().Target
	if recorded == nil || p.Status().NetworkACL == nil {
		return problem.Refuse(v1alpha1.ReasonLedgerInvalid, "status.target or status.networkACL was removed: the run can't be undone without it. Restore it (kubectl edit --subresource=status)")
	}

	p.UseRegion(recorded.Region)
	account, err := p.Clients.AccountID(ctx, p.Now)
	switch {
	case err == nil && account == recorded.AccountID:
		return nil
	case err == nil, p.Clients.Role.Forbidden:
		return p.explainWrongAccount(account)
	}
	return err
}

// explainWrongAccount says how a run that has begun gets to work in its account again.
func (p *Pass) explainWrongAccount(account string) error {
	recorded, role := p.Status().Target, p.Clients.Role
	now := fmt.Sprintf("the manager's credentials are of account %s", account)
	switch {
	case role.Forbidden:
		now = fmt.Sprintf("namespace %s has no role and may not use the manager's own credentials (--require-namespace-role)", role.Namespace)
	case !role.IsOwn():
		now = fmt.Sprintf("namespace %s now has role %s (--namespace-role)", role.Namespace, role.ARN)
	}

	fix := fmt.Sprintf("restore the manager's role in account %s", recorded.AccountID)
	switch {
	case recorded.RoleARN != "":
		fix = fmt.Sprintf("give the namespace the role with which the run began until the run is over: --namespace-role=%s=%s", p.Object.Namespace, recorded.RoleARN)
	case !role.IsOwn():
		fix = "the run began with the manager's own credentials: have the namespace use them (--namespace-role, --require-namespace-role) until the run is over"
	}
	return problem.Refuse(v1alpha1.ReasonWrongAccount, "the run works in account %s, and %s: %s", recorded.AccountID, now, fix)
}

// LearnQuota learns the quota of entries, by which the pass then goes. An answer that is not
// older than maxAge does.
func (p *Pass) LearnQuota(ctx context.Context, maxAge time.Duration) (err error) {
	p.Quota, err = p.Quotas.Learn(ctx, p.Clients, p.Options.EntryQuota, p.Now, maxAge)
	return err
}

// Abort ends the run before its time. The first reason stays.
func (p *Pass) Abort(reason, format string, args ...any) {
	if p.Status().Abort == nil {
		const most = 1024 // as the API bounds it
		p.Status().Abort = &v1alpha1.Abort{Reason: reason, Message: aws.Truncate(fmt.Sprintf(format, args...), most), Time: *run.Stamp(p.Now)}
	}
}

// Ownership is what the tags on the network ACL are to say of the run, for the day when the cluster
// is lost.
func (p *Pass) Ownership(rules []v1alpha1.Rule) ownership.Ownership {
	return ownership.Ownership{
		UID: string(p.Object.UID), Owner: run.Name(p.Object), ClusterID: p.Options.ClusterID,
		Started: ptr.Deref(p.Status().StartTime, metav1.Time{}).Time, Expires: run.Expiration(p.Status()), Rules: rules,
	}
}
