// SPDX-License-Identifier: Apache-2.0

package reservation_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/reservation"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

const (
	region         = "ap-northeast-1"
	account        = "123456789012"
	otherAccount   = "222222222222"
	acl, otherACL  = "acl-0a1b2c3d4e5f60718", "acl-0f1e2d3c4b5a69788"
	subnet, second = "subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"
	inPlace        = v1alpha1.NetworkACLModeInPlace
	clone          = v1alpha1.NetworkACLModeClone
)

// store is the objects that a list gives, or why it gives none.
type store struct {
	client.Reader

	objects []v1alpha1.AgentDisconnect
	failure error
}

func (s *store) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	if s.failure != nil {
		return s.failure
	}
	for i := range s.objects {
		all := list.(*v1alpha1.AgentDisconnectList)
		all.Items = append(all.Items, *s.objects[i].DeepCopy())
	}
	return nil
}

// object is one that was made so many minutes before the first run began.
func object(name string, minutesBefore float64, change ...func(*v1alpha1.AgentDisconnect)) *v1alpha1.AgentDisconnect {
	obj := &v1alpha1.AgentDisconnect{}
	obj.Namespace, obj.Name, obj.UID = "team", name, types.UID("uid-"+name)
	obj.CreationTimestamp = *runtest.At(-minutesBefore)
	obj.Spec.SubnetID = subnet
	for _, c := range change {
		c(obj)
	}
	return obj
}

// begun: the run of the object is on, and has that network ACL.
func begun(held v1alpha1.NetworkACL) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) {
		obj.Status.StartTime, obj.Status.NetworkACL = runtest.At(0), &held
		obj.Status.Target = &v1alpha1.Target{AccountID: account, Region: region}
	}
}

func deleted(obj *v1alpha1.AgentDisconnect) { obj.DeletionTimestamp = runtest.At(0) }

// wants is what a run in place on a network ACL wants.
func wants(aclID string) reservation.Reservation {
	return in(aclID, subnet, inPlace)
}

// in is what a run in the account and Region wants.
func in(aclID, subnetID string, mode v1alpha1.NetworkACLMode) reservation.Reservation {
	return reservation.Reservation{AccountID: account, Region: region, NetworkACLID: aclID, SubnetID: subnetID, Mode: mode}
}

// manager is a table, and the objects that it reads.
type manager struct {
	*reservation.Table

	t     *testing.T
	store *store
}

func manage(t *testing.T, maxActiveRuns int, all ...*v1alpha1.AgentDisconnect) *manager {
	t.Helper()
	m := &manager{t: t, store: &store{}}
	m.Table = reservation.NewTable(objects.NewReader(m.store), maxActiveRuns)
	m.now(all...)
	return m
}

// now has the list give these objects from now on.
func (m *manager) now(all ...*v1alpha1.AgentDisconnect) {
	m.store.objects = nil
	for _, obj := range all {
		m.store.objects = append(m.store.objects, *obj)
	}
}

// reserve has a run begin on a network ACL, and gives what it is told.
func (m *manager) reserve(obj *v1alpha1.AgentDisconnect, aclID string, after time.Duration) error {
	return m.reserveFor(obj, aclID, after, func() error { return nil })
}

func (m *manager) reserveFor(obj *v1alpha1.AgentDisconnect, aclID string, after time.Duration, begin func() error) error {
	m.t.Helper()
	begins := 0
	err := m.Reserve(m.t.Context(), obj, wants(aclID), runtest.Start.Add(after), func() error {
		begins++
		return begin()
	})
	if err == nil && begins != 1 {
		m.t.Fatalf("the run was begun %d times", begins)
	}
	return err
}

var errNotYet = errors.New("AWS holds it up")

func holdUp() error { return errNotYet }
