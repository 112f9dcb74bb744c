// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestAReleasedChartRunsItsOwnImage(t *testing.T) {
	g := NewWithT(t)
	helm, dist := tool(t, "helm"), t.TempDir()
	image := "ghcr.io/me/agentdisconnect@sha256:" + strings.Repeat("0123456789abcdef", 4)
	_, err := command(t, []string{"DOCS=https://git.example.com/agentdisconnect/blob/v0.1.0/"}, "hack/release/chart.sh", "v0.1.0", image, dist)
	g.Expect(err).NotTo(HaveOccurred())

	rendered, err := command(t, nil, helm, "template", release, filepath.Join(dist, "agentdisconnect-0.1.0.tgz"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rendered).To(And(ContainSubstring("image: %q", image), ContainSubstring(`app.kubernetes.io/version: "v0.1.0"`)))

	rendered, err = command(t, nil, helm, "template", release, filepath.Join(dist, "agentdisconnect-0.1.0.tgz"), "--set=prometheusRule.enabled=true")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rendered).To(ContainSubstring("runbook_url: https://git.example.com/agentdisconnect/blob/v0.1.0/docs/metrics.md#agentdisconnectrulespastend\n"))

	_, err = command(t, nil, "hack/release/chart.sh", "v0.1.0", "agentdisconnect:dev", dist)
	g.Expect(err).To(MatchError(ContainSubstring("IMG=agentdisconnect:dev does not name an image by its digest")))
}
