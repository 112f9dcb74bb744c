// SPDX-License-Identifier: Apache-2.0

package removal_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/removal"
)

func TestDispositionOf(t *testing.T) {
	const own, other = "subnet-1", "subnet-2"
	original := &networkacl.ACL{ID: "acl-1"}
	serving := func(subnets ...string) *networkacl.ACL { return &networkacl.ACL{ID: "acl-2", SubnetIDs: subnets} }
	for name, tc := range map[string]struct {
		clone, original *networkacl.ACL
		edited          bool
		want            removal.Disposition
	}{
		"reads lack it":                            {nil, original, false, removal.Delete},
		"reads lack both":                          {nil, nil, true, removal.Delete},
		"it serves no subnet":                      {serving(), original, false, removal.Delete},
		"it serves no subnet, edited":              {serving(), original, true, removal.Delete},
		"it serves no subnet, without an original": {serving(), nil, true, removal.Delete},
		"it serves its subnet":                     {serving(own), original, false, removal.Return},
		"it serves its subnet and another":         {serving(own, other), original, false, removal.Return},
		"it serves another":                        {serving(other), original, false, removal.InUse},
		"it serves another, edited":                {serving(other), original, true, removal.InUse},
		"it serves another, without original":      {serving(other), nil, false, removal.InUse},
		"its original is gone":                     {serving(own), nil, false, removal.Adopt},
		"its original is gone, and another on":     {serving(own, other), nil, true, removal.Adopt},
		"a third party edited it":                  {serving(own), original, true, removal.Edited},
		"edited, and another is on it":             {serving(own, other), original, true, removal.Edited},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(removal.DispositionOf(tc.clone, tc.original, own, tc.edited)).To(Equal(tc.want))
		})
	}
}
