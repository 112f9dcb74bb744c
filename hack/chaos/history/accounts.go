// SPDX-License-Identifier: Apache-2.0

package history

import (
	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// inAccount: runs work in the account of their namespace. Nothing there is of a run of another account, whose ids are the same.
func (p *play) inAccount(objects []v1alpha1.AgentDisconnect, view region.View) {
	for i := range objects {
		obj := &objects[i]
		p.runsOf[string(obj.UID)] = p
		if at := obj.Status.Target; at != nil && at.AccountID != p.account {
			p.violated("account", "%s is in account %s, and its run works in %s", obj.Name, p.account, at.AccountID)
		}
	}
	for _, found := range view.NetworkACLs() {
		claims, _ := ownership.ParseClaims(found.Tags)
		for _, claim := range claims {
			p.checkAccountOf(claim.UID, "a tag of network ACL "+found.ID)
		}
		for _, e := range found.Entries {
			if made, known := p.audit.Entry(found.ID, e); known {
				p.checkAccountOf(made.UID, region.DescribeEntry(e)+" of network ACL "+found.ID)
			}
		}
	}
}

func (p *play) checkAccountOf(uid, what string) {
	if of := p.runsOf[uid]; of != nil && of != p {
		p.violated("account", "%s in account %s is of a run in account %s", what, p.account, of.account)
	}
}
