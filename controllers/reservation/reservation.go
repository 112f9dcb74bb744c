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
	NetworkACLID, SubnetID string
	Mode                   v1alpha1.NetworkACLMode
}

// ConflictsWith reports whether two runs can't be on together: clones of one network ACL for
// different subnets can.
func (r Reservation) ConflictsWith(o Reservation) bool {
	clones := r.Mode == v1alpha1.NetworkACLModeClone && o.Mode == v1alpha1.NetworkACLModeClone
	return r.NetworkACLID == o.NetworkACLID && (!clones || r.SubnetID == o.SubnetID)
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
	held := Reservation{acl.ID, obj.Spec.SubnetID, acl.Mode}
	if acl.Mode == v1alpha1.NetworkACLModeClone {
		held.NetworkACLID = acl.OriginalID
	}
	return held
}

// holds reports whether a run that is on holds what is wanted in a Region. A run with a clone holds
// the clone itself too.
func holds(obj *objects.Object, region string, wanted Reservation) bool {
	acl, target := obj.Status.NetworkACL, obj.Status.Target
	if !run.IsOn(&obj.Status) || acl == nil || target != nil && target.Region != region {
		return false
	}
	return Of(obj).ConflictsWith(wanted) || acl.ID != "" && acl.ID == wanted.NetworkACLID
}
