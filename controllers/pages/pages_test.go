// SPDX-License-Identifier: Apache-2.0

package pages_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/pages"
)

func TestLinksBeginWithTheBaseOfTheBuild(t *testing.T) {
	g := NewWithT(t)
	g.Expect(pages.Stalled("NoConsent")).To(Equal("docs/states/Stalled.md#noconsent"))

	pages.Base = "https://git.example.com/agentdisconnect/blob/v0.1.0/"
	t.Cleanup(func() { pages.Base = "" })
	g.Expect(pages.State("DriftDetected")).To(Equal(pages.Base + "docs/states/DriftDetected.md"))
	g.Expect(pages.Stalled("NoConsent")).To(Equal(pages.Base + "docs/states/Stalled.md#noconsent"))
	g.Expect(pages.File("docs/gitops.md")).To(Equal(pages.Base + "docs/gitops.md"))
}
