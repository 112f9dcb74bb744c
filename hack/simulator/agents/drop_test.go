// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/fabric"
)

// The bounds follow from the timers; the real agent was measured within them: ACS ended after 2m02s, TCS after
// 3m10s, the first failed TCS dial was logged after 3m41s, and both were back 4 s to 2.5 min after the drop was lifted.
func TestOutboundDrop(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inBubble(t, seed, func(r *rig) {
				// Any phase of the heartbeats.
				time.Sleep(5*time.Minute + time.Duration(seed)*1300*time.Millisecond)
				r.connected(true, true)
				start := time.Now()
				r.deny(egress)

				acs := r.within(10*time.Minute, func() bool { return !r.agent.Connected(ACS) })
				r.Expect(r.agent.Connected(TCS)).To(BeTrue(), "ACS ends first")
				tcs := acs + r.within(10*time.Minute, func() bool { return !r.agent.Connected(TCS) })
				// The last heartbeat comes up to 30 s after the drop; silence does the rest.
				r.Expect(acs).To(And(BeNumerically(">=", time.Minute), BeNumerically("<=", 151*time.Second)))
				r.Expect(tcs).To(And(BeNumerically(">=", 3*time.Minute), BeNumerically("<=", 211*time.Second)))

				// The cause of each, in the agent's words.
				silent := r.logged("ACS Connection hasn't had any activity for too long", start)
				r.Expect(silent).To(HaveLen(1))
				r.Expect(silent[0]).To(BeNumerically("~", acs, 200*time.Millisecond))
				lost := r.logged(`msg="Error: lost websocket connection with ECS Telemetry service (TCS)" error="read tcp 10.0.1.10:`, start)
				r.Expect(lost).To(HaveLen(1))

				// The servers see it when a client has been silent for 3 min: its last word was up to 30 s before the drop.
				for k, earliest := range map[Kind]time.Duration{ACS: 149 * time.Second, TCS: 159 * time.Second} {
					var down time.Time
					r.within(5*time.Minute, func() (ok bool) { down, ok = r.first(k, false, start); return ok })
					r.Expect(down.Sub(start)).To(And(BeNumerically(">=", earliest), BeNumerically("<=", 181*time.Second)), string(k))
					r.Expect(r.control.Connected(k, instanceARN)).To(BeFalse())
				}

				// Dials hang until they time out; back-off is 1 s and up to a fifth, the dial 30 s.
				r.within(time.Minute, func() bool { return len(r.logged("Error connecting to TCS", start)) > 0 })
				r.Expect(r.log()).To(MatchRegexp(`msg="Error connecting to TCS" error="websocket client: unable to dial ` +
					`ecs-t-4\.ap-northeast-1\.amazonaws\.com response: : dial tcp 52\.119\.\d+\.\d+:443: i/o timeout"`))
				r.Expect(r.log()).To(ContainSubstring("Failed to connect to ACS"))
				failed := r.logged("Error connecting to TCS", start)[0] - lost[0]
				r.Expect(failed).To(And(BeNumerically(">=", 31*time.Second), BeNumerically("<=", 31300*time.Millisecond)))

				time.Sleep(10 * time.Minute)
				r.connected(false, false)
				lifted := time.Now()
				r.deny(nil)
				r.within(3*time.Minute, func() bool { return r.agent.Connected(ACS) && r.agent.Connected(TCS) })
				for _, k := range kinds {
					up, ok := r.first(k, true, lifted)
					r.Expect(ok).To(BeTrue())
					r.Expect(up.Sub(lifted)).To(BeNumerically("<=", 145*time.Second), string(k))
				}
				time.Sleep(20 * time.Minute)
				r.connected(true, true)
				r.Expect(r.eventsSince(lifted)).To(ConsistOf("ACS true", "TCS true"))
			})
		})
	}
}

// One more heartbeat arrives after the way out was closed, however long it stays closed.
func TestHeartbeatStillArrivesAfterOutboundDrop(t *testing.T) {
	inBubble(t, 1, func(r *rig) {
		var arrivals []time.Time
		time.Sleep(10 * time.Minute)
		start := time.Now()
		r.deny(func(p fabric.Packet) bool {
			if !p.Egress && slices.Contains(hosts[acsHost], p.Src.Addr()) {
				arrivals = append(arrivals, time.Now())
			}
			return p.Egress
		})
		ended := r.within(5*time.Minute, func() bool { return !r.agent.Connected(ACS) })
		r.Expect(arrivals).NotTo(BeEmpty())
		heartbeat := arrivals[0].Sub(start)
		r.Expect(heartbeat).To(BeNumerically("<=", heartbeatInterval))
		silence := ended - heartbeat
		r.Expect(silence).To(And(BeNumerically(">=", inactivity), BeNumerically("<=", inactivity+inactivityJitter+time.Second)),
			"the session lives on from that heartbeat")
	})
}

