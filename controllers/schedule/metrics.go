// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// The label is bounded: the reasons of the API. No metric names an object.
var (
	lateness = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "agentdisconnect_schedule_lateness_seconds",
		Help:    "Time from a time of a schedule until its run was created.",
		Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 600, 1800, 7200, 43200},
	})

	missedTimes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "agentdisconnect_schedule_missed_total",
		Help: "Times of schedules at which no run began, by reason.",
	}, []string{"reason"})
)

func init() {
	for _, reason := range []v1alpha1.MissedReason{
		v1alpha1.MissedTooLate, v1alpha1.MissedRunIsOn, v1alpha1.MissedNotReplaced, v1alpha1.MissedNotCreated, v1alpha1.MissedInterrupted,
	} {
		missedTimes.WithLabelValues(string(reason)) // so that an alert sees the first one
	}
	metrics.Registry.MustRegister(lateness, missedTimes)
}
