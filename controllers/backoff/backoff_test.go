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
	g.Expect(Grow(first, longest, 0)).To(Equal(first))
	g.Expect(last).To(Equal(longest))
	g.Expect(Grow(longest, longest, 5)).To(Equal(longest))
}

func TestWaitsAreSpreadAndTheSameForAKey(t *testing.T) {
	g := NewWithT(t)
	different := map[time.Duration]bool{}
	for i := range 100 {
		key := fmt.Sprint(i)
		wait := Spread(time.Minute, key)
		g.Expect(wait).To(And(BeNumerically(">", 45*time.Second-time.Second), BeNumerically("<=", time.Minute)))
		g.Expect(Spread(time.Minute, key)).To(Equal(wait))
		different[wait] = true
	}
	g.Expect(len(different)).To(BeNumerically(">", 80))
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
