// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/controllers/ratelimit"
	"agentdisconnect.dev/agentdisconnect/hack/audit"
	"agentdisconnect.dev/agentdisconnect/hack/chaos/rig"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// glance is how often the promises are looked at while time goes by, and stare how often where hours do.
const (
	glance = 10 * time.Second
	stare  = time.Minute
)

// play is one history that happens, in one of its accounts.
type play struct {
	*common

	// account is the account's id.
	account string
	world   *rig.World
	sim     *sim.Simulator
	region  *region.Region
	options options.Options
	model   *ThirdParties
	audit   *audit.Audit

	// What people did.
	manifests map[string]v1alpha1.AgentDisconnectSpec
	// forced and damaged are the runs, by UID, whose finalizer was removed, and whose ledger was damaged.
	forced, damaged map[string]bool
	damages         []damage

	// What third parties did to what is the product's, which is reverted in the end.
	edits    []cloneEdit
	stripped []strippedTag
	strays   map[string]string // the network ACLs that subnets had before a third party put them on a clone
	// meddledAt is when third parties last changed something about a network ACL, replacedAt when they last put an entry in the
	// place of a rule.
	meddledAt  map[string]time.Time
	replacedAt time.Time

	down      map[string]bool // subnets whose agents are stopped
	instances int             // how many container instances were added

	// What instants were looked at.
	overdue      map[string]time.Duration // for how long rules of a run act after its end, trouble not counted
	waitedBefore map[string]time.Duration // how much of it calls had waited for their turn before
	expires      map[string]time.Time     // when a run's end was last known to be
	fires        map[string]time.Time     // when the dead man's switch of a run fires, which is armed
	looked       time.Time
	told         map[string]string    // what the log says of each object
	deleted      map[string]time.Time // when objects were seen to be deleted while their runs looked at callers
	wasCalm      bool
	brakes       brakes
}

// common is what the accounts of a history have in common: its time, its managers, and what came of it.
type common struct {
	ctx   context.Context
	plane *rig.Plane
	// accounts are those in which the managers work: at first the one in which all histories happen.
	accounts []*play
	began    time.Time
	op       int
	hosts    [2][]netip.Addr
	// runsOf are the runs that there ever were, by UID.
	runsOf map[string]*play

	// byLimit is how much later than promised things may be since calls wait for their turn.
	byLimit time.Duration
	// wrong is by how much the clock of a manager was wrong at most.
	wrong time.Duration
	// troubled is until when something stands in the manager's way, staleUntil until when reads lag.
	troubled, staleUntil time.Time

	mu         sync.Mutex // of what follows, which taps and hooks use too
	armed      []*armed
	slept      map[int]bool // which managers, by their lives, froze
	kubeFaults []*kubeFault
	steps      int
	violations []Violation
	log        []string
	err        error
}

// newPlay makes the world: the simulator's default one, in which the third subnet has its owner's consent and an agent too.
func newPlay(ctx context.Context, plane *rig.Plane, h History) (*play, error) {
	c := &common{ctx: ctx, plane: plane, byLimit: limitExplains(h), slept: map[int]bool{}, runsOf: map[string]*play{}}
	p := c.addAccount()
	o := rig.Options{
		Tap: p.tap, Manager: paced, DeadMan: h.Armed, Spoke: h.Spoke, Limits: ratelimit.LimitsOf(h.Reads, h.Changes), Violated: p.asked,
	}
	if h.Spoke {
		o.InHub = c.addAccount().asked
	}
	world, err := plane.NewWorld(ctx, o)
	if err != nil {
		return nil, err
	}
	c.began = world.Clock.Now()
	for i, host := range world.Sim.World().Hosts {
		for _, address := range host.Addresses {
			c.hosts[i] = append(c.hosts[i], netip.MustParseAddr(address))
		}
	}
	err = p.enter(world)
	if h.Spoke {
		err = errors.Join(err, c.accounts[1].enter(world.Hub))
	}
	return p, err
}

func (c *common) addAccount() *play {
	p := &play{
		common: c, manifests: map[string]v1alpha1.AgentDisconnectSpec{}, forced: map[string]bool{}, damaged: map[string]bool{},
		strays: map[string]string{}, meddledAt: map[string]time.Time{}, down: map[string]bool{}, overdue: map[string]time.Duration{},
		waitedBefore: map[string]time.Duration{}, expires: map[string]time.Time{}, fires: map[string]time.Time{}, wasCalm: true,
		deleted: map[string]time.Time{}, brakes: newBrakes(),
	}
	c.accounts = append(c.accounts, p)
	return p
}

