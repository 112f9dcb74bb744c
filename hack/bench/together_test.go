// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"testing"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	ctrl "sigs.k8s.io/controller-runtime"

	"agentdisconnect.dev/agentdisconnect/hack/controlplane"
)

var most = flag.Int("most", 10, "the most runs that block together")

// What runs read of AWS grows with the pages that it fills: ten read as much as one, or one call more
// where they are many clusters.
func TestRunsThatBlockShareTheirReads(t *testing.T) {
	g := NewWithT(t)
	ctrl.SetLogger(logr.Discard())
	plane, err := controlplane.Start(controlplane.Options{SpareCPU: true})
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { g.Expect(plane.Close()).To(Succeed()) }()
	all, err := countTogether(t.Context(), plane.Client, *most, t.Logf)
	g.Expect(err).NotTo(HaveOccurred())
	for _, each := range all {
		apart := sum(each.alone) * float64(each.runs)
		t.Logf("%d in %d: %.1f calls a minute, %.0f each by itself: %v, alone %v", each.runs, each.clusters, sum(each.perMinute), apart, each.perMinute, each.alone)
	}
}
