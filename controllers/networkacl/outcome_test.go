// SPDX-License-Identifier: Apache-2.0

package networkacl_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// That AWS does not know what it shows proves nothing.
func TestOutcomeIsGone(t *testing.T) {
	g := NewWithT(t)
	for _, shown := range []bool{true, false} {
		g.Expect(networkacl.Done.IsGone(shown)).To(BeTrue())
		g.Expect(networkacl.Missing.IsGone(shown)).To(Equal(!shown))
		for _, o := range []networkacl.Outcome{networkacl.Taken, networkacl.Refused, networkacl.Unknown, networkacl.Stale, networkacl.InUse} {
			g.Expect(o.IsGone(shown)).To(BeFalse(), "%d", o)
		}
	}
}
