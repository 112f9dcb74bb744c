// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
)

// Half an hour after it connected, an agent reconnects by plan, at once.
func TestPlannedReconnect(t *testing.T) {
	inBubble(t, 1, func(r *rig) {
		start := time.Now()
		time.Sleep(29 * time.Minute)
		r.Expect(r.eventsSince(start)).To(BeEmpty())
		r.Expect(r.logged("closed for a valid reason", start)).To(BeEmpty())
		time.Sleep(7 * time.Minute)
		synctest.Wait()
		r.connected(true, true)
		for _, k := range kinds {
			closed := r.logged(map[Kind]string{ACS: "ACS WebSocket", TCS: "TCS Websocket"}[k]+" connection closed for a valid reason", start)
			back := r.logged("Connected to "+string(k)+" endpoint", start)[1:]
			r.Expect(closed).To(HaveLen(1), string(k))
			r.Expect(back).To(Equal(closed), string(k))
			r.Expect(closed[0]).To(And(BeNumerically(">=", 30*time.Minute), BeNumerically("<=", 35*time.Minute)))
			r.Expect(r.control.Sessions(k, instanceARN)).To(Equal(1))
		}
	})
}

func TestPlannedReconnectIntoADropDoesNotHang(t *testing.T) {
	inBubble(t, 2, func(r *rig) {
		time.Sleep(29*time.Minute + 50*time.Second)
		r.deny(egress)
		r.within(4*time.Minute, func() bool { return !r.agent.Connected(ACS) && !r.agent.Connected(TCS) })
	})
}

func TestCloseCodes(t *testing.T) {
	for code, atOnce := range map[int]bool{1000: true, 1001: true, 1011: true, 1008: false, 1013: false} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			inBubble(t, 3, func(r *rig) {
				time.Sleep(time.Minute)
				start := time.Now()
				for _, k := range kinds {
					r.control.Disconnect(k, instanceARN, code)
				}
				time.Sleep(5 * time.Second)
				synctest.Wait()
				for k, least := range map[Kind]time.Duration{ACS: 250 * time.Millisecond, TCS: time.Second} {
					back := r.logged("Connected to "+string(k)+" endpoint", start)
					r.Expect(back).To(HaveLen(1), r.log())
					if atOnce {
						r.Expect(back[0]).To(BeZero())
					} else {
						r.Expect(back[0]).To(And(BeNumerically(">=", least), BeNumerically("<=", least*6/5)))
					}
					r.Expect(r.control.Sessions(k, instanceARN)).To(Equal(1))
				}
			})
		})
	}
}

func TestEndpointsAreCachedAndOldOnesUsedInNeed(t *testing.T) {
	inBubble(t, 4, func(r *rig) {
		time.Sleep(11*time.Hour + 20*time.Minute)
		r.Expect(r.discoveries()).To(Equal(1))
		r.Expect(contains(r.agent.Log(), "Using cached DiscoverPollEndpoint")).To(BeTrue())
		r.failDiscovery(errThrottled)
		time.Sleep(2 * time.Hour)
		r.Expect(r.discoveries()).To(BeNumerically(">", 1))
		r.connected(true, true)
		r.Expect(r.log()).To(ContainSubstring("Using cached-but-expired endpoint as a fallback"))

		// A new process has nothing to fall back on.
		r.agent.Restart(r.t.Context())
		time.Sleep(time.Hour)
		r.connected(false, false)
		r.Expect(r.log()).To(ContainSubstring(`msg="ACS: Unable to discover poll endpoint" error="ThrottlingException`))
		r.failDiscovery(nil)
		r.within(3*time.Minute, func() bool { return r.agent.Connected(ACS) && r.agent.Connected(TCS) })
	})
}

func TestEveryDialResolvesAfresh(t *testing.T) {
	inBubble(t, 5, func(r *rig) {
		for range 3 {
			r.control.Disconnect(ACS, instanceARN, 1000)
			time.Sleep(time.Second)
			r.connected(true, true)
		}
		r.Expect(r.lookupsOf(acsHost)).To(Equal(4))
		r.Expect(r.lookupsOf(tcsHost)).To(Equal(1))
	})
}

func TestHostWithoutAddress(t *testing.T) {
	inBubble(t, 6, func(r *rig) {
		r.agent.Stop()
		r.agent.o.Resolve = func(context.Context, string) ([]netip.Addr, error) {
			return nil, &net.DNSError{Err: "no such host", Name: tcsHost, IsNotFound: true}
		}
		r.agent.Start(r.t.Context())
		time.Sleep(time.Minute)
		r.connected(false, false)
		r.Expect(r.log()).To(ContainSubstring("dial tcp: lookup ecs-t-4.ap-northeast-1.amazonaws.com: no such host"))
	})
}

