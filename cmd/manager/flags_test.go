// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/spf13/pflag"

	"agentdisconnect.dev/agentdisconnect/controllers/options"
)

func TestWithoutFlagsAllIsAsTheDefaultsSay(t *testing.T) {
	g := NewWithT(t)
	s, err := parse(nil, t.Output())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.options).To(Equal(options.Defaults()))
	g.Expect(s.namespaces).To(BeEmpty(), "all namespaces")
	g.Expect(s.options.MaxDuration).To(Equal(time.Hour))
	g.Expect(s.options.MaxActiveRuns).To(Equal(5))
	g.Expect(s.secureMetrics).To(BeTrue())
	g.Expect(s.leaderElect).To(BeFalse())
	g.Expect(s.gracePeriod).To(BeNumerically("<", 30*time.Second), "the pod's terminationGracePeriodSeconds")
}

func TestEachFlagSetsItsOption(t *testing.T) {
	g := NewWithT(t)
	s, err := parse([]string{
		"--metrics-bind-address=0", "--metrics-secure=false", "--health-probe-bind-address=:1", "--leader-elect",
		"--graceful-shutdown-timeout=3s", "--consent-tag-key=team/allow", "--dns-server=10.0.0.2:53", "--agent-poll-interval=4s",
		"--network-acl-poll-interval=5s", "--lookup-interval=6s", "--aws-read-rate=7.5", "--aws-change-rate=2", "--fis-safety-lever", "--cloudtrail-delay=20m", "--network-acl-entry-quota=40", "--max-duration=30m",
		"--max-active-runs=2", "--watch-namespaces=team-a, team-b,", "--max-concurrent-reconciles=8",
		"--sweep-interval=7m", "--sweep-regions=us-east-1, eu-west-1,", "--deadman-schedule-group=switch",
		"--deadman-role-arn=arn:aws:iam::123456789012:role/switch", "--leader-election-namespace=chaos",
		"--allow-additional-endpoints=false", "--require-namespace-role",
		"--namespace-role=payments=arn:aws:iam::222222222222:role/agentdisconnect,",
		"--namespace-role=checkout=arn:aws:iam::333333333333:role/path/chaos;external-id=for-checkout;deadman-role-arn=arn:aws:iam::333333333333:role/switch;deadman-schedule-group=chaos",
	}, t.Output())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.options).To(Equal(options.Options{
		ConsentTagKey: "team/allow", DNSServer: "10.0.0.2:53", AgentPollInterval: 4 * time.Second, ACLPollInterval: 5 * time.Second,
		LookupInterval: 6 * time.Second, AWSReadRate: 7.5, AWSChangeRate: 2, FISSafetyLever: true, CloudTrailDelay: 20 * time.Minute, EntryQuota: 40, MaxDuration: 30 * time.Minute, MaxActiveRuns: 2, MaxConcurrentReconciles: 8,
		SweepInterval: 7 * time.Minute, SweepRegions: []string{"us-east-1", "eu-west-1"},
		DeadManRoleARN: "arn:aws:iam::123456789012:role/switch", DeadManScheduleGroup: "switch",
		NamespaceRoles: []options.NamespaceRole{
			{
				Namespace: "checkout", ARN: "arn:aws:iam::333333333333:role/path/chaos", ExternalID: "for-checkout",
				DeadManRoleARN: "arn:aws:iam::333333333333:role/switch", DeadManScheduleGroup: "chaos",
			},
			{Namespace: "payments", ARN: "arn:aws:iam::222222222222:role/agentdisconnect", ExternalID: "agentdisconnect/payments"},
		},
		RequireNamespaceRole: true,
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
		"no such flag":                   {"--max-runs=1", "unknown flag: --max-runs: see --help"},
		"one dash":                       {"-max-duration=1h", "a flag takes two dashes, --max-duration=1h and not -max-duration=1h: see --help"},
		"one letter":                     {"-v", "unknown shorthand flag: 'v' in -v: see --help"},
		"no value":                       {"--max-duration", "flag needs an argument: --max-duration: see --help"},
		"an argument":                    {"demo", `unexpected argument "demo"`},
		"no duration":                    {"--max-duration=long", `invalid argument "long" for "--max-duration" flag`},
		"a duration that is too short":   {"--max-duration=30s", "--max-duration is 30s: it must be from 1m0s to 12h0m0s"},
		"a duration that is too long":    {"--max-duration=13h", "--max-duration is 13h0m0s"},
		"fewer runs than none":           {"--max-active-runs=-1", "--max-active-runs is -1: it must be 0, for any number, or more"},
		"no number of runs":              {"--max-active-runs=many", `invalid argument "many" for "--max-active-runs" flag`},
		"a namespace that can't be":      {"--watch-namespaces=team-a,Team_B", `"Team_B" is not a valid name of a namespace`},
		"a pattern of namespaces":        {"--watch-namespaces=team-*", `"team-*" is not a valid name of a namespace`},
		"a list that names no namespace": {"--watch-namespaces=,", "names no namespace"},
		"a list of spaces":               {"--watch-namespaces= , ", `--watch-namespaces: " , " names no namespace: leave it empty for all of them`},
		"no Region":                      {"--sweep-regions=Tokyo", `--sweep-regions names "Tokyo": it must be names of Regions`},
		"a role without its namespace":   {"--namespace-role=arn:aws:iam::222222222222:role/x", `is not a valid name of a namespace`},
		"a namespace without its role":   {"--namespace-role=payments", `namespace payments has "": write the ARN of a role`},
		"a user for a role":              {"--namespace-role=payments=arn:aws:iam::222222222222:user/x", "write the ARN of a role"},
		"two roles of a namespace":       {"--namespace-role=a=arn:aws:iam::222222222222:role/x,a=arn:aws:iam::333333333333:role/x", "namespace a has two roles: leave one of them out"},
		"an unknown part of a role":      {"--namespace-role=a=arn:aws:iam::222222222222:role/x;region=x", `"region=x" of a is not known`},
		"an external id that can't be":   {"--namespace-role=a=arn:aws:iam::222222222222:role/x;external-id=ä", "the external id of namespace a is"},
		"half a switch of a role":        {"--namespace-role=a=arn:aws:iam::222222222222:role/x;deadman-schedule-group=g", "deadman-role-arn and deadman-schedule-group of namespace a go together"},
		"a switch of another account": {"--namespace-role=a=arn:aws:iam::222222222222:role/x;deadman-schedule-group=g;deadman-role-arn=arn:aws:iam::333333333333:role/s",
			"name a role of account 222222222222"},
		"an interval of nothing": {"--lookup-interval=0", "--lookup-interval is 0s"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse([]string{tc.arg}, t.Output())
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(tc.want)))
		})
	}
}

