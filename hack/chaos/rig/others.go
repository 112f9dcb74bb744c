// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"context"
	"errors"
	"net/netip"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
)

// What other actors do to a world from a moment on.

// crowd is a third party that writes an object at full speed.
type crowd struct {
	object string
	till   time.Time
	// yielded says that the manager's last write of the object came after one of theirs, so that the next one gets through.
	yielded bool
}

// Crowd has a third party write annotations on an object for a time: before each call to AWS and every other write of the
// manager. Nothing is forgiven for it.
func (w *World) Crowd(object string, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.crowd = &crowd{object: object, till: w.Clock.Now().Add(d)}
}

// jostle has the third party write before a step, if it is its turn.
func (w *World) jostle(step *Step) {
	w.mu.Lock()
	c := w.crowd
	due := c != nil && w.Clock.Now().Before(c.till)
	if due && step.Kube {
		due = step.Object == c.object && !c.yielded
		c.yielded = due
	}
	w.mu.Unlock()
	if !due {
		return
	}
	err := w.Edit(context.Background(), c.object, func(obj *v1alpha1.AgentDisconnect) {
		if obj.Annotations == nil {
			obj.Annotations = map[string]string{}
		}
		obj.Annotations["example.com/written"] = step.Name
	})
	if obj, getErr := w.Get(context.Background(), c.object); err != nil && (getErr != nil || obj != nil) {
		w.Complain("the third party could not write object %s: %v", c.object, err)
	}
}

// errNoCredentials is what the source of credentials says while it fails.
var errNoCredentials = errors.New("the source of credentials does not answer")

// CredentialsDown has the source of the managers' credentials fail for a time.
func (w *World) CredentialsDown(d time.Duration) {
	w.mu.Lock()
	w.credentialsDownTill = w.Clock.Now().Add(d)
	w.mu.Unlock()
	w.Hamper(d)
}

// credentials is the source of a world's managers'.
type credentials struct {
	world  *World
	source awssdk.CredentialsProvider
}

// Retrieve implements aws.CredentialsProvider.
func (c credentials) Retrieve(ctx context.Context) (awssdk.Credentials, error) {
	c.world.mu.Lock()
	down := c.world.Clock.Now().Before(c.world.credentialsDownTill)
	c.world.mu.Unlock()
	if down {
		return awssdk.Credentials{}, errNoCredentials
	}
	return c.source.Retrieve(ctx)
}

// unanswered is a call to a Region that does not answer. The calls of a pass wait side by side, so that one of them takes the
// time: a call's time-out, or what is left of the pass's own.
func (m *manager) unanswered(ctx context.Context) error {
	if err := m.enter(); err != nil {
		return err
	}
	took := aws.CallTimeout
	if deadline, ok := ctx.Deadline(); ok {
		took = max(min(took, time.Until(deadline).Round(time.Second)), 0)
	}
	m.mu.Lock()
	if m.waited {
		took = 0
	}
	m.waited = true
	m.mu.Unlock()
	m.world.advance(m.world.Clock.Now().Add(took))
	return errors.Join(m.leave(), context.DeadlineExceeded)
}

// WatchTraffic holds clones, from now on, to what their originals let through.
func (w *World) WatchTraffic() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watching = true
}

// checkTraffic complains of a clone in service that denies traffic which its original allows and no run denies.
func (w *World) checkTraffic() {
	w.mu.Lock()
	watching := w.watching
	w.mu.Unlock()
	if !watching {
		return
	}
	for _, clone := range w.region.View(now).NetworkACLs() {
		made, ours := w.Audit.Clone(clone.ID)
		original, there := w.region.NetworkACL(made.Original)
		if !ours || !there || len(clone.Associations) == 0 {
			continue
		}
		for _, egress := range []bool{true, false} {
			packet := acl.Packet{Egress: egress, Protocol: acl.TCP, Remote: netip.MustParseAddr("192.0.2.9"), Port: 443}
			if acl.Allows(original.Entries, packet) && !acl.Allows(clone.Entries, packet) {
				w.Complain("clone %s cut its subnet off at %s, while its original lets traffic through", clone.ID, w.Clock.Now().UTC().Format(time.TimeOnly))
				w.mu.Lock()
				w.watching = false
				w.mu.Unlock()
			}
		}
	}
}
