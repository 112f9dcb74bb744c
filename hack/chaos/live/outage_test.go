// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// keeping has a stage with a manager that is started again whenever it ends, for one test.
func keeping(t *testing.T, g *WithT) (*stage, *keeper) {
	t.Helper()
	st, err := newStage(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = st.Close() })
	k, err := st.startKeeper(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = k.close() })
	return st, k
}

// endsIn has a run's status say that its time is over soon.
func (st *stage) endsIn(ctx context.Context, obj *v1alpha1.AgentDisconnect, d time.Duration) error {
	if err := st.Client.Get(ctx, client.ObjectKeyFromObject(obj), obj); err != nil {
		return err
	}
	end := time.Now().Add(d)
	obj.Status.StartTime = &metav1.Time{Time: end.Add(-obj.Spec.Duration.Duration)}
	obj.Status.ExpirationTime = &metav1.Time{Time: end}
	return st.Client.Status().Update(ctx, obj)
}

// One outage meets two runs: one on a clone, which is being taken back, and one in place, whose time is over while the API
// server is away. Without it nothing can be written down, so nothing is done: what was begun is ended when it is there again.
func TestRunsEndAsSoonAsTheAPIServerIsBack(t *testing.T) {
	g := live(t)
	ctx := t.Context()
	st, k := keeping(t, g)
	expiring, err := st.begin(ctx, inPlace)
	g.Expect(err).NotTo(HaveOccurred())
	deleted, err := st.begin(ctx, clone)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(st.untilStatus(ctx, expiring, "all rules", installed)).To(Succeed())
	g.Expect(st.untilStatus(ctx, deleted, "all rules", installed)).To(Succeed())

	down := make(chan error, 1)
	remove := at(st.Sim.Faults(), point{"ec2:ReplaceNetworkAclAssociation", 0, true}, func() {
		// The manager stands still until no server answers it: however slow the machine is, it ends neither run before.
		m := k.manager()
		down <- errors.Join(m.Pause(), st.endsIn(ctx, expiring, time.Second), st.ControlPlane.StopAPIServer(), st.ControlPlane.StopEtcd(), m.Resume())
	})
	defer remove()
	g.Expect(st.end(ctx, deleted)).To(Succeed())
	select {
	case err := <-down:
		g.Expect(err).NotTo(HaveOccurred())
	case <-time.After(patience):
		t.Fatal("the subnet was never moved back")
	}
	g.Expect(until(ctx, "the run's time to be over", func(context.Context) (bool, string) {
		left := time.Until(expiring.Status.ExpirationTime.Time)
		return left <= -time.Second, fmt.Sprint(left, " is left")
	})).To(Succeed())
	g.Expect(st.unharmed()).NotTo(Succeed(), "all is restored already: the outage began too late")

	g.Expect(st.ControlPlane.StartEtcd()).To(Succeed())
	back := time.Now()
	g.Expect(st.ControlPlane.StartAPIServer()).To(Succeed())
	g.Expect(st.untilGone(ctx, deleted)).To(Succeed())
	g.Expect(st.untilRestored(ctx)).To(Succeed())
	t.Logf("the Region was as before %.1f s after the API server began to start, with %d managers in all", time.Since(back).Seconds(), k.count())
	g.Expect(st.untilStatus(ctx, expiring, "the run to be over", func(obj *v1alpha1.AgentDisconnect) bool {
		return obj.Status.CompletionTime != nil && len(obj.Finalizers) == 0
	})).To(Succeed())
	g.Expect(meta.FindStatusCondition(expiring.Status.Conditions, v1alpha1.ConditionRulesInstalled).Status).To(BeEquivalentTo("False"))
	g.Expect(st.unharmed()).To(Succeed())
}
