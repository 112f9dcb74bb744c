// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/dns"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/fabric"
)

// patience bounds what would never come. No test depends on how fast the machine is.
const patience = 5 * time.Minute

func TestMain(m *testing.M) {
	SetDefaultEventuallyTimeout(patience)
	m.Run()
}

// zone is the Region's DNS.
type zone struct{}

func (zone) Lookup(host string) []netip.Addr { return hosts[host] }

// All of it over real sockets and in real time, scaled: agents, DNS, fabric, servers. What the bubble's tests measure is not measured
// again here, where a busy machine decides how long things take: only what happens, in which order and why.
func TestOutboundDropOverRealSockets(t *testing.T) {
	g := NewWithT(t)
	const scale = 200
	before := gleak.Goroutines()

	resolver, err := dns.Start(t.Context(), dns.Options{Zone: zone{}})
	g.Expect(err).NotTo(HaveOccurred())
	r := &region{}
	f := fabric.New(fabric.Options{Judge: r.judge, Scale: scale})
	control, err := StartControlPlane(t.Context(), ControlPlaneOptions{Fabric: f, OnSession: r.onSession, Scale: scale})
	g.Expect(err).NotTo(HaveOccurred())
	for k, host := range map[Kind]string{ACS: acsHost, TCS: tcsHost} {
		for _, addr := range hosts[host] {
			control.Serve(k, netip.AddrPortFrom(addr, 443))
		}
	}
	lookup := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, resolver.Addr())
	}}
	var agents []*Agent
	for i := range 2 {
		agents = append(agents, New(Options{
			Cluster: cluster, ContainerInstanceARN: fmt.Sprint(instanceARN, i),
			Host:   fabric.Host{SubnetID: "subnet-a", IP: netip.AddrFrom4([4]byte{10, 0, 1, byte(10 + i)})},
			Fabric: f, Discover: r.discover, Scale: scale, Seed: uint64(i),
			Resolve: func(ctx context.Context, host string) ([]netip.Addr, error) {
				return lookup.LookupNetIP(ctx, "ip4", host+".")
			},
		}))
		agents[i].Start(t.Context())
	}
	// all reports whether every session is up, or every one is down, for the agents and for the servers.
	all := func(up bool) func() bool {
		return func() bool {
			for i, a := range agents {
				for _, k := range kinds {
					if a.Connected(k) != up || control.Connected(k, fmt.Sprint(instanceARN, i)) != up {
						return false
					}
				}
			}
			return true
		}
	}
	g.Eventually(all(true)).Should(BeTrue())

	start := time.Now()
	r.deny(egress)
	g.Eventually(all(false)).Should(BeTrue())
	for i, a := range agents {
		g.Eventually(func() bool { return contains(a.Log(), "Error connecting to TCS") }).Should(BeTrue())
		var words []string
		for _, l := range a.Log() {
			if l.Time.After(start) {
				words = append(words, l.String())
			}
		}
		log := strings.Join(words, "\n")
		g.Expect(log).To(MatchRegexp(`"Error connecting to TCS" error=".*: dial tcp 52\.119\.\d+\.\d+:443: i/o timeout`), "agent %d", i)
		g.Expect(log).NotTo(Or(ContainSubstring("refused"), ContainSubstring("reset")), "packets vanish")
	}

	r.deny(nil)
	g.Eventually(all(true)).Should(BeTrue())

	for _, a := range agents {
		a.Stop()
	}
	g.Eventually(all(false)).Should(BeTrue())
	g.Expect(control.Close()).To(Succeed())
	g.Expect(f.Close()).To(Succeed())
	g.Expect(resolver.Close()).To(Succeed())
	g.Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before))
}

func TestServerRefusesWhatIsNoAgent(t *testing.T) {
	g := NewWithT(t)
	f := fabric.New(fabric.Options{Judge: func(fabric.Packet) bool { return true }})
	control, err := StartControlPlane(t.Context(), ControlPlaneOptions{Fabric: f})
	g.Expect(err).NotTo(HaveOccurred())
	server := netip.MustParseAddrPort("52.119.223.69:443")
	control.Serve(ACS, server)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return f.Dial(ctx, fabric.Host{SubnetID: "subnet-a", IP: netip.MustParseAddr("10.0.1.10")}, server)
	}}
	for path, want := range map[string]int{
		"/ws":                 http.StatusBadRequest,
		"/ws?clusterArn=demo": http.StatusBadRequest,
		"/?clusterArn=demo&containerInstanceArn=arn":   http.StatusBadRequest,
		"/ws?clusterArn=demo&containerInstanceArn=arn": http.StatusUpgradeRequired,
	} {
		response, err := (&http.Client{Transport: transport}).Get("http://" + acsHost + ":443" + path)
		g.Expect(err).NotTo(HaveOccurred())
		_ = response.Body.Close()
		g.Expect(response.StatusCode).To(Equal(want), path)
	}
	transport.CloseIdleConnections()
	g.Expect(control.Close()).To(Succeed())
	g.Expect(f.Close()).To(Succeed())
}
