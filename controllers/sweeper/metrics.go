// SPDX-License-Identifier: Apache-2.0

package sweeper

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"agentdisconnect.dev/agentdisconnect/controllers/sweep"
)

var (
	foundGauge = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "agentdisconnect_sweep_found",
		Help: "What the last sweep found in AWS without a run of this cluster that manages it, by kind and by owning Kubernetes cluster: own, other or unknown.",
	}, []string{"kind", "cluster"})

	undoneTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "agentdisconnect_sweep_undone_total",
		Help: "Findings of sweeps that were removed from AWS, by kind.",
	}, []string{"kind"})

	failuresTotal = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "agentdisconnect_sweep_failures_total",
		Help: "Sweeps that were not complete, because of an error.",
	})

	lastSuccess = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "agentdisconnect_sweep_last_success_timestamp_seconds",
		Help: "When the last sweep without a failure ended, in seconds since 1970; 0: none has.",
	})
)

func init() {
	for _, kind := range sweep.Kinds() {
		undoneTotal.WithLabelValues(string(kind)) // so that an alert sees the first one
	}
	metrics.Registry.MustRegister(foundGauge, undoneTotal, failuresTotal, lastSuccess)
}

// counts count findings by kind and cluster.
type counts map[[2]string]float64

const (
	clusterOwn     = "own"
	clusterOther   = "other"
	clusterUnknown = "unknown"
)

func newCounts() counts {
	c := counts{}
	for _, kind := range sweep.Kinds() {
		for _, cluster := range []string{clusterOwn, clusterOther, clusterUnknown} {
			c[[2]string{string(kind), cluster}] = 0
		}
	}
	return c
}

func (c counts) add(f sweep.Found, own string) {
	cluster := clusterOther
	switch f.ClusterID {
	case own:
		cluster = clusterOwn
	case "":
		cluster = clusterUnknown
	}
	c[[2]string{string(f.Kind), cluster}]++
}

func (c counts) publish() {
	for labels, n := range c {
		foundGauge.WithLabelValues(labels[:]...).Set(n)
	}
}

// observe notes how a sweep went.
func observe(now time.Time, err error) {
	if err != nil {
		failuresTotal.Inc()
		return
	}
	lastSuccess.Set(float64(now.Unix()))
}
