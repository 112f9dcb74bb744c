// SPDX-License-Identifier: Apache-2.0

package options

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// Options are what a platform team sets for all objects.
type Options struct {
	// ConsentTagKey is the key of the tag with which a subnet's owner consents. Empty: no consent
	// is asked for.
	ConsentTagKey string
	// DNSServer is the address with port of the DNS server that hosts are looked up with. Empty:
	// the system's.
	DNSServer string
	// AgentPollInterval is how often ECS is asked whether agents are connected. ECS itself takes
	// minutes to notice, and allows 20 such calls a second in a Region.
	AgentPollInterval time.Duration
	// ACLPollInterval is how often the network ACL is read while its rules are in place.
	ACLPollInterval time.Duration
	// AWSReadRate and AWSChangeRate are the most calls a second, for long, in one account and
	// Region: those that read, and those that change something or ask whether they may. 0: any
	// number.
	AWSReadRate, AWSChangeRate float64
	// LookupInterval is how often hosts are looked up. Addresses rotate within a minute or so.
	LookupInterval time.Duration
	// CloudTrailDelay is by how much CloudTrail may be late: how long after a call nothing that
	// CloudTrail lacks is held against its caller. AWS gives no limit.
	CloudTrailDelay time.Duration
	// EntryQuota is the quota of entries a network ACL, direction and family, the default entry
	// included, where AWS can't be asked for it.
	EntryQuota int
	// ClusterID tells this Kubernetes cluster from others in the tags on AWS resources: the UID of
	// its namespace kube-system.
	ClusterID string
	// MaxDuration is the longest that a run may last, LongestDuration at most.
	MaxDuration time.Duration
	// MaxActiveRuns is how many runs may be on at once in the whole cluster. 0: any number.
	MaxActiveRuns int
	// NamespaceRoles are the roles that the runs of some namespaces work with. Those of all others
	// work with the manager's own credentials, unless RequireNamespaceRole forbids that.
	NamespaceRoles       []NamespaceRole
	RequireNamespaceRole bool
	// DeadManRoleARN is the role with which EventBridge Scheduler deletes the rules of clones, and
	// DeadManScheduleGroup the group for its schedules. Empty, both of them: there is no dead man's
	// switch. They are for runs with the manager's own credentials: a NamespaceRole has its own.
	DeadManRoleARN, DeadManScheduleGroup string
	// SweepInterval is how often AWS is searched for what runs left behind.
	SweepInterval time.Duration
	// SweepRegions are the Regions that are searched, beside the manager's own and those of
	// objects.
	SweepRegions []string
	// MaxConcurrentReconciles is how many objects are worked on at once, two at least. Half of that
	// is kept for runs that are on or ending.
	MaxConcurrentReconciles int
	// AllowAdditionalEndpoints lets objects name further destinations to deny.
	AllowAdditionalEndpoints bool
	// FISSafetyLever has no run start while the safety lever of AWS FIS is engaged in its Region, and
	// ends those that are on.
	FISSafetyLever bool
	// APIServer finds the addresses of the Kubernetes API server, which no run denies.
	// Nil: none are known.
	APIServer func(context.Context) ([]discovery.Protected, error)
}

// Defaults are the options of a manager without flags. Its bounds are those of a first use: what a run
// shows is seen within minutes, and one with a typing error in its duration should cost an hour at most.
func Defaults() Options {
	return Options{
		ConsentTagKey:           "agentdisconnect.dev/allow",
		AgentPollInterval:       15 * time.Second,
		ACLPollInterval:         30 * time.Second,
		LookupInterval:          5 * time.Second,
		AWSReadRate:             10,
		AWSChangeRate:           4,
		CloudTrailDelay:         run.DefaultTrailDelay,
		EntryQuota:              20,
		MaxDuration:             time.Hour,
		MaxActiveRuns:           5,
		SweepInterval:           10 * time.Minute,
		MaxConcurrentReconciles: 64,

		AllowAdditionalEndpoints: true,
	}
}

