// SPDX-License-Identifier: Apache-2.0

package world

import (
	"encoding/json"
	"fmt"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/iam"
)

func (c *checker) policies(at string, documents []json.RawMessage) {
	for i, document := range documents {
		if _, err := iam.Parse(document); err != nil {
			c.add(fmt.Sprintf("%s.policies[%d]", at, i), "%v", err)
		}
	}
}

// ParsedPolicies are the policies of the access key, of a world that is valid.
func (k AccessKey) ParsedPolicies() []*iam.Policy { return policies(k.Policies) }

// trust is the trust policy of the role, of a world that is valid.
func (r Role) trust() *iam.Trust {
	if r.TrustPolicy == nil {
		return nil
	}
	t, err := iam.ParseTrust(r.TrustPolicy)
	if err != nil {
		panic(fmt.Sprintf("validated trust policy: %v", err))
	}
	return t
}

func policies(documents []json.RawMessage) []*iam.Policy {
	var all []*iam.Policy
	for _, document := range documents {
		p, err := iam.Parse(document)
		if err != nil {
			panic(fmt.Sprintf("validated policy: %v", err))
		}
		all = append(all, p)
	}
	return all
}
