// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"strings"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/gauges"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// Labels are bounded: the results of a run, and the actions and error codes of AWS. No metric names
// an object.
var (
	runs = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "agentdisconnect_runs_total",
		Help: "Runs that are over, by the reason of their Succeeded condition.",
	}, []string{"result"})

	expiryLateness = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "agentdisconnect_expiry_lateness_seconds",
		Help:    "Time from a run's expirationTime until the manager began to remove its rules.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800},
	})

	restoreDuration = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "agentdisconnect_restore_duration_seconds",
		Help:    "Time from a run's end until its last rule was known to be removed.",
		Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200},
	})

	restoreFailures = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "agentdisconnect_restore_failures_total",
		Help: "Clean-up passes that failed: AWS refused a call or did not answer, or a person must act.",
	})

	awsCalls = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "agentdisconnect_aws_calls_total",
		Help: "Calls to AWS, retries included, by IAM action and error code (empty: no error).",
	}, []string{"action", "code"})
)

func init() {
	metrics.Registry.MustRegister(runs, expiryLateness, restoreDuration, restoreFailures, gauges.Objects, awsCalls)
}

// CountCalls has every attempt of a client's calls counted.
func CountCalls(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("CountCalls",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleDeserialize(ctx, in)
			action := strings.ToLower(awsmiddleware.GetServiceID(ctx)) + ":" + awsmiddleware.GetOperationName(ctx)
			code := aws.Code(err)
			if err != nil && code == "" {
				code = "NoAnswer"
			}
			awsCalls.WithLabelValues(action, code).Inc()
			return out, metadata, err
		}), middleware.Before)
}

// observeRestored measures how long an end took.
func observeRestored(ended, restored time.Time) {
	restoreDuration.Observe(max(restored.Sub(ended), 0).Seconds())
}

// countFailure counts a pass that something kept from cleaning up. Waiting for reads that lag is no
// error.
func (r *reconciliation) countFailure(failure error) {
	if failure == nil || run.IsRestored(r.Status()) {
		return
	}
	switch phase, _ := run.PhaseAt(r.Object, r.Now); phase {
	case run.Deleting, run.Aborted, run.Expired:
		restoreFailures.Inc()
	}
}