func TestInboundDrop(t *testing.T) {
	inBubble(t, 2, func(r *rig) {
		time.Sleep(10 * time.Minute)
		r.deny(ingress)
		acs := r.within(10*time.Minute, func() bool { return !r.agent.Connected(ACS) })
		tcs := acs + r.within(10*time.Minute, func() bool { return !r.agent.Connected(TCS) })
		r.Expect(acs).To(BeNumerically("<=", 2*time.Minute+time.Second))
		r.Expect(tcs).To(And(BeNumerically(">", acs), BeNumerically("<=", 3*time.Minute+time.Second)))
		r.deny(nil)
		r.within(3*time.Minute, func() bool { return r.agent.Connected(ACS) && r.agent.Connected(TCS) })
	})
}

// A drop that is over before any timer is leaves both sessions as they are: TCP brings what was lost.
func TestShortDropIsNotNoticed(t *testing.T) {
	inBubble(t, 3, func(r *rig) {
		time.Sleep(10 * time.Minute)
		start := time.Now()
		r.deny(egress)
		time.Sleep(25 * time.Second)
		r.deny(nil)
		time.Sleep(10 * time.Minute)
		r.connected(true, true)
		r.Expect(r.eventsSince(start)).To(BeEmpty())
	})
}

// An address that the rules missed is the one through which the agent comes back.
func TestAgentReturnsThroughAMissedAddress(t *testing.T) {
	inBubble(t, 4, func(r *rig) {
		known := hosts[acsHost][:2]
		r.deny(func(p fabric.Packet) bool { return p.Egress && slices.Contains(known, p.Dst.Addr()) })
		// Whichever address it is connected to, it ends up at the missed one.
		time.Sleep(20 * time.Minute)
		r.connected(true, true)
		r.Expect(r.control.Connected(ACS, instanceARN)).To(BeTrue())

		r.deny(func(p fabric.Packet) bool { return p.Egress && slices.Contains(hosts[acsHost], p.Dst.Addr()) })
		time.Sleep(10 * time.Minute)
		r.connected(false, true)
	})
}

// An agent that is back while the server still has its old, half-open session was never away.
func TestHalfOpenSessionCountsUntilTheServerGivesItUp(t *testing.T) {
	inBubble(t, 5, func(r *rig) {
		time.Sleep(10 * time.Minute)
		start := time.Now()
		r.deny(egress)
		r.agent.Restart(r.t.Context())
		r.Expect(r.control.Sessions(ACS, instanceARN)).To(Equal(1), "the FIN vanished")
		time.Sleep(110 * time.Second) // the old connection's host has given it up, its server hasn't
		r.deny(nil)
		r.agent.Restart(r.t.Context())
		synctest.Wait()
		r.Expect(r.control.Sessions(ACS, instanceARN)).To(Equal(2))
		r.within(3*time.Minute, func() bool { return r.control.Sessions(ACS, instanceARN) == 1 })
		r.connected(true, true)
		r.Expect(r.eventsSince(start)).To(BeEmpty())
	})
}

func TestStopEndsSessionsAtOnce(t *testing.T) {
	inBubble(t, 6, func(r *rig) {
		start := time.Now()
		r.agent.Stop()
		synctest.Wait()
		r.connected(false, false)
		r.Expect(r.control.Sessions(ACS, instanceARN) + r.control.Sessions(TCS, instanceARN)).To(BeZero())
		r.agent.Stop()

		r.agent.Start(r.t.Context())
		r.agent.Start(r.t.Context())
		synctest.Wait()
		r.connected(true, true)
		r.Expect(r.control.Sessions(ACS, instanceARN)).To(Equal(1))
		r.Expect(time.Since(start)).To(BeZero())
	})
}

func TestStartAfterItsContextEnded(t *testing.T) {
	inBubble(t, 7, func(r *rig) {
		r.agent.Stop()
		ctx, cancel := context.WithCancel(r.t.Context())
		r.agent.Start(ctx)
		r.connected(true, true)
		cancel()
		r.connected(false, false)
		r.agent.Start(r.t.Context())
		r.connected(true, true)
	})
}
