// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/reservation"
)

func TestWaitsGrowToTheLongest(t *testing.T) {
	g := NewWithT(t)
	last := time.Duration(0)
	for n := range 100 {
		wait := grow(refusedInterval, longestRefused, n)
		g.Expect(wait).To(BeNumerically(">=", last))
		last = wait
	}
	g.Expect(grow(refusedInterval, longestRefused, 0)).To(Equal(refusedInterval))
	g.Expect(last).To(Equal(longestRefused))
	g.Expect(grow(reservation.RetryInterval, reservation.RetryInterval, 5)).To(Equal(reservation.RetryInterval))
}

func TestWaitsAreSpreadAndTheSameForAKey(t *testing.T) {
	g := NewWithT(t)
	different := map[time.Duration]bool{}
	for i := range 100 {
		key := fmt.Sprint(i)
		wait := spread(time.Minute, key)
		g.Expect(wait).To(And(BeNumerically(">", 45*time.Second-time.Second), BeNumerically("<=", time.Minute)))
		g.Expect(spread(time.Minute, key)).To(Equal(wait))
		different[wait] = true
	}
	g.Expect(len(different)).To(BeNumerically(">", 80))
}

func TestASetbackBeginsAnewWithAnotherSpecOrProblem(t *testing.T) {
	g := NewWithT(t)
	obj := &v1alpha1.AgentDisconnect{}
	obj.UID, obj.Generation = types.UID("0d5c"), 1
	var refused setback
	wait := func(reason string) time.Duration {
		return refused.wait(obj, problem.Refuse(reason, "the same words"), refusedInterval, longestRefused)
	}
	for range 20 {
		wait(v1alpha1.ReasonNoConsent)
	}
	g.Expect(wait(v1alpha1.ReasonNoConsent)).To(BeNumerically(">", refusedInterval))
	g.Expect(wait(v1alpha1.ReasonAccessDenied)).To(BeNumerically("<=", refusedInterval))
	wait(v1alpha1.ReasonAccessDenied)
	obj.Generation++
	g.Expect(wait(v1alpha1.ReasonAccessDenied)).To(BeNumerically("<=", refusedInterval))
}
