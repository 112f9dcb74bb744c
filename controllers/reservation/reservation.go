// SPDX-License-Identifier: Apache-2.0

package reservation

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// RetryInterval is how soon a run asks again whether the network ACL is free.
const RetryInterval = 10 * time.Second

// Reservation is what a run needs for itself: a network ACL that it writes to; or, for a clone, one
// that no other run writes to and a subnet that no other run moves.
type Reservation struct {
	// AccountID and Region are where the ids are of. Empty: that is not known, and any may be meant.
	AccountID, Region      string
	NetworkACLID, SubnetID string
	Mode                   v1alpha1.NetworkACLMode
}

// ConflictsWith reports whether two runs can't be on together: clones of one network ACL for
// different subnets can.
func (r Reservation) ConflictsWith(o Reservation) bool {
	clones := r.Mode == v1alpha1.NetworkACLModeClone && o.Mode == v1alpha1.NetworkACLModeClone
	return r.mayShareAccount(o) && r.NetworkACLID == o.NetworkACLID && (!clones || r.SubnetID == o.SubnetID)
}

// mayShareAccount reports whether the ids of both may be of one account and Region.
func (r Reservation) mayShareAccount(o Reservation) bool {
	same := func(a, b string) bool { return a == b || a == "" || b == "" }
	return same(r.AccountID, o.AccountID) && same(r.Region, o.Region)
}

// IsOlder reports whether an object was made before another one. It orders any two objects.
func IsOlder(a, b metav1.Object) bool {
	at, other := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	if at.Equal(&other) {
		return a.GetUID() < b.GetUID()
	}
	return at.Before(&other)
}

// Of is what a run that has begun holds: for a clone, the network ACL that its subnet gets back.
func Of(obj *objects.Object) Reservation {
	acl := obj.Status.NetworkACL
	held := Reservation{NetworkACLID: acl.ID, SubnetID: obj.Spec.SubnetID, Mode: acl.Mode}
	if target := obj.Status.Target; target != nil {
		held.AccountID, held.Region = target.AccountID, target.Region
	}
	if acl.Mode == v1alpha1.NetworkACLModeClone {
		held.NetworkACLID = acl.OriginalID
	}
	return held
}

// holds reports whether a run that is on holds what is wanted. A run with a clone holds the clone
// itself too.
func holds(obj *objects.Object, wanted Reservation) bool {
	acl := obj.Status.NetworkACL
	if !run.IsOn(&obj.Status) || acl == nil {
		return false
	}
	held := Of(obj)
	return held.ConflictsWith(wanted) || acl.ID != "" && acl.ID == wanted.NetworkACLID && held.mayShareAccount(wanted)
}
