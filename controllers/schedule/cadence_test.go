// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

func at(text string) time.Time {
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return parsed
}

func cadenceOf(g Gomega, schedule, zone string) cadence {
	c, err := parseCadence(&v1alpha1.AgentDisconnectScheduleSpec{Schedule: schedule, TimeZone: zone})
	g.Expect(err).NotTo(HaveOccurred())
	return c
}

func TestTimesOnDaysOnWhichClocksChange(t *testing.T) {
	for name, tc := range map[string]struct {
		schedule, zone, from string
		want                 []string
	}{
		"the hour that does not exist is left out": {"30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", []string{"2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"}},
		"the hour that comes twice comes twice":    {"30 2 * * *", "Europe/Berlin", "2026-10-24T00:00:00Z", []string{"2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"}},
		"another hour moves against UTC":           {"0 9 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", []string{"2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z"}},
		"every half hour goes on":                  {"*/30 * * * *", "Europe/Berlin", "2026-03-29T00:29:00Z", []string{"2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"}},
		"a midnight that does not exist":           {"0 0 * * *", "America/Sao_Paulo", "2018-11-03T04:00:00Z", []string{"2018-11-05T02:00:00Z"}},
		"a zone without such days":                 {"30 2 * * *", "Asia/Tokyo", "2026-03-28T00:00:00Z", []string{"2026-03-28T17:30:00Z", "2026-03-29T17:30:00Z"}},
		"UTC where no zone is named":               {"30 2 * * *", "", "2026-03-28T00:00:00Z", []string{"2026-03-28T02:30:00Z", "2026-03-29T02:30:00Z"}},
		"either field of days matches":             {"0 9 1 * mon", "", "2026-04-03T00:00:00Z", []string{"2026-04-06T09:00:00Z", "2026-04-13T09:00:00Z", "2026-04-20T09:00:00Z", "2026-04-27T09:00:00Z", "2026-05-01T09:00:00Z"}},
		"a leap day":                               {"0 9 29 2 *", "", "2026-04-03T00:00:00Z", []string{"2028-02-29T09:00:00Z"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			c, next := cadenceOf(g, tc.schedule, tc.zone), at(tc.from)
			for _, want := range tc.want {
				next = c.after(next)
				g.Expect(next).To(Equal(at(want)))
			}
		})
	}
}

func TestAScheduleWithoutTimes(t *testing.T) {
	g := NewWithT(t)
	c := cadenceOf(g, "0 0 30 2 *", "")
	g.Expect(c.after(at("2026-01-01T00:00:00Z"))).To(BeZero())
	g.Expect(c.between(at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"))).To(BeZero())
}

func TestWhatCannotBeUnderstood(t *testing.T) {
	g := NewWithT(t)
	_, err := parseCadence(&v1alpha1.AgentDisconnectScheduleSpec{Schedule: "0 2 * * *", TimeZone: "Europe/Atlantis"})
	g.Expect(err).To(MatchError("timeZone Europe/Atlantis is in no database of time zones that the manager knows: name one such as Europe/Berlin"))
	_, err = parseCadence(&v1alpha1.AgentDisconnectScheduleSpec{Schedule: "30-10 2 * * *"})
	g.Expect(err).To(MatchError(HavePrefix("schedule 30-10 2 * * * can't be understood: ")))
}

func TestTimesOfAPeriod(t *testing.T) {
	g := NewWithT(t)
	minutely := cadenceOf(g, "* * * * *", "")
	start := at("2026-01-01T00:00:00Z")
	g.Expect(minutely.between(start, start.Add(59*time.Second))).To(BeZero(), "the start itself is not in it")
	g.Expect(minutely.between(start, start.Add(2*time.Minute))).To(Equal(dueTimes{
		newest: start.Add(2 * time.Minute), previous: start.Add(time.Minute), count: 2}), "the end is")

	// A year of minutes: those that no deadline reaches are not looked at one by one.
	end := at("2027-01-01T00:00:30Z")
	g.Expect(minutely.between(start, end)).To(Equal(dueTimes{
		newest: at("2027-01-01T00:00:00Z"), previous: at("2026-12-31T23:59:00Z"), count: mostCounted}))

	nightly := cadenceOf(g, "0 2 * * *", "")
	g.Expect(nightly.between(start, end)).To(Equal(dueTimes{
		newest: at("2026-12-31T02:00:00Z"), previous: at("2026-12-30T02:00:00Z"), count: 365}))
}
