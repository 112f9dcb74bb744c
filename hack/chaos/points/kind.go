// SPDX-License-Identifier: Apache-2.0

package points

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/hack/chaos/rig"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

const (
	// throttledFor, deniedFor and downFor are how long what begins at a point lasts.
	throttledFor, deniedFor, downFor = time.Minute, 2 * time.Minute, time.Minute
	// staleFor is how long reads lag from a point on: longer than they lag by, so that two in a row do.
	staleFor = 3 * time.Minute
)

// Kind is a kind of fault.
type Kind struct {
	// Name is one word, such as crash-before.
	Name string
	// What says it in a few words.
	What string
	// after strikes when the answer is about to arrive, else before anything takes effect.
	after bool
	// on reports whether the kind differs from others at a step.
	on func(rig.Step) bool
	// strike is what happens. It may do something to the world from there on.
	strike func(*rig.World, *rig.Step) rig.Verdict
}

// On reports whether the kind is to be tried at a step: at some it would be no other than another kind.
func (k Kind) On(s rig.Step) bool { return k.on(s) }

func everywhere(rig.Step) bool  { return true }
func awsCall(s rig.Step) bool   { return !s.Kube }
func kubeWrite(s rig.Step) bool { return s.Kube }
func awsWrite(s rig.Step) bool  { return !s.Kube && !s.ReadOnly && !s.DryRun }
func changes(s rig.Step) bool   { return s.Kube || awsWrite(s) }
func onObject(s rig.Step) bool {
	return s.Kube && s.Object != "" && !strings.HasPrefix(s.Action, "kube:delete")
}

func afterwards(k Kind) Kind {
	k.after = true
	return k
}

// reset is what a client gets whose connection broke.
func reset() error { return &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET} }

// Kinds are all kinds of fault, in the order in which they are shown.
func Kinds() []Kind {
	die := func(*rig.World, *rig.Step) rig.Verdict { return rig.Verdict{Die: true} }
	freeze := func(*rig.World, *rig.Step) rig.Verdict { return rig.Verdict{Freeze: true} }
	failing := func(err func() error) func(*rig.World, *rig.Step) rig.Verdict {
		return func(*rig.World, *rig.Step) rig.Verdict { return rig.Verdict{Err: err()} }
	}
	timeout := func(w *rig.World, _ *rig.Step) rig.Verdict {
		w.Hamper(aws.CallTimeout)
		return rig.Verdict{Took: aws.CallTimeout, Err: context.DeadlineExceeded}
	}
	return append([]Kind{
		{Name: "crash-before", What: "the manager is killed before it", on: everywhere, strike: die},
		afterwards(Kind{Name: "crash-after", What: "the manager is killed after it, the answer unread", on: everywhere, strike: die}),
		{Name: "frozen-before", What: "the manager is paused before it, and resumes when another manager has ended the run", on: everywhere, strike: freeze},
		afterwards(Kind{Name: "frozen-after", What: "the same, after it", on: changes, strike: freeze}),
		{Name: "error-before", What: "the connection breaks before AWS is reached", on: awsCall, strike: failing(reset)},
		{Name: "error-after", What: "the call takes effect and its answer is lost", on: awsWrite, strike: regional(faults.Fault{Lost: true})},
		{Name: "error-500", What: "AWS answers 500, and the call has no effect", on: awsCall, strike: internal(false)},
		{Name: "error-500-done", What: "AWS answers 500, and the call took effect", on: awsWrite, strike: internal(true)},
		{Name: "timeout", What: "no answer for 10 seconds, and AWS was never reached", on: awsCall, strike: timeout},
		afterwards(Kind{Name: "timeout-done", What: "no answer for 10 seconds, and the call took effect", on: awsWrite, strike: timeout}),
		{Name: "throttled", What: "all calls to AWS are throttled for a minute", on: awsCall, strike: throttle},
		{Name: "denied", What: "the permission for it is withdrawn, and granted again two minutes later", on: awsCall, strike: deny},
		{Name: "stale-5s", What: "for three minutes, reads show the state of 5 seconds ago", on: awsCall, strike: stale(5 * time.Second)},
		{Name: "stale-60s", What: "for three minutes, reads show the state of 60 seconds ago", on: awsCall, strike: stale(time.Minute)},
		{Name: "kube-conflict", What: "a third party writes the object right before", on: onObject, strike: touch},
		{Name: "kube-refused", What: "the API server answers 500", on: kubeWrite, strike: failing(func() error {
			return apierrors.NewInternalError(errors.New("etcd has no leader"))
		})},
		afterwards(Kind{Name: "kube-lost", What: "the write takes effect and its answer is lost", on: kubeWrite, strike: failing(reset)}),
		{Name: "kube-down", What: "the API server is not reachable for a minute", on: kubeWrite, strike: func(w *rig.World, _ *rig.Step) rig.Verdict {
			w.KubeDown(downFor)
			return rig.Verdict{}
		}},
	}, kindsOfOthers()...)
}

// regional has the Region do something to one call.
func regional(f faults.Fault) func(*rig.World, *rig.Step) rig.Verdict {
	return func(*rig.World, *rig.Step) rig.Verdict { return rig.Verdict{Fault: &f} }
}

// codes are what services answer in trouble: their own fault, and too many calls.
var codes = map[string]struct{ internal, throttled string }{
	"ec2":           {"InternalError", "RequestLimitExceeded"},
	"ecs":           {"ServerException", "ThrottlingException"},
	"sts":           {"InternalFailure", "Throttling"},
	"servicequotas": {"ServiceException", "TooManyRequestsException"},
	"scheduler":     {"InternalServerException", "ThrottlingException"},
	"cloudtrail":    {"InternalFailure", "ThrottlingException"},
}

func internal(done bool) func(*rig.World, *rig.Step) rig.Verdict {
	return func(_ *rig.World, step *rig.Step) rig.Verdict {
		service, _, _ := strings.Cut(step.Action, ":")
		if done {
			return rig.Verdict{Fault: &faults.Fault{ErrorAfter: codes[service].internal}}
		}
		return rig.Verdict{Fault: &faults.Fault{Error: codes[service].internal}}
	}
}

// lasting has the Region suffer from something for a time.
func lasting(w *rig.World, d time.Duration, all ...faults.Fault) {
	for _, f := range all {
		f.AccessKey = w.ManagersKey()
		w.At(d, w.Sim.Faults().Add(f))
	}
	w.Hamper(d)
}

func throttle(w *rig.World, _ *rig.Step) rig.Verdict {
	for service, code := range codes {
		lasting(w, throttledFor, faults.Fault{Action: service + ":*", Error: code.throttled, DryRuns: true})
	}
	return rig.Verdict{}
}

func deny(w *rig.World, step *rig.Step) rig.Verdict {
	lasting(w, deniedFor, faults.Fault{Action: step.Action, Denied: true})
	return rig.Verdict{}
}

func stale(by time.Duration) func(*rig.World, *rig.Step) rig.Verdict {
	return func(w *rig.World, _ *rig.Step) rig.Verdict {
		lasting(w, staleFor, faults.Fault{Action: "*", Stale: faults.Duration(by)})
		return rig.Verdict{}
	}
}

// touch writes the object as a third party would.
func touch(w *rig.World, step *rig.Step) rig.Verdict {
	err := w.Edit(context.Background(), step.Object, func(obj *v1alpha1.AgentDisconnect) {
		if obj.Annotations == nil {
			obj.Annotations = map[string]string{}
		}
		obj.Annotations["example.com/touched"] += "x"
	})
	return rig.Verdict{Err: err}
}