// enter makes an account as histories have it.
func (p *play) enter(world *rig.World) error {
	p.world, p.sim, p.region, p.options, p.audit = world, world.Sim, world.Sim.Region(), world.Options, world.Audit
	p.account, p.looked = p.sim.World().Account, p.now()
	_, err := p.region.AddContainerInstance(cluster, "", region.ContainerInstance{
		SubnetID: Subnets[plain], PrivateIP: netip.MustParseAddr("10.0.3.11"), AgentConnected: true,
	})
	err = errors.Join(err, p.region.CreateTags([]string{Subnets[plain]}, map[string]string{consentKey: "true"}))
	p.region.ForgetHistory()
	p.region.PutAlarm(region.Alarm{Name: alarmName})
	p.model = Found(p.region.View(time.Time{}))
	for _, action := range []string{"ec2:*NetworkAclEntry", "ec2:ReplaceNetworkAclAssociation"} {
		p.sim.Faults().After(action, func(call.Call) { p.mirror() })
	}
	return err
}

// in is the account in which an operation is done.
func (p *play) in(op Op) *play {
	if op.There && len(p.accounts) > 1 {
		return p.accounts[1]
	}
	return p.accounts[0]
}

// look holds each account against what is promised at every instant.
func (p *play) look() {
	for _, account := range p.accounts {
		account.mirror()
		account.instant()
	}
}

// paced is how often the manager looks: as often as in production, or nearly so.
func paced(o *options.Options) {
	o.FISSafetyLever = true
	o.AgentPollInterval, o.ACLPollInterval, o.LookupInterval = 30*time.Second, 30*time.Second, 30*time.Second
}

// close ends the world.
func (p *play) close() {
	for _, account := range p.accounts {
		account.sim.Faults().Clear()
	}
	if err := p.world.Close(context.WithoutCancel(p.ctx)); err != nil {
		p.broken("closing the world: %w", err)
	}
}

func (p *play) now() time.Time { return p.world.Clock.Now() }

// pass lets time go by, and looks at the promises again and again.
func (p *play) pass(d time.Duration) {
	for end := p.now().Add(d); p.now().Before(end) && !p.failed(); {
		left, step := end.Sub(p.now()), glance
		if left > 20*time.Minute || p.calmFor() > 10*time.Minute {
			step = stare
		}
		if err := p.world.Run(p.ctx, min(step, left)); err != nil {
			p.broken("the simulation made no progress: %w", err)
		}
		p.look()
	}
}

// obstruct notes that something stands in the manager's way until then.
func (p *play) obstruct(until time.Time) { p.troubled = latest(p.troubled, latest(until, p.now())) }

// calm reports whether nothing stands in the manager's way.
func (p *play) calm() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.now().Before(p.troubled)
}

func (p *play) calmFor() time.Duration { return p.now().Sub(p.troubled) }

// stale reports whether reads may show what was before the last write of a third party.
func (p *play) stale() bool { return p.now().Before(p.staleUntil) }

// after has something done at a time of the world.
func (p *play) after(at time.Time, do func()) { p.world.At(max(at.Sub(p.now()), 0), do) }

// calmDown ends all trouble.
func (p *play) calmDown() {
	p.mu.Lock()
	p.armed, p.kubeFaults = nil, nil
	p.mu.Unlock()
	for _, account := range p.accounts {
		account.sim.Faults().Clear()
	}
	p.world.Thaw()
	if p.world.Skew != 0 {
		p.world.Skew = 0
		p.world.Kill()
	}
	p.world.Boot(0)
	p.troubled, p.staleUntil = p.now(), time.Time{}
	for _, account := range p.accounts {
		clear(account.down)
		account.releaseBrakes()
		account.mirror()
	}
}

// asked notes what was asked of AWS that should not have been: what is promised whatever users and third parties do.
func (p *play) asked(promise audit.Promise, text string) {
	if promise == audit.Foreign || promise == audit.Unclaimed {
		p.violated(string(promise), "%s", text)
	}
}

// checkPace notes what the driver itself found wrong.
func (p *play) checkPace() {
	wrong, err := p.world.Wrong(p.ctx)
	if err != nil {
		p.broken("looking back: %w", err)
	}
	for _, strange := range wrong.Strange {
		p.violated("strange", "%s", strange)
	}
}
