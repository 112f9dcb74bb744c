// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// What the simulator's default world has.
const (
	cluster = world.DefaultCluster
	// aloneSubnet has its network ACL to itself: runs are in place.
	aloneSubnet = world.DedicatedSubnet
	// sharedSubnet shares its network ACL, and has agents of two clusters: runs are on a clone.
	sharedSubnet = world.SharedSubnet
	// addresses is how many rules a run has, once all that DNS rotates through were seen.
	addresses = 6
	namespace = "default"
)

// scenario is a kind of run.
type scenario struct {
	name   string
	subnet string
}

// The scenarios.
var (
	inPlace = scenario{"InPlace", aloneSubnet}
	clone   = scenario{"Clone", sharedSubnet}
)

// object is a new object that asks for a run of the scenario, which lasts longer than any test.
func (sc scenario) object(namespace string) *v1alpha1.AgentDisconnect {
	obj := &v1alpha1.AgentDisconnect{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "live-"},
		Spec: v1alpha1.AgentDisconnectSpec{
			Cluster: cluster, SubnetID: sc.subnet, Duration: metav1.Duration{Duration: time.Hour},
		},
	}
	if sc == clone {
		obj.Spec.OtherClusters = v1alpha1.OtherClustersAllow
	}
	return obj
}

// begin creates an object for a run of the scenario.
func (st *stage) begin(ctx context.Context, sc scenario) (*v1alpha1.AgentDisconnect, error) {
	if err := st.awaitAgents(ctx); err != nil {
		return nil, err
	}
	obj := sc.object(namespace)
	return obj, st.Client.Create(ctx, obj)
}

// untilStatus waits until an object's status is as it should be. That the API server doesn't answer is waited out.
func (st *stage) untilStatus(ctx context.Context, obj *v1alpha1.AgentDisconnect, what string, is func(*v1alpha1.AgentDisconnect) bool) error {
	return until(ctx, what, func(ctx context.Context) (bool, string) {
		fresh := &v1alpha1.AgentDisconnect{}
		if err := st.Client.Get(ctx, client.ObjectKeyFromObject(obj), fresh); err != nil {
			return false, err.Error()
		}
		*obj = *fresh
		return is(obj), describe(obj)
	})
}

// installed reports whether every address is denied that there is.
func installed(obj *v1alpha1.AgentDisconnect) bool {
	return meta.IsStatusConditionTrue(obj.Status.Conditions, v1alpha1.ConditionRulesInstalled) && len(obj.Status.Rules) == addresses
}

// end deletes an object.
func (st *stage) end(ctx context.Context, obj *v1alpha1.AgentDisconnect) error {
	return client.IgnoreNotFound(st.Client.Delete(ctx, obj))
}

// untilGone waits until an object is gone.
func (st *stage) untilGone(ctx context.Context, obj *v1alpha1.AgentDisconnect) error {
	return until(ctx, "the object to be deleted", func(ctx context.Context) (bool, string) {
		fresh := &v1alpha1.AgentDisconnect{}
		err := st.Client.Get(ctx, client.ObjectKeyFromObject(obj), fresh)
		switch {
		case apierrors.IsNotFound(err):
			return true, ""
		case err != nil:
			return false, err.Error()
		}
		return false, describe(fresh)
	})
}

// untilRestored waits until the Region is as it was before.
func (st *stage) untilRestored(ctx context.Context) error {
	return until(ctx, "the Region to be in its initial state", func(context.Context) (bool, string) {
		left, lost := st.damage()
		return len(left)+len(lost) == 0, fmt.Sprintf("left: %q, lost: %q", left, lost)
	})
}

// unharmed says what is not as it was before, as an error.
func (st *stage) unharmed() error {
	left, lost := st.damage()
	if len(left)+len(lost) == 0 {
		return nil
	}
	return fmt.Errorf("the Region is not in its initial state; left: %q, lost: %q", left, lost)
}

func describe(obj *v1alpha1.AgentDisconnect) string {
	words := []string{fmt.Sprintf("%d rules, finalizers %v", len(obj.Status.Rules), obj.Finalizers)}
	for _, c := range obj.Status.Conditions {
		words = append(words, fmt.Sprintf("%s=%s %s: %s", c.Type, c.Status, c.Reason, c.Message))
	}
	return strings.Join(words, "; ")
}
