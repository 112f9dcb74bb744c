// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
)

func TestWithoutFlagsAllIsAsTheDefaultsSay(t *testing.T) {
	g := NewWithT(t)
	s, err := parse(nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.options).To(Equal(options.Defaults()))
	g.Expect(s.namespaces).To(BeEmpty(), "all namespaces")
	g.Expect(s.options.MaxDuration).To(Equal(12 * time.Hour))
	g.Expect(s.options.MaxActiveRuns).To(BeZero())
	g.Expect(s.secureMetrics).To(BeTrue())
	g.Expect(s.leaderElect).To(BeFalse())
	g.Expect(s.gracePeriod).To(BeNumerically("<", 30*time.Second), "the pod's terminationGracePeriodSeconds")
}

func TestEachFlagSetsItsOption(t *testing.T) {
	g := NewWithT(t)
	s, err := parse([]string{
		"--metrics-bind-address=0", "--metrics-secure=false", "--health-probe-bind-address=:1", "--leader-elect",
		"--graceful-shutdown-timeout=3s", "--consent-tag-key=team/allow", "--dns-server=10.0.0.2:53", "--agent-poll-interval=4s",
		"--network-acl-poll-interval=5s", "--lookup-interval=6s", "--cloudtrail-delay=20m", "--network-acl-entry-quota=40", "--max-duration=30m",
		"--max-active-runs=2", "--watch-namespaces=team-a, team-b,", "--max-concurrent-reconciles=8",
		"--sweep-interval=7m", "--sweep-regions=us-east-1, eu-west-1,", "--deadman-schedule-group=switch",
		"--deadman-role-arn=arn:aws:iam::123456789012:role/switch", "--leader-election-namespace=chaos",
		"--allow-additional-endpoints=false",
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.options).To(Equal(options.Options{
		ConsentTagKey: "team/allow", DNSServer: "10.0.0.2:53", AgentPollInterval: 4 * time.Second, ACLPollInterval: 5 * time.Second,
		LookupInterval: 6 * time.Second, CloudTrailDelay: 20 * time.Minute, EntryQuota: 40, MaxDuration: 30 * time.Minute, MaxActiveRuns: 2, MaxConcurrentReconciles: 8,
		SweepInterval: 7 * time.Minute, SweepRegions: []string{"us-east-1", "eu-west-1"},
		DeadManRoleARN: "arn:aws:iam::123456789012:role/switch", DeadManScheduleGroup: "switch",
	}))
	g.Expect(s.namespaces).To(Equal([]string{"team-a", "team-b"}))
	g.Expect([]string{s.metricsAddress, s.probeAddress}).To(Equal([]string{"0", ":1"}))
	g.Expect(s.secureMetrics).To(BeFalse())
	g.Expect(s.leaderElect).To(BeTrue())
	g.Expect(s.gracePeriod).To(Equal(3 * time.Second))
	g.Expect(s.leaseNamespace).To(Equal("chaos"))
}

func TestWhatCannotBeIsRefusedByName(t *testing.T) {
	for name, tc := range map[string]struct{ arg, want string }{
		"no such flag":                   {"--max-runs=1", "-max-runs"},
		"an argument":                    {"demo", `unexpected argument "demo"`},
		"no duration":                    {"--max-duration=long", "-max-duration"},
		"a duration that is too short":   {"--max-duration=30s", "--max-duration is 30s: it must be from 1m0s to 12h0m0s"},
		"a duration that is too long":    {"--max-duration=13h", "--max-duration is 13h0m0s"},
		"fewer runs than none":           {"--max-active-runs=-1", "--max-active-runs is -1: it must be 0, for any number, or more"},
		"no number of runs":              {"--max-active-runs=many", "-max-active-runs"},
		"a namespace that can't be":      {"--watch-namespaces=team-a,Team_B", `"Team_B" is not a valid name of a namespace`},
		"a pattern of namespaces":        {"--watch-namespaces=team-*", `"team-*" is not a valid name of a namespace`},
		"a list that names no namespace": {"--watch-namespaces=,", "names no namespace"},
		"no Region":                      {"--sweep-regions=Tokyo", `--sweep-regions names "Tokyo": it must be names of Regions`},
		"an interval of nothing":         {"--lookup-interval=0", "--lookup-interval is 0s"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse([]string{tc.arg})
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(tc.want)))
		})
	}
}

func TestNoCallerIsHeldToEventsThatAWSMayNotShowYet(t *testing.T) {
	for name, tc := range map[string]struct {
		delay         time.Duration
		url, trailURL string // the environment's endpoints, for all APIs and for CloudTrail's; empty: AWS's
		refused       bool
	}{
		"what AWS takes at times":            {delay: 15 * time.Minute},
		"more":                               {delay: time.Hour},
		"less":                               {delay: 15*time.Minute - time.Second, refused: true},
		"less, of a simulated Region":        {delay: time.Second, url: "http://127.0.0.1:4566"},
		"less, CloudTrail alone simulated":   {delay: time.Second, trailURL: "http://localhost:4566"},
		"less, all but CloudTrail simulated": {delay: time.Second, url: "http://localhost:4566", trailURL: "https://cloudtrail.ap-northeast-1.amazonaws.com", refused: true},
		"less, by a VPC endpoint":            {delay: time.Second, url: "https://vpce-0a1b2c3d-x1y2z3.cloudtrail.ap-northeast-1.vpce.amazonaws.com", refused: true},
		"less, by the dual-stack host":       {delay: time.Second, url: "https://cloudtrail.ap-northeast-1.api.aws:443/", refused: true},
		"less, in China":                     {delay: time.Second, url: "https://CloudTrail.cn-north-1.amazonaws.com.cn", refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			t.Setenv("AWS_ENDPOINT_URL", tc.url)
			t.Setenv("AWS_ENDPOINT_URL_CLOUDTRAIL", tc.trailURL)
			cfg, err := aws.Load(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			if err := checkTrailDelay(tc.delay, cfg); tc.refused {
				g.Expect(err).To(MatchError(ContainSubstring("--cloudtrail-delay is %s: AWS shows some events after 15m0s", tc.delay)))
			} else {
				g.Expect(err).NotTo(HaveOccurred())
			}
		})
	}
}

func TestNoNamespaceAtAllIsAll(t *testing.T) {
	g := NewWithT(t)
	s, err := parse([]string{"--watch-namespaces="})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.namespaces).To(BeEmpty())
}

func TestHelpIsNoMistake(t *testing.T) {
	_, err := parse([]string{"--help"})
	NewWithT(t).Expect(errors.Is(err, flag.ErrHelp)).To(BeTrue())
}
