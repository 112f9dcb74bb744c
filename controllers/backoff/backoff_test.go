// SPDX-License-Identifier: Apache-2.0

package backoff

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

const first, longest = 10 * time.Second, 2 * time.Minute

func TestWaitsGrowToTheLongest(t *testing.T) {
	g := NewWithT(t)
	last := time.Duration(0)
	for n := range 100 {
		wait := Grow(first, longest, n)
		g.Expect(wait).To(BeNumerically(">=", last))
		last = wait
	}
	var waits []time.Duration
	for n := range 6 {
		waits = append(waits, Grow(first, longest, n))
	}
	g.Expect(waits).To(Equal([]time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, longest, longest}))
	g.Expect(last).To(Equal(longest))
	g.Expect(Grow(longest, longest, 5)).To(Equal(longest))
}

func TestWaitsAreSpreadAndTheSameForAKey(t *testing.T) {
	g := NewWithT(t)
	different, shortest := map[time.Duration]bool{}, time.Minute
	for i := range 100 {
		key := fmt.Sprint(i)
		wait := Spread(time.Minute, key)
		g.Expect(wait).To(And(BeNumerically(">", 45*time.Second-time.Second), BeNumerically("<=", time.Minute)))
		g.Expect(Spread(time.Minute, key)).To(Equal(wait))
		different[wait], shortest = true, min(shortest, wait)
	}
	g.Expect(shortest).To(BeNumerically("<", 46*time.Second), "up to a quarter is used")
	g.Expect(len(different)).To(BeNumerically(">", 80))
}

// A history of passes that one build of the manager made can be repeated with another.
func TestTheWaitOfAKeyIsTheSameInEveryBuild(t *testing.T) {
	for key, want := range map[string]time.Duration{"": 3643 * time.Second, "0d5c1": 3836 * time.Second, "eu-central-1": 3523 * time.Second} {
		NewWithT(t).Expect(Spread(4096*time.Second, key)).To(Equal(want), key)
	}
}

func TestASetbackBeginsAnewWithAnotherSpecOrProblem(t *testing.T) {
	g := NewWithT(t)
	obj := &v1alpha1.AgentDisconnect{}
	obj.UID, obj.Generation = types.UID("0d5c"), 1
	var refused Setback
	wait := func(reason string) time.Duration {
		return refused.Wait(obj, problem.Refuse(reason, "the same words"), first, longest)
	}
	for range 20 {
		wait(v1alpha1.ReasonNoConsent)
	}
	g.Expect(wait(v1alpha1.ReasonNoConsent)).To(BeNumerically(">", first))
	g.Expect(wait(v1alpha1.ReasonAccessDenied)).To(BeNumerically("<=", first))
	wait(v1alpha1.ReasonAccessDenied)
	obj.Generation++
	g.Expect(wait(v1alpha1.ReasonAccessDenied)).To(BeNumerically("<=", first))
}
