// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/conditions"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// checkRules refuses a run without a rule of its own: entries of third parties deny every address
// already, so that nothing that agents do would be the run's work.
func (p *Preflight) checkRules(t *Findings, rules []v1alpha1.Rule) error {
	if len(rules) > 0 || len(run.Desired(p.Object)) == 0 {
		return nil
	}
	return problem.Refuse(v1alpha1.ReasonAlreadyDenied, "network ACL %s already denies all %s (%s): the run would create no rule, and the agents would be disconnected without it. Remove the entries that deny them, or choose another subnet",
		t.acl.ID, conditions.DescribeEndpoints(p.Status().Endpoints), denyingEntries(t.acl.Entries, run.Desired(p.Object)))
}

// explainDenied gives what stands behind a refusal of checkRules: the rules of another run, for
// which this one waits in its turn, or what keeps the network ACL from being copied. Else the
// refusal stays.
func (p *Preflight) explainDenied(ctx context.Context, t *Findings, mode v1alpha1.NetworkACLMode, refusal error) error {
	switch _, held := p.Reservations.CheckFree(ctx, p.Object, p.Clients.Region, p.ReservationFor(t)); {
	case held != nil:
		refusal = nil // said when it is its turn
	case mode == v1alpha1.NetworkACLModeClone:
		refusal = cmp.Or(p.checkOriginal(t.acl), refusal)
	}
	return refusal
}

// withoutAlreadyDenied gives the errors that were joined without the refusal of checkRules.
func withoutAlreadyDenied(trouble error) error {
	if trouble == nil {
		return nil
	}
	return errors.Join(slices.DeleteFunc(problem.Flatten(trouble), func(err error) bool { return problem.Explain(err).Reason == v1alpha1.ReasonAlreadyDenied })...)
}

// denyingEntries names the entries that deny destinations, the first few.
func denyingEntries(entries []networkacl.Entry, destinations []networkacl.Destination) string {
	var by []networkacl.Entry
	for _, d := range destinations {
		entry := networkacl.Evaluate(entries, d).Entry
		if !slices.ContainsFunc(by, entry.Equal) {
			by = append(by, entry)
		}
	}
	slices.SortFunc(by, func(a, b networkacl.Entry) int { return int(a.Number - b.Number) })
	var names []string
	for _, entry := range by {
		if entry.Number > networkacl.LastNumber {
			names = append(names, "the default entry, since no other entry allows them")
			continue
		}
		names = append(names, entry.String())
	}
	const most = 3
	if len(names) > most {
		names = append(names[:most], "and others")
	}
	return strings.Join(names, ", ")
}
