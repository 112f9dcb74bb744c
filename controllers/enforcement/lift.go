// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"context"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// Lift takes the rules away from the subnet. A clone is kept, for resuming.
func (e *Enforcement) Lift(ctx context.Context) error {
	if run.IsLifted(e.Status()) {
		return e.stayLifted(ctx)
	}
	var err error
	if e.IsCloned() {
		e.withdrawClaim()
		err = e.detachSubnet(ctx)
	} else {
		_, err = e.undoEntries(ctx)
	}
	if err == nil && run.IsLifted(e.Status()) {
		// What was seen under the rules says nothing of what comes after, and they are put in place
		// anew on a new read.
		e.History.Polls.Forget()
		e.seen.network.Clear()
		e.seen.aclRead, e.seen.enforcedSince = time.Time{}, time.Time{}
		clear(e.seen.contradicted)
		e.Cache.Others.Forget()
	}
	return err
}

// stayLifted has the tags say who holds the network ACL, and until when, as that may change. It
// looks from time to time whether a clone that serves no subnet still does: a swap whose answer was
// lost may show late.
func (e *Enforcement) stayLifted(ctx context.Context) error {
	acl := e.Status().NetworkACL
	if !e.IsCloned() {
		return e.ensureOwnershipTags(ctx)
	}
	if acl.ID == "" || e.Now.Sub(e.seen.aclRead) < e.Options.ACLPollInterval {
		return nil
	}
	if err := e.ReadACL(ctx); err != nil || !e.onSubnet() || e.sinceWrite() < networkacl.ConfirmInterval {
		return err
	}
	acl.State = v1alpha1.CloneAssociating
	return e.detachSubnet(ctx)
}
