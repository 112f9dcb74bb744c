// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sync/errgroup"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// occurrence is one call of a run: the n-th of its action.
type occurrence struct {
	action   string
	dryRun   bool
	readOnly bool
	nth      int
}

// occurrences are the calls that a run makes, each told from the others of its action.
func occurrences(calls []sim.Call) []occurrence {
	var found []occurrence
	counts := map[string]int{}
	for _, c := range calls {
		key := fmt.Sprint(c.Name(), c.DryRun)
		found = append(found, occurrence{c.Name(), c.DryRun, c.ReadOnly, counts[key]})
		counts[key]++
	}
	return found
}

// inner says that a call is neither the first nor the last of the six that are made side by side.
func (o occurrence) inner() bool {
	return !o.readOnly && !o.dryRun && o.nth > 0 && o.nth < 5
}

// ailment is a way for a call to go wrong.
type ailment struct {
	name  string
	fault func(service string) faults.Fault
	// writes says that it differs from the others only for calls that change something.
	writes bool
	// each says that it is tried on each of several calls that are alike and made side by side.
	each bool
}

var ailments = []ailment{
	{"fails with 500", func(service string) faults.Fault { return faults.Fault{Error: internalError(service)} }, false, false},
	{"is throttled for a while", func(service string) faults.Fault { return faults.Fault{Error: throttled(service), Times: 4} }, false, false},
	{"loses its answer", func(string) faults.Fault { return faults.Fault{Lost: true} }, true, true},
	{"takes effect and fails with 500", func(service string) faults.Fault { return faults.Fault{ErrorAfter: internalError(service)} }, true, false},
	{"is denied for a while", func(string) faults.Fault { return faults.Fault{Denied: true, Times: 4} }, true, false},
	{"finds the credentials expired", func(string) faults.Fault { return faults.Fault{Error: "RequestExpired", Times: 2} }, true, false},
}

func internalError(service string) string {
	if service == "ecs" {
		return "ServerException"
	}
	return "InternalError"
}

func throttled(service string) string {
	return map[string]string{"ec2": "RequestLimitExceeded", "ecs": "ThrottlingException", "sts": "Throttling", "servicequotas": "TooManyRequestsException"}[service]
}

// afflict lets the occurrence, and the calls after it where the ailment lasts, go wrong.
func (o occurrence) afflict(w *world, a ailment) {
	service, _, _ := strings.Cut(o.action, ":")
	fault := a.fault(service)
	fault.Action, fault.Skip, fault.Times, fault.DryRuns = o.action, o.nth, max(fault.Times, 1), o.dryRun
	fault.When = func(c call.Call) bool { return c.DryRun == o.dryRun }
	w.sim.Faults().Add(fault)
}

// shortRun takes a run of a minute from its creation to its end.
func (w *world) shortRun(ctx context.Context) *v1alpha1.AgentDisconnect {
	w.follow()
	obj := w.create(ctx, within(time.Minute))
	return w.finish(ctx, obj, 15*time.Minute)
}

// shortfall says what is wrong at the end of a run that should have completed; empty: nothing.
func (w *world) shortfall(seen *v1alpha1.AgentDisconnect, v *violations) string {
	var wrong []string
	if state := condition(seen, v1alpha1.ConditionSucceeded).Reason; state != v1alpha1.StateCompleted {
		wrong = append(wrong, "ended as "+describe(seen))
	}
	if ok, _ := Equal(w.before).Match(w.entries()); !ok {
		wrong = append(wrong, fmt.Sprintf("the network ACLs are not as they were: %v", w.entries()))
	}
	if len(seen.Finalizers) > 0 {
		wrong = append(wrong, "the finalizer is still there")
	}
	return strings.Join(append(wrong, v.found()...), "; ")
}

// scenario is one of many runs that are alike, in a world of its own.
type scenario struct {
	name string
	run  func() (shortfall string)
}

// takesMinutes has a spec begin before the others, so that no process works at it alone at the end.
const takesMinutes = SpecPriority(1)

// all runs scenarios side by side and names those that fall short.
func all(scenarios []scenario) {
	GinkgoHelper()
	const workers = 4
	shortfalls := make([]string, len(scenarios))
	var group errgroup.Group
	group.SetLimit(workers)
	for i, s := range scenarios {
		group.Go(func() error {
			defer GinkgoRecover()
			shortfalls[i] = s.run()
			return nil
		})
	}
	Expect(group.Wait()).To(Succeed())
	failures := map[string]string{}
	for i, shortfall := range shortfalls {
		if shortfall != "" {
			failures[scenarios[i].name] = shortfall
		}
	}
	Expect(failures).To(BeEmpty())
}

var _ = Describe("A call that goes wrong", func() {
	It("doesn't change how a run ends, whichever call it is", takesMinutes, func(ctx context.Context) {
		w, a := audited(ctx)
		Expect(w.shortfall(w.shortRun(ctx), a)).To(BeEmpty(), "the run without a fault")

		var scenarios []scenario
		for _, o := range occurrences(w.sim.Calls()) {
			for _, ill := range ailments {
				if ill.writes && o.readOnly || !ill.each && o.inner() {
					continue
				}
				w, a := audited(ctx)
				w.honest(a)
				o.afflict(w, ill)
				scenarios = append(scenarios, scenario{
					fmt.Sprintf("%s number %d (dry run: %t) %s", o.action, o.nth, o.dryRun, ill.name),
					func() string { return w.shortfall(w.shortRun(ctx), a) },
				})
			}
		}
		all(scenarios)
	})
})
