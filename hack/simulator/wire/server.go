// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/cloudtrail"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/cloudwatch"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/ec2"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/ecs"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/fis"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/scheduler"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/servicequotas"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/sts"
)

// maxBody is more than any request of the services here.
const maxBody = 4 << 20

// minLatency is how fast an answer is at best. The Go SDK closes a request's body when the answer begins, and net/http
// takes that for a failed write if it is not yet done with the body: over a real network it always is.
const minLatency = time.Millisecond

// Options are what a server needs.
type Options struct {
	// Context ends waiting when the server stops.
	Context context.Context // it belongs to the server's life, not to a call
	// Region is where the world is. Every other Region, and the Regions of other accounts, are empty.
	Region *region.Region
	// Identities are the callers that exist.
	Identities []operation.Identity
	Faults     *faults.Set
	Log        *call.Log
	// DenyAbsent has IAM judge network ACLs that don't exist; else they are answered as not found.
	DenyAbsent bool
	// Latency is added to every call.
	Latency time.Duration
	// SessionClock says when sessions of roles end; nil: the machine's.
	SessionClock clock.PassiveClock
	// NewRegion makes an empty Region.
	NewRegion func(account, name string) *region.Region
	Logger    logr.Logger
}

// Server answers calls. It is an http.Handler.
type Server struct {
	o          Options
	services   map[string]operation.Service
	identities *identities
	// others are the servers of other accounts.
	others []*Server

	runner  runner
	mu      sync.Mutex
	regions map[[2]string]*region.Region
}

// NewServer makes a server.
func NewServer(o Options) *Server {
	if o.SessionClock == nil {
		o.SessionClock = clock.RealClock{}
	}
	s := &Server{
		o: o, services: map[string]operation.Service{}, identities: newIdentities(o.Identities),
		regions: map[[2]string]*region.Region{{o.Region.Account(), o.Region.Name()}: o.Region},
	}
	for _, service := range []operation.Service{ec2.Service(), ecs.Service(), cloudtrail.Service(), servicequotas.Service(), sts.Service(), scheduler.Service(), cloudwatch.Service(), fis.Service()} {
		s.services[service.Name] = service
	}
	return s
}

// regionOf is the Region of an account; Regions apart from the world's come into being empty.
func (s *Server) regionOf(account, name string) *region.Region {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := [2]string{account, name}
	if s.regions[key] == nil {
		s.regions[key] = s.o.NewRegion(account, name)
	}
	return s.regions[key]
}

// exchange is one call with its way back.
type exchange struct {
	w       http.ResponseWriter
	t       target
	req     *operation.Request
	op      operation.Operation
	service operation.Service
	plan    faults.Plan
	logged  int
	effect  operation.Effect // empty until the call is past the throttle
}

// ServeHTTP answers a call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serverFor(r).serve(w, r, "") }

func (s *Server) serve(w http.ResponseWriter, r *http.Request, agentURL string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.RunSchedules()
	sc, signed, refusal := readScope(r)
	t, invalid := readTarget(r, body, sc.service)
	x := &exchange{w: w, t: t, logged: -1, req: &operation.Request{
		Call: call.Call{
			Time: s.o.Region.Now(), Service: t.service, Action: t.action, AccessKey: sc.accessKey, Region: sc.region,
			UserAgent: r.UserAgent(), DryRun: t.form.Get("DryRun") == "true", Params: t.params, RequestID: s.o.Region.NewEventID(),
		},
		Form: t.form, Body: body, AgentURL: agentURL, AssumeRole: s.AssumeRole,
	}}
	id, known := s.identities.get(sc.accessKey)
	switch {
	case !signed:
		s.fail(x, t.dialect.noCredentials())
		return
	case refusal != nil:
		s.fail(x, refusal)
		return
	case !known:
		s.fail(x, t.dialect.unknownKey())
		return
	case !s.identities.admits(sc.accessKey, token(r), s.o.SessionClock.Now()):
		s.fail(x, expired(sc.service))
		return
	case invalid != nil:
		s.fail(x, invalid)
		return
	}
	x.req.Call.Identity = id.ARN
	x.req.Identity, x.req.Region = id, s.regionOf(id.Account, sc.region)
	x.service = s.services[t.service]
	op, ok := x.service.Operations[t.action]
	if !ok || t.service == "ec2" && t.version != ec2.Version || t.service == "sts" && t.version != sts.Version {
		s.fail(x, t.dialect.unknownAction(t.action, t.version))
		return
	}
	x.op, x.req.Call.ReadOnly = op, op.ReadOnly
	s.handle(r, x)
}

