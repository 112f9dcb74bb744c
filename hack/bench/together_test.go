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
	g.Expect(all).NotTo(BeEmpty())
	for _, each := range all {
		// What ECS is asked of each agent by itself has no page.
		const perAgent = "ecs:DiscoverPollEndpoint"
		together, alone := sum(each.perMinute)-each.perMinute[perAgent], sum(each.alone)-each.alone[perAgent]
		t.Logf("%d runs in %d clusters: %.1f calls a minute, %.0f each by itself: %v", each.runs, each.clusters, sum(each.perMinute), sum(each.alone)*float64(each.runs), each.perMinute)
		pages := float64((2*each.runs/each.clusters + 99) / 100) // of container instances, in each cluster
		g.Expect(together).To(BeNumerically("<=", alone*float64(each.clusters)*pages+1))
		g.Expect(each.perMinute["ec2:DescribeNetworkAcls"]).To(BeNumerically("<=", each.alone["ec2:DescribeNetworkAcls"]*float64((each.runs+199)/200)+0.5))
	}
}
