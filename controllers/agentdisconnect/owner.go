// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"fmt"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
)

// admitOwner refuses a subnet that another account shares with the manager's (AWS RAM): its network ACL is the owner's alone to change.
func admitOwner(s *scope, t *target) error {
	owner := t.subnet.ownerID
	if owner == "" || t.accountID == "" || owner == t.accountID {
		return nil
	}
	return refuse(v1alpha1.ReasonWrongAccount, "subnet %s and its network ACL belong to account %s, which shares the subnet with account %s of the manager's credentials, and only the owner may change a network ACL: run a manager with a role in account %s. It sees the clusters of that account alone, so the cluster has to be there too",
		s.obj.Spec.SubnetID, owner, t.accountID, owner)
}

// sharedNote says that other accounts have network interfaces in the subnet, whose clusters can't be seen; empty: none do.
func (r *Reconciler) sharedNote(ctx context.Context, s *scope, t *target) (string, error) {
	accounts, err := s.seen.tenants.get(s.now, s.obj.Spec.SubnetID, func() ([]string, error) {
		return discovery.OtherAccounts(ctx, s.clients.EC2, s.obj.Spec.SubnetID, t.accountID)
	})
	if len(accounts) == 0 {
		return "", err
	}
	return fmt.Sprintf("subnet %s is shared with other accounts, which have network interfaces in it (%s): their ECS clusters can't be seen from account %s, and their agents would be cut off as well",
		s.obj.Spec.SubnetID, list(accounts), t.accountID), err
}
