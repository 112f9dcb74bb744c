// SPDX-License-Identifier: Apache-2.0

package target

import (
	"context"
	"errors"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// limits are what the run does not deny, as far as it is known.
func (t *Target) limits() limits {
	known := limits{hosts: map[string]string{}, subnetRanges: t.seen.subnetRanges}
	for _, host := range t.Clients.APIHosts {
		known.hosts[host.Hostname] = host.API
	}
	known.protected = slices.Concat(t.seen.protected, discovery.ProtectedInterfaces(t.Cache.Endpoints.Value()))
	discovery.SortProtected(known.protected)
	return known
}

// ExplainUnprotected says why a run waits for what it must not deny to be known.
func ExplainUnprotected(err error) error {
	if err == nil {
		return nil
	}

	var unknown *discovery.UnprotectedError
	switch {
	case errors.As(err, &unknown):
		explain := problem.Wait
		if unknown.NotFound {
			explain = problem.Refuse
		}
		return explain(v1alpha1.ReasonAWSUnavailable, "%s. No run may deny these addresses, so the run begins when they are known: check the Region, and the DNS server that the manager asks (--dns-server)", unknown)
	case apierrors.IsForbidden(err):
		return problem.Refuse(v1alpha1.ReasonAccessDenied, "the API server does not let the manager find its addresses, which the run must not deny: grant get on endpointslices named kubernetes (config/rbac/role.yaml)")
	default:
		return problem.Wait(v1alpha1.ReasonAWSUnavailable, "the addresses that the run must not deny are not all known yet: %s", aws.Message(err))
	}
}

// exempt takes what must not be denied out of what the run denies, as soon as it is known; a rule
// that is in place goes.
func (t *Target) exempt() {
	all, full := recordExemptions(t.Status().Exemptions, exemptions(run.Desired(t.Object), t.limits()))
	t.Status().Exemptions = all
	if full {
		t.Abort(v1alpha1.AbortPlanDoesNotFit, "more than %d of the addresses to deny are protected", v1alpha1.MaxExemptions)
	}
}

// LookUpProtected brings the addresses up to date that the run must not deny, and reports whether
// any are known. What was known before stays so. The error says that some may be missing: then no
// run begins.
func (t *Target) LookUpProtected(ctx context.Context) (known bool, err error) {
	found, err := t.Guards.LookUp(ctx, t.Clients.Region, t.Clients.APIHosts, t.Now)
	if len(found) > 0 {
		t.seen.protected = found
	}
	return len(found) > 0, err
}

// ProtectedRefusals are why a run with the destinations does not begin: they are protected, or no
// network ACL acts on them.
func (t *Target) ProtectedRefusals() []error {
	return exemptionRefusals(exemptions(run.Desired(t.Object), t.limits()))
}
