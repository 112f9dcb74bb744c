// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"sync"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/scheduler"
)

// runner lets one caller at a time carry out schedules.
type runner struct {
	mu      sync.Mutex
	done    *sync.Cond
	running bool
	hooked  bool // the one that runs is within a hook of a test, which may call anything
}

// begin waits for the goroutine that runs, and reports whether it is the caller's turn. Within a hook it does not wait:
// what runs may be the caller itself.
func (r *runner) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done == nil {
		r.done = sync.NewCond(&r.mu)
	}
	for r.running && !r.hooked {
		r.done.Wait()
	}
	if r.running {
		return false
	}
	r.running = true
	return true
}

func (r *runner) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running = false
	r.done.Broadcast()
}

func (r *runner) hook(run func(call.Call), c call.Call) {
	set := func(hooked bool) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.hooked = hooked
		r.done.Broadcast()
	}
	set(true)
	defer set(false)
	run(c)
}

// RunSchedules carries out all that is due by now, in the order of the times at which it was: each call is logged, takes
// effect and is recorded as of its own time.
func (s *Server) RunSchedules() {
	if !s.runner.begin() {
		return
	}
	defer s.runner.end()
	for s.o.Context.Err() == nil {
		r, next, ok := s.nextInvocation()
		if !ok || next.Next.After(r.Now()) {
			return
		}
		if r.Begin(next) {
			r.End(next, s.invoke(r, next))
		}
	}
}

// nextInvocation is the earliest of all Regions.
func (s *Server) nextInvocation() (where *region.Region, next region.Invocation, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.regions {
		i, some := r.NextInvocation()
		if !some {
			continue
		}
		if d := i.Next.Compare(next.Next); !ok || d < 0 || d == 0 && i.Schedule.ARN < next.Schedule.ARN {
			where, next, ok = r, i, true
		}
	}
	return where, next, ok
}

// invoke makes one attempt and returns the code of its failure.
func (s *Server) invoke(r *region.Region, i region.Invocation) (failure string) {
	to := i.Schedule.Target
	c := call.Call{
		Time: i.Next, Region: r.Name(), Identity: to.RoleARN, Schedule: i.Schedule.ARN, UserAgent: region.SchedulerPrincipal,
		RequestID: r.NewEventID(), Params: map[string]any{},
	}
	role, ok := r.Roles().Get(to.RoleARN)
	if !ok || !role.Trusts(region.SchedulerPrincipal) {
		c.Service, c.Action, c.Params["RoleArn"] = "sts", "AssumeRole", to.RoleARN
		return s.refused(c, "AccessDenied")
	}
	c.Service, c.Action, _ = scheduler.ParseTarget(to.ARN) // checked when the schedule was made
	if c.Name() != "ec2:DeleteNetworkAclEntry" {
		return s.refused(c, "UnknownOperationException") // of all universal targets the simulator has this one
	}
	form, err := entryInput(to.Input)
	for k := range form {
		c.Params[k] = form.Get(k)
	}
	if err != nil {
		return s.refused(c, "SerializationException")
	}
	req := &operation.Request{Call: c, Identity: session(r, role, i.Schedule), Region: r, At: i.Next, Form: form}
	return s.attempt(&exchange{t: target{dialect: ec2Dialect{}}, req: req, service: s.services[c.Service], op: s.services[c.Service].Operations[c.Action]})
}

// refused logs a call that never reached its service.
func (s *Server) refused(c call.Call, code string) string {
	c.Error = code
	s.o.Log.Add(c)
	return code
}

// attempt puts a schedule's call through the steps of any other. A lost answer is a failure to the one that waits for it.
func (s *Server) attempt(x *exchange) (failure string) {
	x.logged = s.o.Log.Add(x.req.Call)
	defer func() { s.o.Log.Done(x.logged, x.req.Call) }()
	s.runner.hook(s.o.Faults.RunBefore, x.req.Call)
	prepared, invalid := x.op.Prepare(x.req)
	x.plan = s.o.Faults.Plan(x.req.Call, func(key string) bool { return lacking(x.req.Region, prepared, key) })
	if !sleep(s.o.Context, x.plan.Latency) {
		return "Interrupted"
	}
	answer, refusal := s.run(x, prepared, invalid)
	s.record(x, answer, refusal)
	if refusal != nil {
		x.req.Call.Error = refusal.Code
	}
	s.runner.hook(s.o.Faults.RunAfter, x.req.Call)
	switch {
	case !sleep(s.o.Context, x.plan.LatencyAfter):
		return "Interrupted"
	case refusal == nil && x.plan.After != nil:
		x.req.Call.Error = x.plan.After.Code
	case refusal == nil && x.plan.Lost:
		x.req.Call.Lost = true
		return "Lost"
	}
	return x.req.Call.Error
}

// session is who a schedule's call is made by. What AWS names these sessions isn't documented: here after the schedule.
func session(r *region.Region, role region.Role, n region.Schedule) operation.Identity {
	sum := sha256.Sum256([]byte(n.ARN))
	return operation.Identity{
		ARN:     fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/%s", region.Partition(r.Name()), r.Account(), role.Name(), hex.EncodeToString(sum[:16])),
		Account: r.Account(), Allow: role.Allow, Policies: role.Policies, Role: role.ARN, InvokedBy: region.SchedulerPrincipal,
	}
}

// entryInput is the input of ec2:deleteNetworkAclEntry as EC2 takes it. A member that the action doesn't have, in just this
// spelling, is a mistake.
func entryInput(input string) (url.Values, error) {
	var in map[string]json.RawMessage
	if err := json.Unmarshal([]byte(input), &in); err != nil {
		return nil, err
	}
	form := url.Values{}
	for name, text := range in {
		var value any
		switch name {
		case "NetworkAclId":
			value = new(string)
		case "RuleNumber":
			value = new(int)
		case "Egress":
			value = new(bool)
		default:
			return form, fmt.Errorf("unknown member %q", name)
		}
		if err := json.Unmarshal(text, value); err != nil {
			return form, fmt.Errorf("%s: %w", name, err)
		}
		form.Set(name, fmt.Sprint(reflect.ValueOf(value).Elem()))
	}
	return form, nil
}

// WatchSchedules carries schedules out in real time, until the server's context ends. It looks every second, so that a
// step of the machine's clock is no trouble.
func (s *Server) WatchSchedules() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.RunSchedules()
		case <-s.o.Context.Done():
			return
		}
	}
}
