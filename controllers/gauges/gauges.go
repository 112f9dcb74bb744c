// SPDX-License-Identifier: Apache-2.0

package gauges

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// pastEnd says by how long the rules of the most overdue run outlast its end; 0: none do.
func pastEnd(all []objects.Object, now time.Time) time.Duration {
	var longest time.Duration
	for i := range all {
		if end, left := endOf(&all[i]); left {
			longest = max(longest, now.Sub(end))
		}
	}
	return longest
}

// endOf is when the rules of a run should have gone: the earliest of its expiration, its abort and
// its object's deletion. left is false where nothing of the run is left.
func endOf(obj *objects.Object) (end time.Time, left bool) {
	status := &obj.Status
	if run.IsRestored(status) {
		return time.Time{}, false
	}

	if end = run.Expiration(status); end.IsZero() {
		end = obj.CreationTimestamp.Time // the status was edited, and it was not earlier
	}

	if status.Abort != nil {
		end = run.Earliest(end, status.Abort.Time.Time)
	}

	for _, t := range []*metav1.Time{status.CompletionTime, obj.DeletionTimestamp} {
		if t != nil {
			end = run.Earliest(end, t.Time)
		}
	}
	return end, true
}

// collectTimeout bounds the wait for the cache at a scrape: a replica that has just started fills
// it then.
const collectTimeout = 5 * time.Second

// Collector has the gauges, worked out when metrics are collected: what is overdue grows even where
// no pass comes to its end. It looks at what the manager has in its cache, also in a replica that
// isn't leader.
type Collector struct {
	rulesPastEnd, objects *prometheus.Desc
	source                atomic.Pointer[cachedObjects]
}

type cachedObjects struct {
	cache client.Reader
	clock clock.PassiveClock
}

// Objects are the gauges of the process.
var Objects = newCollector()

func newCollector() *Collector {
	return &Collector{
		rulesPastEnd: prometheus.NewDesc("agentdisconnect_rules_past_end_seconds",
			"How long the rules of the most overdue run have been left after its end (expiration, abort or deletion). 0: no run is overdue.", nil, nil),
		objects: prometheus.NewDesc("agentdisconnect_objects",
			"AgentDisconnect objects by state. Empty: no manager has looked at the object yet.", []string{"state"}, nil),
	}
}

// Watch has the gauges tell of the objects that a manager has in its cache.
func (c *Collector) Watch(cache client.Reader, clk clock.PassiveClock) {
	c.source.Store(&cachedObjects{cache: cache, clock: clk})
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(descs chan<- *prometheus.Desc) {
	descs <- c.rulesPastEnd
	descs <- c.objects
}

// Collect implements prometheus.Collector. Where the cache can't be read there is no sample: 0
// would be a claim, and an error would take all other metrics with it.
func (c *Collector) Collect(samples chan<- prometheus.Metric) {
	source := c.source.Load()
	if source == nil {
		return
	}

	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	all, err := objects.ListCached(ctx, source.cache)
	if err != nil {
		return
	}

	late := pastEnd(all, source.clock.Now())
	samples <- prometheus.MustNewConstMetric(c.rulesPastEnd, prometheus.GaugeValue, late.Seconds())

	byState := map[string]float64{}
	for i := range all {
		byState[all[i].Status.State]++
	}
	for state, count := range byState {
		samples <- prometheus.MustNewConstMetric(c.objects, prometheus.GaugeValue, count, state)
	}
}