// A dialer that knows several addresses shares its time among them.
func TestDialTriesAllAddresses(t *testing.T) {
	inBubble(t, 7, func(r *rig) {
		r.agent.Stop()
		r.agent.o.Resolve = func(_ context.Context, host string) ([]netip.Addr, error) {
			return append(addrs("192.0.2.1", "192.0.2.2"), hosts[host]...), nil
		}
		r.agent.Start(r.t.Context())
		took := r.within(time.Minute, func() bool { return r.agent.Connected(ACS) && r.agent.Connected(TCS) })
		r.Expect(took).To(BeNumerically("~", 12*time.Second, time.Second), "6 s each of 30 s for the first two of five")
	})
}

func TestBackoff(t *testing.T) {
	g := NewWithT(t)
	timing := newTiming(1, 1)
	for k, want := range map[Kind][]time.Duration{
		ACS: {250 * time.Millisecond, 375 * time.Millisecond, 562500 * time.Microsecond},
		TCS: {time.Second, 2 * time.Second, 4 * time.Second},
	} {
		b := newBackoff(k)
		for round := range 2 {
			for _, w := range want {
				d := b.next(timing)
				g.Expect(d).To(And(BeNumerically(">=", w), BeNumerically("<=", w*6/5)), "%s, round %d", k, round)
			}
			b.reset()
		}
		for range 30 {
			b.next(timing)
		}
		g.Expect(b.next(timing)).To(And(BeNumerically(">=", b.most), BeNumerically("<=", b.most*6/5)))
	}
}

func TestTarget(t *testing.T) {
	for endpoint, want := range map[string]target{
		"https://ecs-a-4.ap-northeast-1.amazonaws.com/": {
			"ecs-a-4.ap-northeast-1.amazonaws.com", "443",
			"https://ecs-a-4.ap-northeast-1.amazonaws.com/ws?a=b", "ws://ecs-a-4.ap-northeast-1.amazonaws.com/ws?a=b",
		},
		"https://ecs-a-4.cn-north-1.amazonaws.com.cn": {
			"ecs-a-4.cn-north-1.amazonaws.com.cn", "443",
			"https://ecs-a-4.cn-north-1.amazonaws.com.cn/ws?a=b", "ws://ecs-a-4.cn-north-1.amazonaws.com.cn/ws?a=b",
		},
		"https://ecs-a.ap-northeast-1.amazonaws.com/acs/1/": {
			"ecs-a.ap-northeast-1.amazonaws.com", "443",
			"https://ecs-a.ap-northeast-1.amazonaws.com/acs/1/ws?a=b", "ws://ecs-a.ap-northeast-1.amazonaws.com/acs/1/ws?a=b",
		},
		"http://example.com:8080": {"example.com", "8080", "http://example.com:8080/ws?a=b", "ws://example.com:8080/ws?a=b"},
		"ws://example.com":        {"example.com", "80", "ws://example.com/ws?a=b", "ws://example.com/ws?a=b"},
	} {
		t.Run(endpoint, func(t *testing.T) {
			g := NewWithT(t)
			got, err := parseTarget(endpoint, url.Values{"a": {"b"}})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(want))
		})
	}
	for endpoint, want := range map[string]string{
		"ftp://example.com/": "unknown scheme ftp",
		"ecs-a-4":            "unknown scheme",
		"https:///acs":       "no host",
		"https://[::1":       "missing ']'",
	} {
		t.Run(endpoint, func(t *testing.T) {
			_, err := parseTarget(endpoint, nil)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)))
		})
	}
}

func TestQueryIsTheRealAgents(t *testing.T) {
	g := NewWithT(t)
	o := Options{Cluster: "demo", ContainerInstanceARN: "arn"}
	g.Expect(o.query(ACS, true).Encode()).To(Equal("agentHash=8dfceca6&agentVersion=1.105.1&clusterArn=demo&" +
		"containerInstanceArn=arn&dockerVersion=DockerVersion%3A+25.0.14&protocolVersion=2&sendCredentials=true&seqNum=1"))
	g.Expect(o.query(TCS, true).Encode()).To(Equal(
		"agentHash=8dfceca6&agentVersion=1.105.1&cluster=demo&containerInstance=arn&dockerVersion=25.0.14"))
}

func TestLogKeepsItsEnd(t *testing.T) {
	g := NewWithT(t)
	var j journal
	for i := range logLines + 3 {
		j.info(fmt.Sprint("line ", i))
	}
	g.Expect(j.all()).To(HaveLen(logLines))
	g.Expect(j.all()[0].Text).To(Equal("line 3"))
	line := Line{Time: time.Unix(0, 0), Level: "error", Text: `a "b"`}
	g.Expect(line.String()).To(Equal(`level=error time=1970-01-01T00:00:00Z msg="a \"b\""`))
	line.Fields = fields([]any{"error", errThrottled, "url", "https://x/", "lasts", time.Minute, "since", time.Unix(0, 0)})
	g.Expect(line.String()).To(HaveSuffix(`msg="a \"b\"" error="ThrottlingException: Rate exceeded" url="https://x/" lasts=1m0s since="1970-01-01 00:00:00"`))
}
