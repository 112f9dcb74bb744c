// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"agentdisconnect.dev/agentdisconnect/controllers/agentdisconnect"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// errRefused is what a client gets from an API server that is gone.
var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

// cutOff replaces the manager by one that can't reach the API server while away says so.
func (w *world) cutOff(away *atomic.Bool) {
	reach := func(do func() error) error {
		if away.Load() {
			return errRefused
		}
		return do()
	}
	api, err := client.NewWithWatch(control.RESTConfig, client.Options{Scheme: kube.Scheme(), Mapper: kube.RESTMapper()})
	Expect(err).NotTo(HaveOccurred())
	kubernetes := interceptor.NewClient(api, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			return reach(func() error { return c.Get(ctx, key, obj, opts...) })
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			return reach(func() error { return c.List(ctx, list, append(opts, client.InNamespace(w.namespace))...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			return reach(func() error { return c.Delete(ctx, obj, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			return reach(func() error { return c.Patch(ctx, obj, patch, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			return reach(func() error { return c.SubResource(sub).Patch(ctx, obj, patch, opts...) })
		},
	})
	w.events = events.NewFakeRecorder(1000)
	sessions := aws.NewSessions(w.sim.Config(), "agentdisconnect", "test", agentdisconnect.CountCalls, withoutRetries)
	sessions.Clock = w.clock
	w.manageWith(kubernetes, sessions)
}

var _ = Describe("An API server that is gone for a minute", func() {
	// What a pass had asked of AWS and could not write down is found out when the API server is back.
	It("doesn't keep a run from its end, wherever the run was", func(ctx context.Context) {
		all(eachPhase(ctx, func(e *endured, p phase) string {
			var away atomic.Bool
			e.w.beforePass = nil
			e.w.cutOff(&away)
			if err := p.meet(ctx, e, func() { away.Store(true) }); err != nil {
				return err.Error()
			}
			writes := len(e.w.writes())
			e.wait(ctx, time.Minute)
			if more := e.w.writes()[writes:]; len(more) > 0 {
				return fmt.Sprintf("written to AWS with nowhere to write down what for: %v", more)
			}
			away.Store(false)
			e.until(ctx, enduredFor+run.RecoveryTimeout+unsure, e.over)
			return e.leftover(ctx)
		}))
	})
})
