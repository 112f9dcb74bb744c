// SPDX-License-Identifier: Apache-2.0

package pages_test

import (
	"strings"
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

func TestALongMessageKeepsItsLink(t *testing.T) {
	g := NewWithT(t)
	const most = 100
	link := ". See " + pages.Stalled("NoConsent")
	for name, tc := range map[string]struct{ message, want string }{
		"short":              {pages.Link("fix it", pages.Stalled("NoConsent")), "fix it" + link},
		"long":               {pages.Link(strings.Repeat("a", 200), pages.Stalled("NoConsent")), strings.Repeat("a", most-len(link)-len("…")) + "…" + link},
		"long, no link":      {strings.Repeat("a", 200), strings.Repeat("a", most-len("…")) + "…"},
		"a sentence no link": {strings.Repeat("a", 200) + ". See the owner of it", strings.Repeat("a", most-len("…")) + "…"},
		"a link too long":    {"fix it. See " + strings.Repeat("b", 200), "fix it. See " + strings.Repeat("b", most-len("fix it. See …")) + "…"},
	} {
		got := pages.Truncate(tc.message, most)
		g.Expect(got).To(Equal(tc.want), name)
		g.Expect(len(got)).To(BeNumerically("<=", most), name)
	}
	g.Expect(pages.HasLink("fix it" + link)).To(BeTrue())
	g.Expect(pages.HasLink("fix it. See the owner")).To(BeFalse())
}
