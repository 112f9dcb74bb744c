// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/controllers/ratelimit"
	"agentdisconnect.dev/agentdisconnect/hack/audit"
	"agentdisconnect.dev/agentdisconnect/hack/policies"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	simworld "agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// ClusterID is what all worlds' managers call their Kubernetes cluster.
const ClusterID = "6f1d2c3b-4a59-4687-9b1c-0d2e3f4a5b6c"

// Options say what a world has. The zero value is the simulator's default world.
type Options struct {
	// World is what there is in the Region at the start; nil: the simulator's default world.
	World *simworld.World
	// Manager changes the options of all managers of the world; nil: as few calls as the options allow.
	Manager func(*options.Options)
	// DeadMan gives the managers a dead man's switch: a role, and a group for its schedules.
	DeadMan bool
	// Limits are those of the managers' calls; the zero value is none. They go by the world's clock.
	Limits ratelimit.Limits
	// Spoke has the managers' own credentials be of another account, which has the same ids: they assume a role in the
	// Region's account for the namespace.
	Spoke bool
	// InHub, where Spoke is set, has the managers work in their own account too, for a namespace of its own: see World.Hub. It
	// is told of each promise that the audit finds broken there.
	InHub func(audit.Promise, string)
	// Tap sees each step of all managers; nil: all pass.
	Tap Tap
	// Violated, if set, is told of each promise that the audit finds broken, as Wrong is.
	Violated func(audit.Promise, string)
}

// World is one namespace, Region, clock and manager. Its methods are for one goroutine, but for what a Tap may call: At,
// Hamper, KubeDown, EditAsThirdParty, Meddle, Create, Edit, Crowd, CredentialsDown, WatchTraffic, Complain, and the
// reading of Clock.
type World struct {
	// Sim is the Region. Edit it by EditAsThirdParty or Meddle.
	Sim *sim.Simulator
	// Clock is the time of everyone in the world. Run sets it forward.
	Clock *clocktesting.FakeClock
	// Namespace has the world's objects.
	Namespace string
	// Options are those of managers that boot from now on.
	Options options.Options
	// Skew is by how much the clocks of managers that boot from now on are ahead of everyone else's.
	Skew time.Duration
	// Audit watches what the managers ask of the Region.
	Audit *audit.Audit
	// Adjust, if set, changes what the Region is expected to be in the end.
	Adjust func(expected Snapshot)
	// MayAdopt says that a clone may stay as its subnet's network ACL, since its original was deleted.
	MayAdopt bool

	// Hub is the managers' own account, where they work there too: its Region, its third parties and the objects of its
	// namespace. Its clock and managers are those of the world; nil: no run works there.
	Hub *World

	host      *World // the world whose hub it is; nil: it is a world of its own
	plane     *Plane
	limits    ratelimit.Limits
	hub       *sim.Simulator // the managers' own account; nil: it is the Region's
	region    *region.Region
	faults    *faults.Set
	config    awssdk.Config
	tap       Tap
	tapping   sync.Mutex // one step at a time is told
	untouched *region.Region
	following sync.Mutex
	stopped   map[string]bool // agents that are off, by ARN

	mu       sync.Mutex
	counts   map[string]int // of the steps' names
	marks    int
	records  []*Record
	runs     []*run
	timers   []timer
	downTill time.Time // the API server is gone until then
	hampered time.Time
	waited   time.Duration
	goneAt   time.Time // the real time of the write after which nothing of the product was left
	strange  []string  // what the driver itself found wrong
	calls    []Call    // those of callers, in the order of time
	untruths []Untruth
	// skewed says that a manager's clock was wrong.
	skewed   bool
	broken   []string // what the audit found
	crowd    *crowd
	watching bool // clones are held to what their originals let through
	// credentialsDownTill is until when the managers' credentials can't be had.
	credentialsDownTill time.Time

	// What follows belongs to the goroutine that drives.
	current *manager
	frozen  []*frozenPass
	lives   int
	bootAt  time.Time // when another manager takes over; zero: one is there
	sweepAt time.Time
	due     map[client.ObjectKey]*turn
}

// NewWorld makes a world, and boots its manager at the first Run.
func (p *Plane) NewWorld(ctx context.Context, o Options) (*World, error) {
	w := &World{
		Clock: clocktesting.NewFakeClock(time.Now().Truncate(time.Second)), Options: fewCalls(),
		plane: p, tap: o.Tap, limits: o.Limits, counts: map[string]int{}, stopped: map[string]bool{}, due: map[client.ObjectKey]*turn{},
	}
	w.bootAt = w.Clock.Now()
	var err error
	if w.Sim, err = sim.Start(context.WithoutCancel(ctx), sim.Options{NoAgents: true, World: withCallers(o.World), Clock: w.Clock, SessionClock: clock.RealClock{}}); err != nil {
		return nil, err
	}
	// Taken once: asking the simulator for them carries out schedules, which calls back into the world.
	w.region, w.faults, w.config = w.Sim.Region(), w.Sim.Faults(), w.Sim.Config()
	if w.untouched, err = w.Sim.World().Build(region.Options{Clock: w.Clock}, true); err != nil {
		w.Sim.Close()
		return nil, err
	}
	if o.DeadMan {
		if err := w.arm(); err != nil {
			w.Sim.Close()
			return nil, err
		}
	}
	w.watch(o.Violated)
	w.followWrites()
	w.Options.DNSServer, w.Options.ClusterID = w.Sim.DNSAddr(), ClusterID
	if o.Manager != nil {
		o.Manager(&w.Options)
	}
	if w.Namespace, err = p.namespace(ctx); err == nil && o.Spoke {
		err = w.joinHub(ctx)
	}
	if err == nil && o.InHub != nil {
		err = w.workInHub(ctx, o.InHub)
	}
	if err != nil {
		w.Sim.Close()
		return nil, err
	}
	return w, nil
}

