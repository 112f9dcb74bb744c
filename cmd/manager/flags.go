// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/zap/zapcore"
	"k8s.io/apimachinery/pkg/util/validation"
	cliflag "k8s.io/component-base/cli/flag"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"agentdisconnect.dev/agentdisconnect/controllers/options"
)

// helpWidth is that of a terminal.
const helpWidth = 80

// settings are the flags.
type settings struct {
	metricsAddress, probeAddress string
	secureMetrics, leaderElect   bool
	printVersion                 bool
	leaseNamespace               string
	gracePeriod                  time.Duration
	namespaces, namespaceRoles   []string
	options                      options.Options
	log                          zap.Options
}

// parse reads the flags. --help writes them to help, and is pflag.ErrHelp.
func parse(args []string, help io.Writer) (*settings, error) {
	s := &settings{options: options.Defaults()}
	sections := s.flags()
	all := pflag.NewFlagSet("manager", pflag.ContinueOnError)
	for _, set := range sections.FlagSets {
		all.AddFlagSet(set)
	}
	all.Usage = func() {
		fmt.Fprintln(help, "Runs the controller of AgentDisconnect and AgentDisconnectSchedule objects.\n\nUsage:\n  manager [flags]")
		cliflag.PrintSections(help, sections, helpWidth)
	}
	if err := all.Parse(args); errors.Is(err, pflag.ErrHelp) {
		return nil, err
	} else if err != nil {
		return nil, explainFlagError(err)
	}
	if all.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: everything is set with flags, see --help", all.Arg(0))
	}

	var err error
	if s.namespaces, err = parseNamespaces(s.namespaces); err != nil {
		return nil, err
	}
	if s.options.NamespaceRoles, err = options.ParseNamespaceRoles(s.namespaceRoles); err != nil {
		return nil, err
	}
	s.options.SweepRegions = trimNames(s.options.SweepRegions)
	return s, s.options.Validate()
}

