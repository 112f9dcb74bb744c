// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// noticeWithin is how long agents take at most to notice a dropped path, and ECS to tell: 4 minutes measured, and a minute
// of ECS's own.
const noticeWithin = 5 * time.Minute

// whyConnected says why agents may still be connected: within the time that agents take, that time; after it, what was
// checked and what is left, the most likely cause first.
func (f facts) whyConnected() string {
	if since := f.blockedSince(); since.IsZero() || f.now.Sub(since) < noticeWithin {
		return "Agents notice a dropped path after 1 to 4 minutes"
	}
	text := "Agents notice a dropped path after 1 to 4 minutes, and those are past."
	if checked := f.checked(); len(checked) > 0 {
		text += " Checked: " + strings.Join(checked, "; ") + "."
	}
	causes := f.causes()
	for i := range causes {
		causes[i] = fmt.Sprintf("(%d) %s", i+1, causes[i])
	}
	return text + " Left as a cause, the most likely first: " + strings.Join(causes, " ")
}

// blockedSince is when the rules were first seen in force; as long as that isn't known, when the run began.
func (f facts) blockedSince() time.Time {
	if start := f.obj.Status.StartTime; f.inForce.IsZero() && start != nil {
		return start.Time
	}
	return f.inForce
}

// checked is what can't be the cause.
func (f facts) checked() []string {
	var checked []string
	all := "all "
	if len(f.obj.Status.Exemptions) > 0 {
		all = ""
	}
	if f.aclSeen.fresh(f.now) && len(f.open) == 0 && f.elsewhere == "" {
		checked = append(checked, "the network ACL denies "+all+describeDenied(&f.obj.Status))
	}
	if f.hostsSeen.fresh(f.now) && len(f.unsettled)+len(f.failing) == 0 {
		checked = append(checked, "lookups find no other address")
	}
	if len(f.unasked) == 0 {
		checked = append(checked, "ECS names no other host")
	}
	if f.endpointsSeen.fresh(f.now) && f.mismatch == "" && len(f.privateAtHome) == 0 {
		checked = append(checked, "no VPC endpoint of ECS gives the agents another path")
	}
	return checked
}

// causes is what may be the cause, the most likely first.
func (f facts) causes() []string {
	var causes []string
	if exempt := f.obj.Status.Exemptions; len(exempt) > 0 {
		causes = append(causes, "they use "+exempt[0].CIDR+", which is not denied: "+exempt[0].Message+";")
	}
	if f.elsewhere != "" {
		causes = append(causes, f.elsewhere+";")
	}
	if len(f.open) > 0 {
		causes = append(causes, "the network ACL does not deny "+list(f.open)+";")
	}
	if len(f.privateAtHome) > 0 {
		causes = append(causes, "they use the network interface "+list(f.privateAtHome)+" in the subnet itself, where no network ACL acts;")
	}
	if f.mismatch != "" {
		causes = append(causes, f.mismatch+";")
	}
	if len(f.failing) > 0 {
		causes = append(causes, "an address is not known: lookups fail of "+list(f.failing)+", asked of "+f.resolver+";")
	}
	if len(f.unsettled) > 0 {
		causes = append(causes, "an address of "+list(f.unsettled)+" is not known yet: lookups go on, from the DNS server that the manager asks (--dns-server);")
	}
	return append(causes,
		"they connect to a host that ECS named to them earlier, which agents keep for 12 hours: the agent's log names it, and spec.additionalEndpoints takes it;",
		"they go through a proxy (HTTP_PROXY in the agent's configuration): deny the proxy's address instead")
}

// uncounted says how many container instances are there beside those that count.
func (f facts) uncounted() string {
	n := int(ptr.Deref(f.obj.Status.Agents.Uncounted, 0))
	if n == 0 {
		return ""
	}
	return ". " + plural(n, "further container instance in the subnet does", "further container instances in the subnet do") + " not count: not connected before the start, or joined since"
}

// byRules says by how many entries the addresses are denied, those of the run and others.
func (f facts) byRules() string {
	rules := plural(f.own, "rule", "rules") + " of this run"
	if f.foreign > 0 {
		rules += " and " + plural(f.foreign, "entry", "entries") + " of a third party"
	}
	return rules
}

// mayGrow says why further hosts or addresses may turn up.
func (f facts) mayGrow() string {
	text := ""
	if len(f.unsettled) > 0 {
		text += "; lookups go on, more may be found for " + list(f.unsettled)
	}
	if len(f.failing) > 0 {
		text += "; lookups fail: " + list(f.failing) + ", asked of " + f.resolver
	}
	if len(f.unasked) > 0 {
		text += fmt.Sprintf("; ECS was not asked in the last %s which hosts %s: %s", minutes(hostsLately), plural(len(f.unasked), "agent connects to", "agents connect to"), list(instanceIDs(f.unasked)))
	}
	return text
}

func (f facts) andMismatch() string {
	if f.mismatch == "" {
		return ""
	}
	return "; " + f.mismatch
}

// howUsed says how a network ACL is used and why, for one that is not the subnet's own alone.
func (f facts) howUsed() string {
	acl := f.obj.Status.NetworkACL
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
