// SPDX-License-Identifier: Apache-2.0

package answers_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/aws/apihosts"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/dns"
)

const lookupInterval = 5 * time.Second

var (
	ecsAPI     = apihosts.Host{Hostname: "ecs.example", API: "the ECS API", Required: true}
	monitoring = apihosts.Host{Hostname: "monitoring.example", API: "the CloudWatch API"}
	// ownHost is one of the manager's configuration, which the system's resolver is asked for: an
	// address needs no DNS.
	ownHost = apihosts.Host{Hostname: "192.0.2.99", API: "the STS API", Own: true}
	hosts   = []apihosts.Host{ecsAPI, monitoring, ownHost}
)

// zone is what DNS knows, and what it was asked for since it was last looked at.
type zone struct {
	mu    sync.Mutex
	hosts map[string]string
	asked map[string]bool
}

func (z *zone) Lookup(host string) []netip.Addr {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked[host] = true
	if address, err := netip.ParseAddr(z.hosts[host]); err == nil {
		return []netip.Addr{address}
	}
	return nil
}

func (z *zone) names() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	var names []string
	for name := range z.asked {
		names = append(names, name)
	}
	z.asked = map[string]bool{}
	slices.Sort(names)
	return names
}

func (z *zone) set(host, address string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.hosts[host] = address
}

// guard gives Guards that ask a zone, and a Kubernetes API server at 192.0.2.66.
func guard(t *testing.T) (*answers.Guards, *zone) {
	t.Helper()
	z := &zone{hosts: map[string]string{ecsAPI.Hostname: "192.0.2.1", monitoring.Hostname: "192.0.2.2"}, asked: map[string]bool{}}
	server, err := dns.Start(t.Context(), dns.Options{Zone: z})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = server.Close() })
	return &answers.Guards{
		Resolver: discovery.NewResolver(server.Addr()), Interval: lookupInterval,
		APIServer: func(context.Context) ([]discovery.Protected, error) { return []discovery.Protected{apiServer}, nil },
	}, z
}

var apiServer = discovery.Protected{Address: netip.MustParseAddr("192.0.2.66"), Name: "kubernetes", API: "the Kubernetes API"}

func addressesOf(all []discovery.Protected) []string {
	var texts []string
	for _, p := range all {
		texts = append(texts, p.Address.String())
	}
	return texts
}

