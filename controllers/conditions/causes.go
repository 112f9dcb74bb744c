// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// NoticeWithin is how long agents take at most to notice a dropped path, and ECS to tell: 4 minutes
// measured, and a minute of ECS's own.
const NoticeWithin = 5 * time.Minute

// whyConnected says why agents may still be connected: within the time that agents take, that time;
// after it, what was checked and what is left, the most likely cause first.
func (f Input) whyConnected() string {
	if since := f.blockedSince(); since.IsZero() || f.Now.Sub(since) < NoticeWithin {
		return "Agents notice a dropped path after 1 to 4 minutes"
	}

	text := "Agents notice a dropped path after 1 to 4 minutes, and that time has passed."
	if checked := f.checked(); len(checked) > 0 {
		text += " Checked: " + strings.Join(checked, "; ") + "."
	}

	causes := f.causes()
	for i := range causes {
		causes[i] = fmt.Sprintf("(%d) %s", i+1, causes[i])
	}
	return text + " Remaining causes, the most likely first: " + strings.Join(causes, " ")
}

// blockedSince is when the rules were first seen in force; as long as that isn't known, when the
// run began.
func (f Input) blockedSince() time.Time {
	if start := f.Object.Status.StartTime; f.EnforcedSince.IsZero() && start != nil {
		return start.Time
	}
	return f.EnforcedSince
}

// checked is what can't be the cause.
func (f Input) checked() []string {
	var checked []string
	all := "all "
	if len(f.Object.Status.Exemptions) > 0 {
		all = ""
	}

	if f.ACLSeen.Fresh(f.Now) && len(f.Open) == 0 && f.Elsewhere == "" {
		checked = append(checked, "the network ACL denies "+all+describeDenied(&f.Object.Status))
	}

	if f.HostsSeen.Fresh(f.Now) && len(f.Unsettled)+len(f.Failing) == 0 {
		checked = append(checked, "lookups find no other address")
	}

	if len(f.Unasked) == 0 {
		checked = append(checked, "ECS names no other host")
	}

	if f.EndpointsSeen.Fresh(f.Now) && f.PathMismatch == "" && len(f.PrivateInSubnet) == 0 {
		checked = append(checked, "no VPC endpoint for ECS gives the agents another path")
	}
	return checked
}

// causes is what may be the cause, the most likely first.
func (f Input) causes() []string {
	var causes []string
	if exempt := f.Object.Status.Exemptions; len(exempt) > 0 {
		causes = append(causes, "they use "+exempt[0].CIDR+", which is not denied: "+exempt[0].Message+";")
	}

	if f.Elsewhere != "" {
		causes = append(causes, f.Elsewhere+";")
	}

	if len(f.Open) > 0 {
		causes = append(causes, "the network ACL does not deny "+problem.List(f.Open)+";")
	}

	if len(f.PrivateInSubnet) > 0 {
		causes = append(causes, "they use the network interface "+problem.List(f.PrivateInSubnet)+" in the subnet itself, where no network ACL acts;")
	}

	if f.PathMismatch != "" {
		causes = append(causes, f.PathMismatch+";")
	}

	if len(f.Failing) > 0 {
		causes = append(causes, "an address is not known: lookups with "+f.Resolver+" fail for "+problem.List(f.Failing)+";")
	}

	if len(f.Unsettled) > 0 {
		causes = append(causes, "an address of "+problem.List(f.Unsettled)+" is not known yet: lookups go on, with the DNS server that the manager asks (--dns-server);")
	}

	return append(causes,
		"they connect to a host that ECS named to them earlier, which agents keep for 12 hours: the agent's log names it, and spec.additionalEndpoints takes it;",
		"they go through a proxy (HTTP_PROXY in the agent's configuration): deny the proxy's address instead")
}

// untracked says how many container instances are there beside the tracked ones.
func (f Input) untracked() string {
	n := int(ptr.Deref(f.Object.Status.Agents.Uncounted, 0))
	if n == 0 {
		return ""
	}
	return ". " + problem.Plural(n, "further container instance in the subnet is", "further container instances in the subnet are") + " not tracked: not connected before the start, or joined later"
}

// byRules says by how many entries the addresses are denied, those of the run and others.
func (f Input) byRules() string {
	rules := problem.Plural(f.Own, "rule", "rules") + " of this run"
	if f.Foreign > 0 {
		rules += " and " + problem.Plural(f.Foreign, "entry", "entries") + " of a third party"
	}
	return rules
}

// mayGrow says why further hosts or addresses may turn up.
func (f Input) mayGrow() string {
	text := ""
	if len(f.Unsettled) > 0 {
		text += "; lookups go on, more may be found for " + problem.List(f.Unsettled)
	}
	if len(f.Failing) > 0 {
		text += "; lookups with " + f.Resolver + " fail for " + problem.List(f.Failing)
	}
	if len(f.Unasked) > 0 {
		text += fmt.Sprintf("; ECS was not asked in the last %s which hosts %s: %s", problem.Minutes(discovery.HostsLately), problem.Plural(len(f.Unasked), "agent connects to", "agents connect to"), problem.List(run.InstanceIDs(f.Unasked)))
	}
	return text
}

func (f Input) andMismatch() string {
	if f.PathMismatch == "" {
		return ""
	}
	return "; " + f.PathMismatch
}

// howUsed says how a network ACL is used and why, for one that is not the subnet's own alone. Which
// other subnets a clone acts on is not said: they are a third party's doing, and end the run.
func (f Input) howUsed() string {
	acl := f.Object.Status.NetworkACL
	if acl == nil {
		return ""
	}

	switch {
	case acl.Mode == v1alpha1.NetworkACLModeClone && acl.ModeReason == v1alpha1.NetworkACLModeShared:
		return fmt.Sprintf(" (a clone of %s, which other subnets share)", acl.OriginalID)
	case acl.Mode == v1alpha1.NetworkACLModeClone:
		return fmt.Sprintf(" (a clone of %s, as requested)", acl.OriginalID)
	default:
		return f.describeHit()
	}
}