// Validate says what is wrong with the options, and what they may be.
func (o Options) Validate() error {
	var errs []error
	for _, each := range []struct {
		flag     string
		interval time.Duration
	}{
		{"agent-poll-interval", o.AgentPollInterval},
		{"network-acl-poll-interval", o.ACLPollInterval},
		{"lookup-interval", o.LookupInterval},
	} {
		if each.interval < ShortestInterval || each.interval > longestInterval {
			errs = append(errs, fmt.Errorf("--%s is %s: it must be from %s to %s", each.flag, each.interval, ShortestInterval, longestInterval))
		}
	}

	for _, each := range []struct {
		flag string
		rate float64
	}{{"aws-read-rate", o.AWSReadRate}, {"aws-change-rate", o.AWSChangeRate}} {
		if each.rate != 0 && !(each.rate >= lowestRate && each.rate <= highestRate) {
			errs = append(errs, fmt.Errorf("--%s is %g: it must be from %g to %g calls a second, or 0 for no limit", each.flag, each.rate, lowestRate, highestRate))
		}
	}

	if d := o.CloudTrailDelay; d < run.ShortestTrailDelay || d > run.LongestTrailDelay || d%time.Second != 0 {
		errs = append(errs, fmt.Errorf("--cloudtrail-delay is %s: it must be from %s to %s, in whole seconds", d, run.ShortestTrailDelay, run.LongestTrailDelay))
	}

	if o.EntryQuota < 1 || o.EntryQuota > 40 {
		errs = append(errs, fmt.Errorf("--network-acl-entry-quota is %d: AWS grants from 1 to 40", o.EntryQuota))
	}

	if o.MaxDuration < shortestDuration || o.MaxDuration > LongestDuration {
		errs = append(errs, fmt.Errorf("--max-duration is %s: it must be from %s to %s", o.MaxDuration, shortestDuration, LongestDuration))
	}

	if o.MaxActiveRuns < 0 {
		errs = append(errs, fmt.Errorf("--max-active-runs is %d: it must be 0, for any number, or more", o.MaxActiveRuns))
	}

	if o.SweepInterval < ShortestInterval || o.SweepInterval > longestSweep {
		errs = append(errs, fmt.Errorf("--sweep-interval is %s: it must be from %s to %s", o.SweepInterval, ShortestInterval, longestSweep))
	}

	for _, region := range o.SweepRegions {
		if !regionName.MatchString(region) {
			errs = append(errs, fmt.Errorf("--sweep-regions names %q: it must be names of Regions, such as ap-northeast-1, separated by commas", region))
		}
	}

	errs = append(errs, o.validateSwitch())
	if o.MaxConcurrentReconciles < fewestWorkers {
		errs = append(errs, fmt.Errorf("--max-concurrent-reconciles is %d: it must be at least %d", o.MaxConcurrentReconciles, fewestWorkers))
	}

	if host, port, err := net.SplitHostPort(o.DNSServer); o.DNSServer != "" {
		if number, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil || host == "" || number == 0 {
			errs = append(errs, fmt.Errorf("--dns-server is %q: it must be an address with a port, such as 10.0.0.2:53", o.DNSServer))
		}
	}
	return errors.Join(errs...)
}

// Workers is how many objects are worked on at once.
func (o Options) Workers() int { return max(o.MaxConcurrentReconciles, fewestWorkers) }

// PlacesForStarts is how many of the workers objects that have not begun may take up at once: half
// of them. The rest is kept for runs that are on or ending, however many other objects there are
// and however slowly AWS answers for them.
func (o Options) PlacesForStarts() int { return o.Workers() / 2 }

var (
	roleARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$`)
	// regionName is as spec.region.
	regionName    = regexp.MustCompile(`^[a-z]{2,8}(-[a-z]{1,16}){1,3}-[0-9]{1,2}$`)
	scheduleGroup = regexp.MustCompile(`^[0-9a-zA-Z._-]{1,64}$`)
)

// validateSwitch checks what the dead man's switch takes: a role and a group, or neither.
func (o Options) validateSwitch() error {
	switch {
	case o.DeadManRoleARN == "" && o.DeadManScheduleGroup == "":
		return nil
	case o.DeadManRoleARN == "" || o.DeadManScheduleGroup == "":
		return errors.New("--deadman-role-arn and --deadman-schedule-group go together: set both, or neither")
	case !isRoleARN(o.DeadManRoleARN):
		return fmt.Errorf("--deadman-role-arn is %q: it must be the ARN of a role, such as arn:aws:iam::123456789012:role/agentdisconnect-deadman", o.DeadManRoleARN)
	case !scheduleGroup.MatchString(o.DeadManScheduleGroup):
		return fmt.Errorf("--deadman-schedule-group is %q: it must be the name of a schedule group, of letters, digits, and - _ . alone", o.DeadManScheduleGroup)
	}
	return nil
}

const (
	// shortestDuration and LongestDuration are what the API allows for spec.duration.
	shortestDuration, LongestDuration = time.Minute, 12 * time.Hour
	// ShortestInterval keeps the passes of one object apart.
	ShortestInterval = 10 * time.Millisecond
	// longestInterval is still several looks in the shortest run.
	longestInterval = time.Minute
	// lowestRate still ends a run within minutes, and highestRate is more than AWS allows.
	lowestRate, highestRate = 0.1, 1000.0
	// longestSweep is such that what a run left is gone the same day.
	longestSweep = 12 * time.Hour
	// fewestWorkers is such that one is left for runs that are on or ending while another is busy
	// with what has not begun.
	fewestWorkers = 2
)
