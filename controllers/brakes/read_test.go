// SPDX-License-Identifier: Apache-2.0

package brakes_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sync/errgroup"
	clocktesting "k8s.io/utils/clock/testing"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/brakes"
	"agentdisconnect.dev/agentdisconnect/controllers/ratelimit"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// world is a simulated Region with 250 alarms, every third a composite one, and what reads them.
type world struct {
	*WithT
	sim     *sim.Simulator
	clock   *clocktesting.FakeClock
	clients *aws.Clients
	readers *brakes.Readers
	names   []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{WithT: NewWithT(t), clock: clocktesting.NewFakeClock(time.Now().Truncate(time.Minute))}
	var err error
	w.sim, err = sim.Start(t.Context(), sim.Options{NoAgents: true, Clock: w.clock})
	w.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(w.sim.Close)
	for i := range 250 {
		name := fmt.Sprintf("alarm %03d", i)
		w.sim.Region().PutAlarm(region.Alarm{Name: name, Composite: i%3 == 0})
		w.names = append(w.names, name)
	}
	w.clients = aws.NewSessions(w.sim.Config(), "agentdisconnect", "test").In(w.sim.Region().Name())
	w.readers = brakes.NewReaders(w.clock)
	return w
}

// calls counts those of an action.
func (w *world) calls(action string) int {
	return len(slices.DeleteFunc(w.sim.Calls(), func(c sim.Call) bool { return c.Action != action }))
}

func TestAlarmsOfManyRunsAreReadAPageACall(t *testing.T) {
	w := newWorld(t)
	var all errgroup.Group
	for i := range 50 { // runs with 5 alarms each
		all.Go(func() error {
			wanted := brakes.Wanted{Alarms: w.names[i*5 : i*5+5]}
			reading := w.readers.Read(t.Context(), w.clients, brakes.Since(w.clock.Now()), wanted)
			if len(reading.Alarms) != 5 {
				return fmt.Errorf("run %d: %d alarms, %w", i, len(reading.Alarms), reading.Err)
			}
			return nil
		})
	}
	w.Expect(all.Wait()).To(Succeed())

	before := w.calls("DescribeAlarms")
	for range 4 {
		w.clock.Step(brakes.Interval)
		for i := range 50 {
			reading := w.readers.Read(t.Context(), w.clients, brakes.Since(w.clock.Now()), brakes.Wanted{Alarms: w.names[i*5 : i*5+5]})
			w.Expect(reading.Alarms).To(HaveLen(5))
		}
	}
	w.Expect(w.calls("DescribeAlarms")-before).To(Equal(4*3), "250 alarms are 3 pages of 100, each 15 seconds")
}

func TestAReadingIsAsNewAsWasAskedFor(t *testing.T) {
	w := newWorld(t)
	wanted := brakes.Wanted{Alarms: []string{"alarm 000", "alarm 001", "no such alarm"}, Lever: true}
	read := func() brakes.Reading {
		return w.readers.Read(t.Context(), w.clients, brakes.Since(w.clock.Now()), wanted)
	}
	reading := read()
	w.Expect(reading.Err).NotTo(HaveOccurred())
	w.Expect(reading.Alarms).To(Equal(map[string]brakes.Alarm{
		"alarm 000": {State: "OK", Reason: "Unchecked: Initial alarm creation"}, "alarm 001": {State: "OK", Reason: "Unchecked: Initial alarm creation"},
	}))
	w.Expect(reading.Lever).To(Equal(&brakes.Lever{Status: "disengaged"}))

	w.Expect(w.sim.Region().SetAlarmState("alarm 000", region.AlarmInAlarm, "errors")).To(Succeed())
	w.Expect(w.sim.Region().SetSafetyLever(region.LeverEngaged, "freeze")).To(Succeed())
	w.clock.Step(brakes.Interval)
	reading = read()
	w.Expect(reading.Alarms["alarm 000"]).To(Equal(brakes.Alarm{State: "ALARM", Reason: "errors"}))
	w.Expect(reading.Lever).To(Equal(&brakes.Lever{Status: "engaged", Reason: "freeze"}))
}

func TestWhatCanBeReadIsReadThoughTheRestFails(t *testing.T) {
	w := newWorld(t)
	w.Expect(w.sim.Region().SetSafetyLever(region.LeverEngaged, "freeze")).To(Succeed())
	w.sim.Faults().Add(faults.Fault{Action: "cloudwatch:DescribeAlarms", Denied: true})
	reading := w.readers.Read(t.Context(), w.clients, brakes.Since(w.clock.Now()), brakes.Wanted{Alarms: w.names[:1], Lever: true})
	w.Expect(reading.Alarms).To(BeNil())
	w.Expect(reading.Lever).To(HaveField("Status", "engaged"))
	w.Expect(aws.Classify(reading.Err)).To(Equal(aws.Denied), "%v", reading.Err)
	w.Expect(aws.Action(reading.Err)).To(Equal("cloudwatch:DescribeAlarms"))
}

// Where the account's rate is used up, readings wait for their turn as all reads do, and join meanwhile.
func TestReadingsThatWaitForTheirTurnJoin(t *testing.T) {
	w := newWorld(t)
	sessions := aws.NewSessions(w.sim.Config(), "agentdisconnect", "test")
	sessions.Limits = ratelimit.Limits{Reads: ratelimit.Limit{PerSecond: 2, Burst: 1}}
	clients := sessions.In(w.sim.Region().Name())
	w.Expect(clients.Admit(t.Context())).Error().NotTo(HaveOccurred())
	var all errgroup.Group
	for i := range 50 {
		all.Go(func() error {
			return w.readers.Read(t.Context(), clients, time.Time{}, brakes.Wanted{Alarms: w.names[i : i+1], Lever: true}).Err
		})
	}
	w.Expect(all.Wait()).To(Succeed())
	w.Expect(w.calls("DescribeAlarms")+w.calls("GetSafetyLever")).To(BeNumerically("<=", 6), "one of each, and some for those that came late")
}