// handle puts a call to an operation that exists through its steps.
func (s *Server) handle(r *http.Request, x *exchange) {
	x.logged = s.o.Log.Add(x.req.Call)
	s.o.Faults.RunBefore(x.req.Call)
	prepared, invalid := x.op.Prepare(x.req)
	x.plan = s.o.Faults.Plan(x.req.Call, func(key string) bool { return lacking(x.req.Region, prepared, key) })
	x.req.ReadAt, x.req.Frozen = x.plan.ReadAt, x.plan.Frozen
	// A caller that gives up while its request is under way doesn't keep it from being acted on.
	if !sleep(s.o.Context, max(s.o.Latency, minLatency)+x.plan.Latency) {
		return
	}
	s.RunSchedules() // a hook may have moved the clock
	answer, failure := s.run(x, prepared, invalid)
	s.record(x, answer, failure)
	after := x.req.Call
	if failure != nil {
		after.Error = failure.Code
	}
	s.o.Faults.RunAfter(after)
	switch {
	case !sleep(r.Context(), x.plan.LatencyAfter) || x.plan.Lost && failure == nil:
		x.req.Call.Lost = true
		s.o.Log.Done(x.logged, x.req.Call)
		panic(http.ErrAbortHandler) // closes the connection without an answer
	case x.plan.After != nil && failure == nil:
		s.fail(x, injected(x.plan.After))
	case failure != nil:
		s.fail(x, failure)
	default:
		s.o.Log.Done(x.logged, x.req.Call)
		if err := x.t.dialect.answer(x.w, x.t.action, x.req.Call.RequestID, answer); err != nil {
			s.o.Logger.Error(err, "Failed to write an answer", "action", x.req.Call.Name())
		}
	}
}

// run is act with the error as AWS has it.
func (s *Server) run(x *exchange, prepared operation.Effect, invalid error) (any, *region.Error) {
	answer, err := s.act(x, prepared, invalid)
	if failure, ok := errors.AsType[*region.Error](err); ok || err == nil {
		return answer, failure
	}
	return nil, region.Errorf("InternalError", "%v", err)
}

// act goes from the throttle to the effect.
func (s *Server) act(x *exchange, prepared operation.Effect, invalid error) (any, error) {
	if x.plan.Throttled || x.op.Admit != nil && !x.op.Admit(x.req) {
		return nil, x.t.dialect.throttled()
	}
	if x.effect = prepared; invalid != nil {
		return nil, invalid
	}
	if !x.op.Open {
		if refusal := s.authorize(x); refusal != nil {
			return nil, refusal
		}
	}
	if x.plan.Before != nil {
		return nil, injected(x.plan.Before)
	}
	if x.req.Call.DryRun {
		return nil, region.Errorf("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	}
	return x.effect.Run()
}

// lacking reports whether one of the resources that a call is about is without a tag.
func lacking(r *region.Region, e operation.Effect, key string) bool {
	v := r.View(time.Time{})
	return slices.ContainsFunc(e.Subjects, func(id string) bool { return !v.HasTag(id, key) })
}

func injected(i *faults.Injected) *region.Error {
	text := i.Message
	if text == "" {
		text = "An error injected by a fault."
	}
	return region.Errorf(i.Code, "%s", text)
}

func (s *Server) record(x *exchange, answer any, failure *region.Error) {
	event, err := cloudtrail.Event(cloudtrail.Record{Request: x.req, Source: x.service.Source, Effect: x.effect, Answer: answer, Err: failure})
	if err != nil {
		s.o.Logger.Error(err, "Failed to record a call", "action", x.req.Call.Name())
		return
	}
	x.req.Region.Record(event)
}

// fail answers with an error and logs it.
func (s *Server) fail(x *exchange, e *region.Error) {
	x.req.Call.Error = e.Code
	if x.logged < 0 {
		x.logged = s.o.Log.Add(x.req.Call)
	} else {
		s.o.Log.Done(x.logged, x.req.Call)
	}
	x.t.dialect.fail(x.w, e, x.req.Call.RequestID)
}

// sleep waits and reports whether it could to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
