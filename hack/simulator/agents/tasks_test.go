// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
)

func TestTaskStartsAndStops(t *testing.T) {
	inBubble(t, 1, func(r *rig) {
		r.tell("a", statusRunning)
		r.Expect(r.payloads(instanceARN)).To(BeEmpty(), "acknowledged")
		time.Sleep(taskStarts - time.Millisecond)
		synctest.Wait()
		r.Expect(r.reported()).To(BeEmpty())
		time.Sleep(time.Millisecond)
		synctest.Wait()
		r.Expect(r.reported()).To(Equal([]report{{"a", statusRunning}}))

		r.tell("a", statusStopped)
		r.Expect(r.payloads(instanceARN)).To(BeEmpty())
		r.Expect(r.reported()).To(HaveLen(1), "containers take a while to stop")
		time.Sleep(taskStops)
		synctest.Wait()
		r.Expect(r.reported()).To(Equal([]report{{"a", statusRunning}, {"a", statusStopped}}))
		time.Sleep(time.Hour)
		synctest.Wait()
		r.Expect(r.reported()).To(HaveLen(2))
	})
}

func TestTaskStoppedBeforeItRuns(t *testing.T) {
	inBubble(t, 2, func(r *rig) {
		r.tell("a", statusRunning)
		time.Sleep(taskStarts / 2)
		r.tell("a", statusStopped)
		time.Sleep(time.Minute)
		synctest.Wait()
		r.Expect(r.reported()).To(Equal([]report{{"a", statusStopped}}))

		// An agent that hears of a task only when it is to stop has nothing to stop.
		r.tell("b", statusStopped)
		r.Expect(r.reported()).To(Equal([]report{{"a", statusStopped}, {"b", statusStopped}}))
	})
}

// What ECS sends after the first lost acknowledgement is held back by its TCP, until the way out is
// open again.
func TestPayloadInAnOutboundDrop(t *testing.T) {
	for seed := range uint64(5) {
		inBubble(t, seed, func(r *rig) {
			time.Sleep(10 * time.Minute)
			r.tell("before", statusRunning)
			time.Sleep(time.Minute)
			r.deny(egress)
			time.Sleep(heartbeatInterval + time.Second)
			synctest.Wait()

			r.tell("within", statusRunning)
			r.tell("before", statusStopped)
			r.Expect(r.control.Connected(ACS, instanceARN)).To(BeTrue(), "ECS has not noticed")
			r.within(5*time.Minute, func() bool { return !r.control.Connected(ACS, instanceARN) })
			time.Sleep(20 * time.Minute)
			synctest.Wait()
			r.Expect(r.reported()).To(Equal([]report{{"before", statusRunning}}))
			r.Expect(r.payloads(instanceARN)).To(HaveLen(2))

			r.deny(nil)
			r.within(3*time.Minute, func() bool { return r.control.Connected(ACS, instanceARN) })
			time.Sleep(taskStarts)
			synctest.Wait()
			r.Expect(r.payloads(instanceARN)).To(BeEmpty(), "ECS sends it to the new session")
			r.Expect(r.reported()).To(ConsistOf(report{"before", statusRunning}, report{"before", statusStopped}, report{"within", statusRunning}))
		})
	}
}

// The way in is open: the first that ECS sends after an outbound drop arrives, be it a heartbeat or
// a payload. The acknowledgement does not get out, but the agent's report does.
func TestFirstMessageAfterAnOutboundDropArrives(t *testing.T) {
	inBubble(t, 3, func(r *rig) {
		time.Sleep(10 * time.Minute)
		r.control.Disconnect(ACS, instanceARN, 1000) // a new session's first heartbeat is at a time of its own
		time.Sleep(time.Millisecond)
		r.connected(true, true)
		r.deny(egress)
		r.tell("first", statusRunning)
		time.Sleep(taskStarts)
		synctest.Wait()
		r.Expect(r.reported()).To(Equal([]report{{"first", statusRunning}}))
		r.Expect(r.payloads(instanceARN)).To(HaveLen(1), "not acknowledged")

		time.Sleep(20 * time.Minute)
		r.deny(nil)
		r.within(3*time.Minute, func() bool { return len(r.payloads(instanceARN)) == 0 })
		time.Sleep(time.Minute)
		synctest.Wait()
		r.Expect(r.reported()).To(HaveLen(1), "a task that comes again is known")
	})
}

// Containers outlive the agent's process, and the next one reports what became of them.
func TestTasksOutliveTheAgent(t *testing.T) {
	inBubble(t, 4, func(r *rig) {
		r.tell("a", statusRunning)
		r.agent.Stop()
		time.Sleep(time.Minute)
		synctest.Wait()
		r.Expect(r.reported()).To(BeEmpty())
		r.agent.Start(r.t.Context())
		synctest.Wait()
		r.Expect(r.reported()).To(Equal([]report{{"a", statusRunning}}))
	})
}

func TestPayloadToAnotherInstance(t *testing.T) {
	inBubble(t, 5, func(r *rig) {
		r.tell("a", statusRunning)
		r.control.SendPayloads(instanceARN + "0")
		time.Sleep(time.Minute)
		synctest.Wait()
		r.Expect(r.reported()).To(HaveLen(1))
	})
}
