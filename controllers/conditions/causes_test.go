// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

// Facts about what may keep agents connected.

func endpointsSeen(f *Input) { f.EndpointsSeen = run.LookedAt(f.Now, 0) }

func interfaceAtHome(f *Input) { f.PrivateInSubnet = []string{"eni-1 of vpce-1"} }

func unaskedAll(f *Input) { f.Unasked = []string{one, two} }

func otherPath(f *Input) { f.PathMismatch = "ECS named the public host a" }

func more(n int32) happened {
	return func(f *Input) { f.Object.Status.Agents.Uncounted = new(n) }
}

func elsewhere(f *Input) { f.Elsewhere = "subnet s is not on network ACL a, as last read" }

// failing: the DNS server does not answer about a host.
func failing(f *Input) {
	f.Failing, f.Resolver = []string{"ecs-t.example (AAAA: the DNS server fails)"}, "DNS server 10.0.0.2:53"
}

// exempting: the run was found not to deny these ranges.
func exempting(ranges ...string) happened {
	return func(f *Input) {
		for _, cidr := range ranges {
			f.Object.Status.Exemptions = append(f.Object.Status.Exemptions, v1alpha1.Exemption{
				CIDR: cidr, Reason: v1alpha1.ReasonProtectedAddress, Message: cidr + " is of the STS API",
			})
		}
	}
}

func TestWhyAgentsMayStillBeConnected(t *testing.T) {
	const (
		still    = "2 agents are still connected: 3f1b, 7c9e. Agents notice a dropped path after 1 to 4 minutes, and that time has passed. "
		denied   = "the network ACL denies all 3 addresses of 2 hosts"
		settled  = "lookups find no other address; ECS names no other host"
		asked    = "ECS names no other host"
		noOther  = "no VPC endpoint for ECS gives the agents another path"
		left     = " Remaining causes, the most likely first: "
		letsOne  = "the network ACL does not deny 192.0.2.3/32;"
		atHome   = "they use the network interface eni-1 of vpce-1 in the subnet itself, where no network ACL acts;"
		mismatch = "ECS named the public host a;"
		moved    = "subnet s is not on network ACL a, as last read;"
		exempt   = "they use 192.0.2.3/32, which is not denied: 192.0.2.3/32 is of the STS API;"
		failed   = "an address is not known: lookups with DNS server 10.0.0.2:53 fail for ecs-t.example (AAAA: the DNS server fails);"
		unknown  = "an address of ecs-t.example is not known yet: lookups go on, with the DNS server that the manager asks (--dns-server);"
		alone    = "they connect to a host that ECS named to them earlier, which agents keep for 12 hours: the agent's log names it, and spec.additionalEndpoints takes it;"
		proxy    = "they go through a proxy (HTTP_PROXY in the agent's configuration): deny the proxy's address instead"
	)
	causes := func(all ...string) string {
		text := left
		for i, cause := range append(all, alone, proxy) {
			text += fmt.Sprintf("(%d) %s ", i+1, cause)
		}
		return strings.TrimSuffix(text, " ")
	}
	for name, tc := range map[string]struct {
		happened []happened
		want     string
	}{
		"all that can be checked was": {[]happened{read, endpointsSeen}, still + "Checked: " + denied + "; " + settled + "; " + noOther + "." + causes()},
		"a further instance joined": {[]happened{read, endpointsSeen, more(1)}, still + "Checked: " + denied + "; " + settled + "; " + noOther + "." + causes() +
			". 1 further container instance in the subnet is not tracked: not connected before the start, or joined later"},
		"addresses may be missing":           {[]happened{read, endpointsSeen, stillGrowing}, still + "Checked: " + denied + "; " + asked + "; " + noOther + "." + causes(unknown)},
		"the manager has just started":       {[]happened{stillGrowing, unaskedAll}, strings.TrimSuffix(still, " ") + causes(unknown)},
		"the VPC's endpoints aren't known":   {[]happened{read}, still + "Checked: " + denied + "; " + settled + "." + causes()},
		"an interface is in the subnet":      {[]happened{read, endpointsSeen, interfaceAtHome}, still + "Checked: " + denied + "; " + settled + "." + causes(atHome)},
		"the manager's path is another one":  {[]happened{read, endpointsSeen, otherPath}, still + "Checked: " + denied + "; " + settled + "." + causes(mismatch)},
		"a rule is missing":                  {[]happened{lets("192.0.2.3/32"), endpointsSeen}, still + "Checked: " + settled + "; " + noOther + "." + causes(letsOne)},
		"the subnet is on another one":       {[]happened{read, endpointsSeen, elsewhere}, still + "Checked: " + settled + "; " + noOther + "." + causes(moved)},
		"lookups of a host fail":             {[]happened{read, endpointsSeen, failing}, still + "Checked: " + denied + "; " + asked + "; " + noOther + "." + causes(failed)},
		"an address is not denied":           {[]happened{read, endpointsSeen, exempting("192.0.2.3/32")}, still + "Checked: the network ACL denies 2 addresses of 2 hosts; " + settled + "; " + noOther + "." + causes(exempt)},
		"several are not denied":             {[]happened{read, endpointsSeen, exempting("192.0.2.3/32", "192.0.2.1/32")}, still + "Checked: the network ACL denies 1 address of 2 hosts; " + settled + "; " + noOther + "." + causes(exempt)},
		"everything at once, in their order": {[]happened{lets("192.0.2.1/32"), exempting("192.0.2.3/32"), endpointsSeen, stillGrowing, failing, elsewhere, otherPath, interfaceAtHome, unaskedAll}, strings.TrimSuffix(still, " ") + causes(exempt, moved, strings.Replace(letsOne, ".3/", ".1/", 1), atHome, mismatch, failed, unknown)},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(messageOf(facing(run.Active, append([]happened{started}, tc.happened...)...), v1alpha1.ConditionAgentsDisconnected)).To(Equal(tc.want))
		})
	}
}