func TestProtectedAddressesAreLookedUpAsOftenAsTheyAreNeeded(t *testing.T) {
	g := NewWithT(t)
	guards, z := guard(t)
	lookUp := func(at time.Duration) []string {
		found, err := guards.LookUp(t.Context(), here, hosts, start.Add(at))
		g.Expect(err).NotTo(HaveOccurred())
		return addressesOf(found)
	}
	g.Expect(lookUp(0)).To(Equal([]string{"192.0.2.1", "192.0.2.2", "192.0.2.66", "192.0.2.99"}), "of every kind, sorted")
	g.Expect(z.names()).To(Equal([]string{"ecs.example", "monitoring.example"}))

	z.set(ecsAPI.Hostname, "192.0.2.3")
	z.set(monitoring.Hostname, "192.0.2.4")
	g.Expect(lookUp(lookupInterval - 1)).To(HaveLen(4))
	g.Expect(z.names()).To(BeEmpty(), "none is due")
	g.Expect(lookUp(lookupInterval)).To(Equal([]string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.66", "192.0.2.99"}), "what DNS no longer gives stays")
	g.Expect(z.names()).To(Equal([]string{"ecs.example"}), "what callers use")
	lookUp(2*lookupInterval - 1)
	g.Expect(z.names()).To(BeEmpty(), "each look counts")

	g.Expect(lookUp(2*time.Minute - 1)).To(HaveLen(5))
	g.Expect(z.names()).To(Equal([]string{"ecs.example"}))
	g.Expect(lookUp(2 * time.Minute)).To(ContainElement("192.0.2.4"))
	g.Expect(z.names()).To(Equal([]string{"ecs.example", "monitoring.example"}), "all are due, though callers' are not")
}

func TestAnAddressIsProtectedForTwiceTheLongestRun(t *testing.T) {
	g := NewWithT(t)
	guards, z := guard(t)
	_, err := guards.LookUp(t.Context(), here, hosts, start)
	g.Expect(err).NotTo(HaveOccurred())
	z.set(ecsAPI.Hostname, "192.0.2.3")
	found, err := guards.LookUp(t.Context(), here, hosts, start.Add(2*options.LongestDuration))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(addressesOf(found)).To(ContainElement("192.0.2.1"))
	found, err = guards.LookUp(t.Context(), here, hosts, start.Add(2*options.LongestDuration+lookupInterval))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(addressesOf(found)).To(Equal([]string{"192.0.2.2", "192.0.2.3", "192.0.2.66", "192.0.2.99"}))
}

func TestAFailureIsToldBesideTheAddressesThatAreKnown(t *testing.T) {
	g := NewWithT(t)
	guards, z := guard(t)
	failure := errors.New("no kubeconfig")
	guards.APIServer = func(context.Context) ([]discovery.Protected, error) { return nil, failure }
	for n, at := range []time.Duration{0, lookupInterval - 1} {
		found, err := guards.LookUp(t.Context(), here, hosts, start.Add(at))
		g.Expect(err).To(MatchError(failure))
		g.Expect(addressesOf(found)).To(Equal([]string{"192.0.2.1", "192.0.2.2", "192.0.2.99"}))
		g.Expect(z.names()).To(HaveLen([]int{2, 0}[n]), "all objects of a Region ask")
	}
	guards.APIServer = nil
	_, err := guards.LookUp(t.Context(), here, hosts, start.Add(lookupInterval))
	g.Expect(err).NotTo(HaveOccurred(), "the next look is at everything, and there is no API server to ask for")
	g.Expect(z.names()).To(HaveLen(2))

	z.set(ecsAPI.Hostname, "")
	_, err = guards.LookUp(t.Context(), here, hosts, start.Add(2*lookupInterval))
	g.Expect(err).To(MatchError(ContainSubstring("ecs.example")))
	z.names()
	_, err = guards.LookUp(t.Context(), here, hosts, start.Add(3*lookupInterval-1))
	g.Expect(err).To(MatchError(ContainSubstring("ecs.example")))
	g.Expect(z.names()).To(BeEmpty(), "a failure has nothing looked up before its time")
	_, _ = guards.LookUp(t.Context(), here, hosts, start.Add(3*lookupInterval))
	g.Expect(z.names()).To(HaveLen(2))
	_, err = guards.LookUp(t.Context(), elsewhere, hosts[1:], start)
	g.Expect(err).NotTo(HaveOccurred(), "another Region's are others")
}

func TestManyProtectedAddressesAreSorted(t *testing.T) {
	g := NewWithT(t)
	guards, _ := guard(t)
	guards.APIServer = func(context.Context) (found []discovery.Protected, _ error) {
		for i := range 40 {
			found = append(found, discovery.Protected{Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(40 - i)}), Name: fmt.Sprint(i)})
		}
		return found, nil
	}
	found, err := guards.LookUp(t.Context(), here, nil, start)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(HaveLen(40))
	g.Expect(slices.IsSortedFunc(found, func(a, b discovery.Protected) int { return a.Address.Compare(b.Address) })).To(BeTrue())
}

func TestOneLookAtProtectedAddressesServesAllThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		looks, answer := 0, make(chan struct{})
		guards := &answers.Guards{Resolver: discovery.NewResolver(""), Interval: lookupInterval, APIServer: func(context.Context) ([]discovery.Protected, error) {
			looks++
			<-answer
			return []discovery.Protected{apiServer}, nil
		}}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		found, err := guards.LookUp(ctx, here, nil, start)
		g.Expect(err).To(MatchError(context.Canceled), "a pass that ends does not wait")
		g.Expect(found).To(BeEmpty())
		got := make(chan []discovery.Protected, 2)
		for range 2 {
			go func() {
				found, _ := guards.LookUp(t.Context(), here, nil, start)
				got <- found
			}()
		}
		synctest.Wait()
		close(answer)
		for range 2 {
			g.Expect(addressesOf(<-got)).To(Equal([]string{"192.0.2.66"}))
		}
		g.Expect(looks).To(Equal(1), "the one that the first pass began")
	})
}

func TestALookAtProtectedAddressesIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		var looking context.Context
		guards := &answers.Guards{Resolver: discovery.NewResolver(""), Interval: lookupInterval, APIServer: func(ctx context.Context) ([]discovery.Protected, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		began := time.Now()
		_, err := guards.LookUp(t.Context(), here, nil, start)
		g.Expect(err).To(MatchError(context.DeadlineExceeded))
		g.Expect(time.Since(began)).To(Equal(10 * time.Second))

		guards.APIServer = func(ctx context.Context) ([]discovery.Protected, error) { looking = ctx; return nil, nil }
		_, err = guards.LookUp(t.Context(), here, nil, start.Add(lookupInterval))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(looking.Err()).To(MatchError(context.Canceled), "what it began ends with it")
	})
}
