// SPDX-License-Identifier: Apache-2.0

package options

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestDefaultsAreValid(t *testing.T) {
	NewWithT(t).Expect(Defaults().Validate()).To(Succeed())
}

func TestValidateNamesTheFlagAndWhatItMayBe(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Options)
		want   string // empty: valid
	}{
		"no consent tag":           {func(o *Options) { o.ConsentTagKey = "" }, ""},
		"the shortest interval":    {func(o *Options) { o.AgentPollInterval = 10 * time.Millisecond }, ""},
		"the longest interval":     {func(o *Options) { o.ACLPollInterval = time.Minute }, ""},
		"no interval of polls":     {func(o *Options) { o.AgentPollInterval = 0 }, "--agent-poll-interval is 0s: it must be from 10ms to 1m0s"},
		"an interval below zero":   {func(o *Options) { o.LookupInterval = -time.Second }, "--lookup-interval is -1s: it must be from 10ms to 1m0s"},
		"an interval beyond a run": {func(o *Options) { o.ACLPollInterval = time.Hour }, "--network-acl-poll-interval is 1h0m0s: it must be from 10ms to 1m0s"},
		"a CloudTrail in time":     {func(o *Options) { o.CloudTrailDelay = time.Second }, ""},
		"a CloudTrail of hours":    {func(o *Options) { o.CloudTrailDelay = 2 * time.Hour }, "--cloudtrail-delay is 2h0m0s: it must be from 1s to 1h0m0s, in whole seconds"},
		"no delay of CloudTrail":   {func(o *Options) { o.CloudTrailDelay = 0 }, "--cloudtrail-delay is 0s: it must be from 1s to 1h0m0s"},
		"a delay of part seconds":  {func(o *Options) { o.CloudTrailDelay = 1500 * time.Millisecond }, "--cloudtrail-delay is 1.5s: it must be"},
		"the smallest quota":       {func(o *Options) { o.EntryQuota = 1 }, ""},
		"the largest quota":        {func(o *Options) { o.EntryQuota = 40 }, ""},
		"no quota":                 {func(o *Options) { o.EntryQuota = 0 }, "--network-acl-entry-quota is 0: AWS grants from 1 to 40"},
		"a quota that AWS has not": {func(o *Options) { o.EntryQuota = 41 }, "--network-acl-entry-quota is 41: AWS grants from 1 to 40"},
		"the longest run":          {func(o *Options) { o.MaxDuration = 12 * time.Hour }, ""},
		"the shortest run":         {func(o *Options) { o.MaxDuration = time.Minute }, ""},
		"a run that the API has not": {func(o *Options) { o.MaxDuration = 12*time.Hour + time.Second },
			"--max-duration is 12h0m1s: it must be from 1m0s to 12h0m0s"},
		"no run at all":             {func(o *Options) { o.MaxDuration = 0 }, "--max-duration is 0s: it must be from 1m0s to 12h0m0s"},
		"any number of runs":        {func(o *Options) { o.MaxActiveRuns = 0 }, ""},
		"fewer runs than none":      {func(o *Options) { o.MaxActiveRuns = -1 }, "--max-active-runs is -1: it must be 0, for any number, or more"},
		"Regions to sweep":          {func(o *Options) { o.SweepRegions = []string{"us-gov-west-1", "ap-northeast-1"} }, ""},
		"no Region to sweep":        {func(o *Options) { o.SweepRegions = []string{"ap-northeast-1", "Tokyo"} }, `--sweep-regions names "Tokyo": it must be names of Regions, such as ap-northeast-1`},
		"sweeping all the time":     {func(o *Options) { o.SweepInterval = 0 }, "--sweep-interval is 0s: it must be from 10ms to 12h0m0s"},
		"one worker":                {func(o *Options) { o.MaxConcurrentReconciles = 1 }, "--max-concurrent-reconciles is 1: it must be at least 2"},
		"a DNS server":              {func(o *Options) { o.DNSServer = "10.0.0.2:53" }, ""},
		"a DNS server over IPv6":    {func(o *Options) { o.DNSServer = "[fd00:ec2::253]:53" }, ""},
		"a DNS server by name":      {func(o *Options) { o.DNSServer = "resolver.example:53" }, ""},
		"a DNS server, no port":     {func(o *Options) { o.DNSServer = "10.0.0.2" }, `--dns-server is "10.0.0.2": it must be an address with a port, such as 10.0.0.2:53`},
		"a DNS server, empty port":  {func(o *Options) { o.DNSServer = "10.0.0.2:" }, `--dns-server is "10.0.0.2:": it must be an address with a port`},
		"a DNS server, port 0":      {func(o *Options) { o.DNSServer = "10.0.0.2:0" }, `--dns-server is "10.0.0.2:0": it must be an address with a port`},
		"a DNS server, large port":  {func(o *Options) { o.DNSServer = "10.0.0.2:65536" }, `--dns-server is "10.0.0.2:65536": it must be an address with a port`},
		"a DNS server, only a port": {func(o *Options) { o.DNSServer = ":53" }, `--dns-server is ":53": it must be an address with a port`},
		"IPv6 without brackets":     {func(o *Options) { o.DNSServer = "fd00:ec2::253" }, "such as 10.0.0.2:53"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			options := Defaults()
			tc.change(&options)
			if tc.want == "" {
				g.Expect(options.Validate()).To(Succeed())
			} else {
				g.Expect(options.Validate()).To(MatchError(ContainSubstring(tc.want)))
			}
		})
	}
}

func TestValidateSaysAllThatIsWrong(t *testing.T) {
	g := NewWithT(t)
	err := Options{}.Validate()
	for _, flag := range []string{"agent-poll-interval", "network-acl-poll-interval", "lookup-interval", "cloudtrail-delay", "network-acl-entry-quota", "max-duration", "max-concurrent-reconciles"} {
		g.Expect(err).To(MatchError(ContainSubstring("--" + flag)))
	}
}

func TestAWorkerIsLeftForRunsThatHaveBegun(t *testing.T) {
	g := NewWithT(t)
	for flag, want := range map[int][2]int{1: {2, 1}, 2: {2, 1}, 3: {3, 1}, 4: {4, 2}, 5: {5, 2}, 64: {64, 32}} {
		o := Options{MaxConcurrentReconciles: flag}
		g.Expect([2]int{o.Workers(), o.PlacesForStarts()}).To(Equal(want), "--max-concurrent-reconciles=%d", flag)
	}
}
