// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"encoding/json"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/policies"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	simworld "agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const switchRoleName = "agentdisconnect-deadman"

// shippedFor is what the placeholders in config/iam stand for in this suite.
var shippedFor = policies.Values{ScheduleGroup: switchGroup, DeadmanRole: switchRoleName}

// bindPolicies gives the manager of every spec the permissions that config/iam grants, and no others: AWS denies the rest,
// and so does the Region. Access keys that have policies keep theirs.
func bindPolicies(o *sim.Options) {
	if o.World == nil {
		o.World = simworld.Default()
	}
	o.DenyAbsent = true // the policies' conditions can't match a network ACL that is gone
	Expect(policies.Bind(o.World, shippedFor, policies.Manager, policies.Deadman)).To(Succeed())
}

// grantedFor grants the manager the same with other values too, as for a second Region or cluster.
func grantedFor(more policies.Values) func(*sim.Options) {
	more.ScheduleGroup, more.DeadmanRole = shippedFor.ScheduleGroup, shippedFor.DeadmanRole
	return func(o *sim.Options) {
		bindPolicies(o)
		documents, err := policies.For(o.World, more, policies.Manager, policies.Deadman)
		Expect(err).NotTo(HaveOccurred())
		o.World.AccessKeys[0].Policies = append(o.World.AccessKeys[0].Policies, documents...)
	}
}

// mayEverything grants the manager all, so also what no policy of config/iam does: to tag and to delete a network ACL that
// has no tag of a clone.
func mayEverything(o *sim.Options) {
	bindPolicies(o)
	o.World.AccessKeys[0].Policies = []json.RawMessage{json.RawMessage(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)}
}
