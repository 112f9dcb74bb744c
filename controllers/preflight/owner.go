// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"
	"fmt"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

// checkOwner refuses a subnet that another account shares with the manager's (AWS RAM): its network
// ACL is the owner's alone to change.
func (p *Preflight) checkOwner(t *Findings) error {
	owner := t.subnet.OwnerID
	if owner == "" || t.accountID == "" || owner == t.accountID {
		return nil
	}
	return problem.Refuse(v1alpha1.ReasonWrongAccount, "subnet %s and its network ACL belong to account %s, which shares the subnet with account %s of the manager's credentials, and only the owner may change a network ACL: run a manager with a role in account %s. It sees the clusters of that account alone, so the cluster has to be there too",
		p.Object.Spec.SubnetID, owner, t.accountID, owner)
}

// tenantsTTL is how long it is taken for granted which other accounts have network interfaces in a
// subnet: it is worth a note, and keeps no run from beginning.
const tenantsTTL = 10 * time.Minute

// otherAccounts finds the other accounts with network interfaces in the subnet.
func (p *Preflight) otherAccounts(ctx context.Context, t *Findings) ([]string, error) {
	if t.accountID == "" {
		return nil, nil // said by the first look
	}
	return p.Cache.Tenants.GetWithin(tenantsTTL, p.Now, p.Object.Spec.SubnetID+" "+t.accountID, func() ([]string, error) {
		return discovery.OtherAccounts(ctx, p.Clients.EC2, p.Object.Spec.SubnetID, t.accountID)
	})
}

// sharedNote tells that other accounts have network interfaces in the subnet, whose clusters can't
// be seen; empty: none do.
func (p *Preflight) sharedNote(t *Findings) string {
	if len(t.tenants) == 0 {
		return ""
	}
	return fmt.Sprintf("subnet %s is shared with other accounts, which have network interfaces in it (%s): their ECS clusters can't be seen from account %s, and their agents would be cut off as well",
		p.Object.Spec.SubnetID, problem.List(t.tenants), t.accountID)
}
