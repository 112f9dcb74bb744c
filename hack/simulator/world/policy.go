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