func TestCausesAreNamedOnlyWhenAgentsHadTheTimeToNotice(t *testing.T) {
	g := NewWithT(t)
	f := facing(run.Active, started, read, interfaceAtHome)
	f.Now = runtest.Start.Add(5*time.Minute - time.Second)
	g.Expect(messageOf(f, v1alpha1.ConditionAgentsDisconnected)).To(Equal("2 agents are still connected: 3f1b, 7c9e. Agents notice a dropped path after 1 to 4 minutes"))
	f.Now = runtest.Start.Add(5 * time.Minute)
	said := messageOf(f, v1alpha1.ConditionAgentsDisconnected)
	g.Expect(said).To(ContainSubstring("(1) they use the network interface"))
	f.Now = runtest.Start.Add(9*time.Minute + 59*time.Second)
	f.ACLSeen.At, f.AgentsSeen.At, f.HostsSeen.At = f.Now, f.Now, f.Now
	g.Expect(messageOf(f, v1alpha1.ConditionAgentsDisconnected)).To(Equal(said), "the same as long as the facts are the same")
}

func TestCausesFitWhateverTheirNumberAndLength(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := facing(run.Active, started, endpointsSeen, more(1000))
		long := rapid.SliceOfN(rapid.Just(strings.Repeat("x", 253)), 0, 80)
		f.Open, f.Unsettled, f.PrivateInSubnet = long.Draw(t, "open"), long.Draw(t, "unsettled"), long.Draw(t, "interfaces")
		f.PathMismatch = strings.Repeat("y", rapid.IntRange(0, 1024).Draw(t, "mismatch"))
		if rapid.Bool().Draw(t, "ACL read") {
			read(&f)
		}
		f.Object.Status.Agents.ContainerInstances = nil
		for i := range rapid.IntRange(1, v1alpha1.MaxContainerInstances).Draw(t, "agents") {
			f.Object.Status.Agents.ContainerInstances = append(f.Object.Status.Agents.ContainerInstances, v1alpha1.ContainerInstance{
				ARN: fmt.Sprintf("%s/%0200d", one, i), Connected: new(true),
			})
		}
		run.CountAgents(f.Object.Status.Agents)
		said := messageOf(f, v1alpha1.ConditionAgentsDisconnected)
		if len(said) > 8192 {
			t.Fatalf("%d characters, of which the API takes 32768 and a person far fewer", len(said))
		}
		if !strings.Contains(said, fmt.Sprintf("%d agent", ptr.Deref(f.Object.Status.Agents.Total, 0))) {
			t.Fatal(said)
		}
	})
}