func TestNoNamespaceAtAllIsAll(t *testing.T) {
	g := NewWithT(t)
	s, err := parse([]string{"--watch-namespaces="}, t.Output())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.namespaces).To(BeEmpty())
}

func TestListsOfSeveralFlagsAreJoined(t *testing.T) {
	g := NewWithT(t)
	s, err := parse([]string{"--watch-namespaces=team-a", "--watch-namespaces=team-b", "--sweep-regions=us-east-1", "--sweep-regions=eu-west-1"}, t.Output())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.namespaces).To(Equal([]string{"team-a", "team-b"}))
	g.Expect(s.options.SweepRegions).To(Equal([]string{"us-east-1", "eu-west-1"}))
}

func TestHelpListsEachFlagAndFitsATerminal(t *testing.T) {
	g := NewWithT(t)
	var help strings.Builder
	_, err := parse([]string{"--help"}, &help)
	g.Expect(err).To(MatchError(pflag.ErrHelp))
	for line := range strings.Lines(help.String()) {
		g.Expect(len(strings.TrimRight(line, "\n"))).To(BeNumerically("<=", helpWidth), line)
	}
	for name := range defined() {
		g.Expect(help.String()).To(MatchRegexp("--%s[ [=]", name))
	}
	g.Expect(help.String()).To(MatchRegexp(`(?s)Run flags:.*AWS and DNS flags:.*Cleanup flags:.*Manager flags:.*Logging flags:`))
}

// TestTheReferenceHasEachFlagWithItsDefault holds the table of docs/reference.md to the flags that there are.
func TestTheReferenceHasEachFlagWithItsDefault(t *testing.T) {
	g := NewWithT(t)
	page, err := os.ReadFile("../../docs/reference.md")
	g.Expect(err).NotTo(HaveOccurred())

	listed := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`--[^|]+) \\|([^|]*)\\|").FindAllStringSubmatch(string(page), -1) {
		flags := regexp.MustCompile("`--([a-z-]+)`").FindAllStringSubmatch(row[1], -1)
		defaults := regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(row[2], -1)
		for i, flag := range flags {
			listed[flag[1]] = true
			def, ok := defined()[flag[1]]
			g.Expect(ok).To(BeTrue(), "the page lists --%s, which is no flag", flag[1])
			if def == "" || def == "[]" || flag[1] == "version" {
				continue // the page says in words what that means
			}
			g.Expect(len(defaults)).To(BeNumerically(">", i), "the page has no default of --%s", flag[1])
			g.Expect(sameValue(defaults[i][1], def)).To(BeTrue(), "--%s: the page says %s, and it is %s", flag[1], defaults[i][1], def)
		}
	}
	for name := range defined() {
		if !strings.HasPrefix(name, "zap-") {
			g.Expect(listed).To(HaveKey(name), "the page lacks --%s", name)
		}
	}
}

// defined has the default of each flag.
func defined() map[string]string {
	all := map[string]string{}
	for _, set := range (&settings{options: options.Defaults()}).flags().FlagSets {
		set.VisitAll(func(f *pflag.Flag) { all[f.Name] = f.DefValue })
	}
	return all
}

// sameValue compares two texts, also as durations: 12h is 12h0m0s.
func sameValue(a, b string) bool {
	x, errX := time.ParseDuration(a)
	y, errY := time.ParseDuration(b)
	return a == b || errX == nil && errY == nil && x == y
}