// flags defines each flag, in the sections that --help has.
func (s *settings) flags() cliflag.NamedFlagSets {
	var sections cliflag.NamedFlagSets
	o := &s.options

	f := sections.FlagSet("run")
	f.StringVar(&o.ConsentTagKey, "consent-tag-key", o.ConsentTagKey, "`key` of the tag with which a subnet's owner consents; empty: no consent is required")
	f.DurationVar(&o.MaxDuration, "max-duration", o.MaxDuration, "the longest that a run may last, 12h at most")
	f.IntVar(&o.MaxActiveRuns, "max-active-runs", o.MaxActiveRuns, "how many runs may be on at once in the whole cluster; 0: any number")
	f.BoolVar(&o.AllowAdditionalEndpoints, "allow-additional-endpoints", o.AllowAdditionalEndpoints, "allow objects to name further destinations to deny (spec.additionalEndpoints)")
	f.BoolVar(&o.FISSafetyLever, "fis-safety-lever", o.FISSafetyLever, "while the safety lever of AWS FIS is engaged in a Region, start no run there and end those that are on; needs fis:GetSafetyLever")
	f.StringSliceVar(&s.namespaces, "watch-namespaces", nil, "`namespaces` whose objects the manager runs, separated by commas; empty: all")

	f = sections.FlagSet("AWS and DNS")
	f.StringSliceVar(&s.namespaceRoles, "namespace-role", nil, "`roles` that the manager assumes for the runs of namespaces, separated by commas, such as payments=arn:aws:iam::222222222222:role/agentdisconnect; a role takes ;external-id=…, ;deadman-role-arn=… and ;deadman-schedule-group=… after it. Empty: all namespaces use the manager's own credentials")
	f.BoolVar(&o.RequireNamespaceRole, "require-namespace-role", false, "refuse runs of namespaces that have no role, instead of using the manager's own credentials")
	f.StringVar(&o.DNSServer, "dns-server", o.DNSServer, "`host:port` of the DNS server to look hosts up with: the one that the agents use, such as the VPC's resolver; empty: the system's resolver")
	f.DurationVar(&o.AgentPollInterval, "agent-poll-interval", o.AgentPollInterval, "how often ECS is asked whether agents are connected")
	f.DurationVar(&o.ACLPollInterval, "network-acl-poll-interval", o.ACLPollInterval, "how often the network ACL is read while rules are in place")
	f.DurationVar(&o.LookupInterval, "lookup-interval", o.LookupInterval, "how often hosts are looked up")
	f.Float64Var(&o.AWSReadRate, "aws-read-rate", o.AWSReadRate, "the most `calls` a second that read, in each account and Region; AWS allows all callers together about 20; 0: no limit")
	f.Float64Var(&o.AWSChangeRate, "aws-change-rate", o.AWSChangeRate, "the most `calls` a second that change something or ask whether they may, in each account and Region; AWS allows all callers together about 5; 0: no limit")
	f.DurationVar(&o.CloudTrailDelay, "cloudtrail-delay", o.CloudTrailDelay, "by how much CloudTrail may be late: no caller is reported as not recovered before that. AWS gives no limit; less than 15m is refused unless CloudTrail is simulated (AWS_ENDPOINT_URL)")
	f.IntVar(&o.EntryQuota, "network-acl-entry-quota", o.EntryQuota, "the quota of rules per network ACL and direction (L-2AEEBF1A) where AWS can't be asked for it, at most 40")

	f = sections.FlagSet("cleanup")
	f.StringVar(&o.DeadManRoleARN, "deadman-role-arn", "", "`ARN` of the role with which EventBridge Scheduler deletes the rules of clones if the manager does not (dead man's switch); set it together with the group, or leave both empty for no switch")
	f.StringVar(&o.DeadManScheduleGroup, "deadman-schedule-group", "", "EventBridge Scheduler `group` for the schedules of the dead man's switch; it must exist")
	f.DurationVar(&o.SweepInterval, "sweep-interval", o.SweepInterval, "how often AWS is searched for what runs left behind")
	f.StringSliceVar(&o.SweepRegions, "sweep-regions", nil, "further `Regions` to search, separated by commas, besides the manager's own and those of objects")

	f = sections.FlagSet("manager")
	f.BoolVar(&s.leaderElect, "leader-elect", false, "work only while this replica is the leader; needed with more than one replica")
	f.StringVar(&s.leaseNamespace, "leader-election-namespace", "", "`namespace` of the leader election lease; empty: the manager's own namespace, which is known only in a pod")
	f.IntVar(&o.MaxConcurrentReconciles, "max-concurrent-reconciles", o.MaxConcurrentReconciles, "how many objects the manager processes at once, at least 2; half of that is reserved for runs that are on or ending")
	f.StringVar(&s.metricsAddress, "metrics-bind-address", ":8443", "`address` of the metrics endpoint; 0 turns it off")
	f.BoolVar(&s.secureMetrics, "metrics-secure", true, "serve metrics over HTTPS, to clients that the API server authorizes")
	f.StringVar(&s.probeAddress, "health-probe-bind-address", ":8081", "`address` of /healthz and /readyz; 0 turns them off")
	f.DurationVar(&s.gracePeriod, "graceful-shutdown-timeout", 20*time.Second, "how long running passes may take to end after the manager is told to stop")
	f.BoolVar(&s.printVersion, "version", false, "print the version and exit")

	// What goes wrong in AWS is no fault of the program, and its stack trace hides the line that matters.
	s.log.StacktraceLevel = zapcore.PanicLevel
	var logging flag.FlagSet
	s.log.BindFlags(&logging)
	logging.Lookup("zap-devel").Usage = "log lines for people, from debug messages on, with the stack traces of warnings" // the library's own can't be wrapped
	sections.FlagSet("logging").AddGoFlagSet(&logging)
	return sections
}

// explainFlagError adds to an error of pflag where the flags are listed. pflag reads a flag with one dash as several short ones.
func explainFlagError(err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && len(unknown.GetSpecifiedShortnames()) > 1 {
		return fmt.Errorf("a flag takes two dashes, --%[1]s and not -%[1]s: see --help", unknown.GetSpecifiedShortnames())
	}
	return fmt.Errorf("%w: see --help", err)
}

// parseNamespaces checks that each name can be one of a namespace. An empty value means all; a value that names none is refused.
func parseNamespaces(list []string) ([]string, error) {
	named := trimNames(list)
	for _, name := range named {
		if wrong := validation.IsDNS1123Label(name); len(wrong) > 0 {
			return nil, fmt.Errorf("--watch-namespaces: %q is not a valid name of a namespace: %s", name, wrong[0])
		}
	}
	if len(list) > 0 && len(named) == 0 {
		return nil, fmt.Errorf("--watch-namespaces: %q names no namespace: leave it empty for all of them", strings.Join(list, ","))
	}
	return named, nil
}

// trimNames removes spaces from the items of a list, and empty items, which a comma at the end leaves.
func trimNames(list []string) []string {
	var named []string
	for _, name := range list {
		if name = strings.TrimSpace(name); name != "" {
			named = append(named, name)
		}
	}
	return named
}
