// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/fabric"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/fabric/fabrictest"
)

const (
	cluster     = "arn:aws:ecs:ap-northeast-1:123456789012:cluster/demo"
	instanceARN = "arn:aws:ecs:ap-northeast-1:123456789012:container-instance/demo/0123456789abcdef0123456789abcdef"
	acsHost     = "ecs-a-4.ap-northeast-1.amazonaws.com"
	tcsHost     = "ecs-t-4.ap-northeast-1.amazonaws.com"
)

var hosts = map[string][]netip.Addr{
	acsHost: addrs("52.119.223.69", "52.119.219.115", "52.119.220.39"),
	tcsHost: addrs("52.119.221.107", "52.119.223.82", "52.119.219.118"),
}

func addrs(ss ...string) []netip.Addr {
	var as []netip.Addr
	for _, s := range ss {
		as = append(as, netip.MustParseAddr(s))
	}
	return as
}

// region is what surrounds an agent: DNS, DiscoverPollEndpoint, a network ACL, and a record of what the servers saw.
type region struct {
	mu          sync.Mutex
	denied      func(fabric.Packet) bool
	discoverErr error
	discovered  int
	lookups     map[string]int
	events      []event
	// told are the tasks of the instance with their desired status, until the agent acknowledges
	// it.
	told    []Task
	reports []report
}

// event is one call of OnSession.
type event struct {
	kind Kind
	up   bool
	at   time.Time
}

func (r *region) judge(p fabric.Packet) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.denied == nil || !r.denied(p)
}

func (r *region) deny(f func(fabric.Packet) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.denied = f
}

func egress(p fabric.Packet) bool  { return p.Egress }
func ingress(p fabric.Packet) bool { return !p.Egress }

func (r *region) discover(context.Context) (Endpoints, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.discovered++
	return Endpoints{ACS: "https://" + acsHost + "/", TCS: "https://" + tcsHost + "/"}, r.discoverErr
}

func (r *region) discoveries() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.discovered
}

func (r *region) lookupsOf(host string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lookups[host]
}

func (r *region) failDiscovery(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.discoverErr = err
}

// resolve gives one address, the next each time.
func (r *region) resolve(_ context.Context, host string) ([]netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	as := hosts[host]
	if len(as) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if r.lookups == nil {
		r.lookups = map[string]int{}
	}
	r.lookups[host]++
	return as[r.lookups[host]%len(as):][:1], nil
}

func (r *region) onSession(k Kind, arn string, up bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if arn == instanceARN {
		r.events = append(r.events, event{k, up, time.Now()})
	}
}

func (r *region) payloads(arn string) []Task {
	r.mu.Lock()
	defer r.mu.Unlock()
	if arn != instanceARN {
		return nil
	}
	return slices.Clone(r.told)
}

func (r *region) acknowledged(tasks []Task) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = slices.DeleteFunc(r.told, func(t Task) bool {
		return slices.ContainsFunc(tasks, func(u Task) bool { return u.told() == t.told() })
	})
}

func (r *region) report(task, status string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reports = append(r.reports, report{task, status})
	return nil
}

func (r *region) reported() []report {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.reports)
}

// first gives when the servers first told of a kind's session after a point in time.
func (r *region) first(k Kind, up bool, after time.Time) (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.kind == k && e.up == up && e.at.After(after) {
			return e.at, true
		}
	}
	return time.Time{}, false
}

func (r *region) eventsSince(t time.Time) (since []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.at.After(t) {
			since = append(since, fmt.Sprintf("%s %t", e.kind, e.up))
		}
	}
	return since
}

// rig is an agent and its servers in a bubble of virtual time: hours take no time and every moment is exact.
type rig struct {
	*WithT
	region
	t       *testing.T
	agent   *Agent
	control *ControlPlane
}

// inBubble runs a test with an agent that is connected. The bubble fails it when a goroutine outlives it.
func inBubble(t *testing.T, seed uint64, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{WithT: NewWithT(t), t: t}
		f := fabric.New(fabric.Options{Judge: r.judge})
		control, err := StartControlPlane(t.Context(), ControlPlaneOptions{
			Fabric: f, OnSession: r.onSession, Payloads: r.payloads, Acknowledged: r.acknowledged, Seed: seed,
			listen: func(context.Context) (net.Listener, fabric.Backend, error) {
				l := fabrictest.NewListener()
				return l, l.Dial, nil
			},
		})
		r.Expect(err).NotTo(HaveOccurred())
		r.control = control
		for k, host := range map[Kind]string{ACS: acsHost, TCS: tcsHost} {
			for _, addr := range hosts[host] {
				control.Serve(k, netip.AddrPortFrom(addr, 443))
			}
		}
		r.agent = New(Options{
			Cluster: cluster, ContainerInstanceARN: instanceARN,
			Host:   fabric.Host{SubnetID: "subnet-a", IP: netip.MustParseAddr("10.0.1.10")},
			Fabric: f, Discover: r.discover, Resolve: r.resolve, Report: r.report, Seed: seed,
		})
		r.agent.Start(t.Context())
		defer func() {
			r.agent.Stop()
			r.Expect(control.Close()).To(Succeed())
			r.Expect(f.Close()).To(Succeed())
		}()
		synctest.Wait()
		r.connected(true, true)
		test(r)
	})
}

// tell has ECS want a task to have a status, in place of what it wanted before.
func (r *rig) tell(task, desired string) {
	r.mu.Lock()
	r.told = slices.DeleteFunc(r.told, func(t Task) bool { return t.ARN == task })
	r.told = append(r.told, Task{ARN: task, Family: "demo", Version: "1", DesiredStatus: desired})
	r.mu.Unlock()
	r.control.SendPayloads(instanceARN)
	synctest.Wait()
}

// connected checks the agent's own view.
func (r *rig) connected(acs, tcs bool) {
	r.t.Helper()
	synctest.Wait()
	r.Expect([]bool{r.agent.Connected(ACS), r.agent.Connected(TCS)}).To(Equal([]bool{acs, tcs}), "ACS, TCS\n%s", r.log())
}

// within waits for a condition for a virtual while and says after how long it was there.
func (r *rig) within(most time.Duration, condition func() bool) time.Duration {
	r.t.Helper()
	const step = 100 * time.Millisecond
	for start := time.Now(); ; time.Sleep(step) {
		synctest.Wait()
		if condition() {
			return time.Since(start)
		}
		if time.Since(start) > most {
			r.t.Fatalf("not seen within %s:\n%s", most, r.log())
		}
	}
}

func (r *rig) log() string {
	var lines []string
	for _, l := range r.agent.Log() {
		lines = append(lines, l.String())
	}
	return strings.Join(lines, "\n")
}

// logged gives the times of the log's lines that contain a text, counted from start; earlier ones are left out.
func (r *rig) logged(text string, start time.Time) (at []time.Duration) {
	for _, l := range r.agent.Log() {
		if strings.Contains(l.String(), text) && !l.Time.Before(start) {
			at = append(at, l.Time.Sub(start))
		}
	}
	return at
}

var errThrottled = errors.New("ThrottlingException: Rate exceeded")

func contains(lines []Line, text string) bool {
	return slices.ContainsFunc(lines, func(l Line) bool { return strings.Contains(l.String(), text) })
}