// noticedWithin is how long a manager may take to notice that a subnet no longer consents, or has another cluster's agents:
// looks a minute apart, of which two have to agree, and reads that lag or fail.
const noticedWithin = 5 * time.Minute

// watch has the audit hold the managers to what is promised at each call, and notes what takes effect.
func (w *World) watch(violated func(audit.Promise, string)) {
	w.Audit = audit.New(audit.Options{
		Simulator: w.Sim, Now: w.Clock.Now, Begun: w.begun,
		Consent: func() (string, string) { return w.Options.ConsentTagKey, w.Namespace },
		Notice:  audit.Notice{Consent: noticedWithin, Cluster: noticedWithin, Believed: noticedWithin},
		// A manager that wakes beside another one may restore what that one has forgotten.
		Skip: []audit.Promise{audit.Restored, audit.Overclaimed},
		Violated: func(promise audit.Promise, text string) {
			w.mu.Lock()
			w.broken = append(w.broken, text)
			w.mu.Unlock()
			if violated != nil {
				violated(promise, text)
			}
		},
	})
	w.faults.After("*", func(c call.Call) {
		if !c.ReadOnly && !c.DryRun && c.Error == "" && w.IsManagers(c) {
			w.noteEffect()
		}
	})
}

// What a dead man's switch needs.
const (
	switchRoleName = "agentdisconnect-deadman"
	switchRole     = "arn:aws:iam::" + simworld.DefaultAccount + ":role/" + switchRoleName
	switchGroup    = "agentdisconnect"
)

// arm makes the role and the group of the dead man's switch.
func (w *World) arm() error {
	w.Options.DeadManRoleARN, w.Options.DeadManScheduleGroup = switchRole, switchGroup
	role, err := policies.SwitchRole(w.Sim.World(), policies.Values{DeadmanRole: switchRoleName})
	if err != nil {
		return err
	}
	w.region.Roles().Put(role)
	return errors.Join(w.region.CreateScheduleGroup("", "", switchGroup, nil), w.untouched.CreateScheduleGroup("", "", switchGroup, nil))
}

// managersClock is the clock of a manager's machine, whose time may be wrong.
type managersClock struct {
	*clocktesting.FakeClock
	manager *manager
	by      time.Duration
}

// Now implements clock.PassiveClock.
func (c managersClock) Now() time.Time { return c.FakeClock.Now().Add(c.by) }

// Since implements clock.PassiveClock.
func (c managersClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// After implements clock.Clock. What waits is a read of CloudTrail, which goes on beside passes: the
// world's time goes by for it at once, so that the pass that asked for it sees its end. Nothing waits
// in a process that has ended.
func (c managersClock) After(d time.Duration) <-chan time.Time {
	if c.manager.awaitPass() {
		c.manager.world.advance(c.FakeClock.Now().Add(d))
	}
	over := make(chan time.Time, 1)
	over <- c.Now()
	return over
}

// fewCalls are options with which a run makes as few calls as it can: every interval is the longest that there is.
func fewCalls() options.Options {
	o := options.Defaults()
	o.MaxDuration, o.MaxActiveRuns = options.LongestDuration, 0
	o.AgentPollInterval, o.ACLPollInterval, o.LookupInterval = time.Minute, time.Minute, time.Minute
	return o
}

// Close ends the world, frozen managers included, and takes its objects off the API server.
func (w *World) Close(ctx context.Context) error {
	w.Kill() // a read of CloudTrail that goes on ends with its manager
	for _, f := range w.frozen {
		f.manager.kill()
		f.manager.wake()
		<-f.done
	}
	w.Sim.Close()
	if w.hub != nil {
		w.hub.Close()
	}
	err := errors.Join(w.resumeAll(ctx), w.clear(ctx))
	if w.Hub != nil {
		err = errors.Join(err, w.Hub.clear(ctx))
	}
	return err
}

// clear takes the world's objects off the API server.
func (w *World) clear(ctx context.Context) error {
	var all v1alpha1.AgentDisconnectList
	errs := []error{w.plane.Client.List(ctx, &all, client.InNamespace(w.Namespace))}
	for i := range all.Items {
		obj := &all.Items[i]
		if len(obj.Finalizers) > 0 {
			obj.Finalizers = nil
			errs = append(errs, w.plane.Client.Update(ctx, obj))
		}
		errs = append(errs, client.IgnoreNotFound(w.plane.Client.Delete(ctx, obj)))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	w.plane.returnNamespace(w.Namespace)
	return nil
}

// KubeDown takes the API server from managers for a time; users, who would only wait, still reach it.
func (w *World) KubeDown(d time.Duration) {
	w.mu.Lock()
	w.downTill = w.Clock.Now().Add(d)
	w.mu.Unlock()
	w.Hamper(d)
}

func (w *World) unreachable() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Clock.Now().Before(w.downTill)
}

// Hamper says that something keeps the manager from its work for a time from now on: an end that falls into it comes late,
// and Wrong forgives that.
func (w *World) Hamper(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if till := w.Clock.Now().Add(d); till.After(w.hampered) {
		w.hampered = till
	}
}

// known reports whether an id of a network ACL or an association is the same in each run: it was there at the start.
func (w *World) known(id string) bool {
	for _, a := range w.Sim.World().NetworkACLs {
		if a.ID == id {
			return true
		}
	}
	for _, s := range w.Sim.World().Subnets {
		if s.AssociationID == id {
			return true
		}
	}
	return strings.HasPrefix(id, "*")
}
