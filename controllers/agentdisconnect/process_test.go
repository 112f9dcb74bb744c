// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"agentdisconnect.dev/agentdisconnect/controllers/agentdisconnect"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
)

// errKilled is all that a manager gets from anyone after its end.
var errKilled = errors.New("the manager's process has ended")

// process is one life of a manager that can end at any point. Nothing that it does afterwards takes effect, and no answer
// reaches it; what AWS was asked for before that goes on.
type process struct {
	world  *world
	killed atomic.Bool
	// region is the manager's own; empty: the world's.
	region string
	// point, if set, is told about each point of a write at which the process may end, and reports whether it does.
	point func(name string) (end bool)
	// meddle, if set, is called before and after each write to the API server; its error is the write's.
	meddle func(obj client.Object, after bool) error
	// listing, if set, is called before each list of objects; its error is the list's.
	listing func() error
	// deleting, if set, is called before each deletion of an object.
	deleting func()
}

// boot starts the manager as a process of its own, which sees no objects but the world's and repeats no read within a
// pass: what goes wrong reaches the controller.
func (w *world) boot(configure ...func(*process)) *process {
	p := &process{world: w}
	for _, c := range configure {
		c(p)
	}
	w.events = events.NewFakeRecorder(1000)
	cfg := w.sim.Config()
	cfg.Region = cmp.Or(p.region, cfg.Region)
	sessions := aws.NewSessions(cfg, "agentdisconnect", "test", agentdisconnect.CountCalls, p.guard, withoutRetries)
	sessions.Clock = w.clock
	kubernetes := p.client()
	w.manageWith(kubernetes, sessions)
	return p
}

// reach ends the process where its point says so.
func (p *process) reach(name string) {
	if p.point != nil && !p.killed.Load() && p.point(name) {
		p.killed.Store(true)
	}
}

func (p *process) alive() error {
	if p.killed.Load() {
		return errKilled
	}
	return nil
}

// client is the process's way to the API server.
func (p *process) client() client.Client {
	api, err := client.NewWithWatch(control.RESTConfig, client.Options{Scheme: kube.Scheme(), Mapper: kube.RESTMapper()})
	Expect(err).NotTo(HaveOccurred())
	meddle := p.meddle
	if meddle == nil {
		meddle = func(client.Object, bool) error { return nil }
	}
	write := func(obj client.Object, name string, do func() error) error {
		p.reach("before " + name)
		if err := errors.Join(p.alive(), meddle(obj, false)); err != nil {
			return err
		}
		err := do()
		if err == nil {
			err = meddle(obj, true)
		}
		p.reach("after " + name)
		return errors.Join(p.alive(), err)
	}
	return interceptor.NewClient(api, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			return errors.Join(p.alive(), c.Get(ctx, key, obj, opts...))
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if p.listing != nil {
				if err := p.listing(); err != nil {
					return err
				}
			}
			return errors.Join(p.alive(), c.List(ctx, list, append(opts, client.InNamespace(p.world.namespace))...))
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			if p.deleting != nil {
				p.deleting()
			}
			return write(obj, "a deletion of the object", func() error { return c.Delete(ctx, obj, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			return write(obj, "a write of the object", func() error { return c.Patch(ctx, obj, patch, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			return write(obj, "a write of the "+sub, func() error { return c.SubResource(sub).Patch(ctx, obj, patch, opts...) })
		},
	})
}

// guard keeps what AWS does from a process that has ended, and the process from AWS.
func (p *process) guard(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("Process",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (out middleware.InitializeOutput, metadata middleware.Metadata, err error) {
			if err := p.alive(); err != nil {
				return out, metadata, err
			}
			out, metadata, err = next.HandleInitialize(ctx, in)
			if ended := p.alive(); ended != nil {
				err = ended
			}
			return out, metadata, err
		}), middleware.Before)
}

// withoutRetries takes the SDK's own repeating of calls away.
func withoutRetries(stack *middleware.Stack) error {
	_, err := stack.Finalize.Remove("Retry")
	return err
}

// withoutDelays has the SDK repeat reads at once, as often as ever: between two tries it waits in real time, in which nothing
// changes here. Writes it does not repeat anyway.
func withoutDelays(stack *middleware.Stack) error {
	if _, repeats := stack.Finalize.Get("Retry"); !repeats || !reading.MatchString(stack.ID()) {
		return nil
	}
	retryer := retry.NewStandard(func(o *retry.StandardOptions) {
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
	})
	_, err := stack.Finalize.Swap("Retry", retry.NewAttemptMiddleware(retryer, smithyhttp.RequestCloner))
	return err
}

// reading matches the operations that change nothing.
var reading = regexp.MustCompile("^(Describe|List|Get|DiscoverPollEndpoint)")

// lethal are the actions in which a manager may die.
var lethal = []string{
	"ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAclEntry", "ec2:ReplaceNetworkAclEntry", "ec2:CreateNetworkAcl", "ec2:DeleteNetworkAcl",
	"ec2:ReplaceNetworkAclAssociation", "ec2:CreateTags", "ec2:DeleteTags",
}

// outer says that a call is not one of the inner ones of the six rules, which are written side by side and alike.
func outer(c call.Call) bool {
	switch c.Param("RuleNumber") {
	case "81", "82", "90", "91":
		return false
	}
	return true
}

// mortal lets the manager die at the n-th point of a write that it reaches, counted from 0, and has a new one in its place
// from the next pass on. It gives the names of the points that were reached so far.
func (w *world) mortal(n int) (points func() []string) {
	var mu sync.Mutex
	var reached []string
	point := func(name string) bool {
		mu.Lock()
		defer mu.Unlock()
		reached = append(reached, name)
		return len(reached) == n+1
	}
	var current *process
	start := func() { current = w.boot(func(p *process) { p.point = point }) }
	start()
	var living atomic.Pointer[process]
	living.Store(current)
	w.beforePass = func() {
		if current.killed.Load() {
			start()
			living.Store(current)
		}
	}
	for _, action := range lethal {
		w.sim.Faults().Before(action, func(c call.Call) {
			if !c.DryRun && outer(c) {
				living.Load().reach(strings.TrimSpace(fmt.Sprintf("during %s %s", action, c.Param("RuleNumber"))))
			}
		})
		w.sim.Faults().After(action, func(c call.Call) {
			if !c.DryRun && outer(c) {
				living.Load().reach(strings.TrimSpace(fmt.Sprintf("after %s %s", action, c.Param("RuleNumber"))))
			}
		})
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), reached...)
	}
}
