// SPDX-License-Identifier: Apache-2.0

// Command manager runs the agentdisconnect controller.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"go.uber.org/zap/zapcore"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/agentdisconnect"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/controllers/schedule"
	"agentdisconnect.dev/agentdisconnect/controllers/sweeper"
)

// version is stamped at build time.
var version = "dev"

// product is what the manager calls itself towards AWS.
const product = "agentdisconnect"

// settings are the flags.
type settings struct {
	metricsAddress, probeAddress string
	secureMetrics, leaderElect   bool
	printVersion                 bool
	leaseNamespace               string
	gracePeriod                  time.Duration
	namespaces                   []string
	options                      options.Options
	log                          zap.Options
}

func main() {
	s, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	case s.printVersion:
		fmt.Println(product, version)
		return
	}

	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&s.log)))
	if err := run(ctrl.SetupSignalHandler(), s); err != nil {
		ctrl.Log.Error(err, "Manager stopped")
		os.Exit(1)
	}
}

func parse(args []string) (*settings, error) {
	s := &settings{options: options.Defaults()}
	o := &s.options
	f := flag.NewFlagSet("manager", flag.ContinueOnError)
	f.StringVar(&s.metricsAddress, "metrics-bind-address", ":8443", "address of the metrics endpoint; 0 turns it off")
	f.BoolVar(&s.secureMetrics, "metrics-secure", true, "serve metrics over HTTPS, to clients that the API server authorizes")
	f.StringVar(&s.probeAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz; 0 turns them off")
	f.BoolVar(&s.leaderElect, "leader-elect", false, "work only while this replica is the leader; needed with more than one replica")
	f.StringVar(&s.leaseNamespace, "leader-election-namespace", "", "namespace of the leader election lease; empty: the manager's own namespace, which is known only in a pod")
	f.DurationVar(&s.gracePeriod, "graceful-shutdown-timeout", 20*time.Second, "how long running passes may take to end after the manager is told to stop")
	f.BoolVar(&s.printVersion, "version", false, "print the version and exit")

	f.StringVar(&o.ConsentTagKey, "consent-tag-key", o.ConsentTagKey, "key of the tag with which a subnet's owner consents; empty: no consent is required")
	f.StringVar(&o.DNSServer, "dns-server", o.DNSServer, "address (host:port) of the DNS server to look hosts up with: the one that the agents use, such as the VPC's resolver; empty: the system's resolver")
	f.DurationVar(&o.AgentPollInterval, "agent-poll-interval", o.AgentPollInterval, "how often ECS is asked whether agents are connected")
	f.DurationVar(&o.ACLPollInterval, "network-acl-poll-interval", o.ACLPollInterval, "how often the network ACL is read while rules are in place")
	f.DurationVar(&o.LookupInterval, "lookup-interval", o.LookupInterval, "how often hosts are looked up")
	f.DurationVar(&o.CloudTrailDelay, "cloudtrail-delay", o.CloudTrailDelay, "by how much CloudTrail may be late: nothing is held against a caller before. AWS gives no limit; less than 15m is refused unless CloudTrail is simulated (AWS_ENDPOINT_URL)")
	f.IntVar(&o.EntryQuota, "network-acl-entry-quota", o.EntryQuota, "the quota of rules per network ACL and direction (L-2AEEBF1A) where AWS can't be asked for it, at most 40")
	f.DurationVar(&o.MaxDuration, "max-duration", o.MaxDuration, "the longest that a run may last")
	f.IntVar(&o.MaxActiveRuns, "max-active-runs", o.MaxActiveRuns, "how many runs may be on at once in the whole cluster; 0: any number")
	f.StringVar(&o.DeadManRoleARN, "deadman-role-arn", "", "ARN of the role with which EventBridge Scheduler deletes the rules of clones if the manager does not (dead man's switch); set it together with the group, or leave both empty for no switch")
	f.StringVar(&o.DeadManScheduleGroup, "deadman-schedule-group", "", "EventBridge Scheduler group for the schedules of the dead man's switch; it must exist")
	f.DurationVar(&o.SweepInterval, "sweep-interval", o.SweepInterval, "how often AWS is searched for what runs left behind")
	f.Func("sweep-regions", "further Regions to search, separated by commas, besides the manager's own and those of objects", func(value string) error {
		for region := range strings.SplitSeq(value, ",") {
			if region = strings.TrimSpace(region); region != "" {
				o.SweepRegions = append(o.SweepRegions, region)
			}
		}
		return nil
	})
	f.Func("watch-namespaces", "namespaces whose objects the manager runs, separated by commas; empty: all", func(value string) (err error) {
		s.namespaces, err = namespaces(value)
		return err
	})
	f.IntVar(&o.MaxConcurrentReconciles, "max-concurrent-reconciles", o.MaxConcurrentReconciles, "how many objects the manager processes at once, at least 2; half of that is reserved for runs that are on or ending")
	f.BoolVar(&o.AllowAdditionalEndpoints, "allow-additional-endpoints", o.AllowAdditionalEndpoints, "allow objects to name further destinations to deny (spec.additionalEndpoints)")
	// What goes wrong in AWS is no fault of the program, and its stack trace hides the line that matters.
	s.log.StacktraceLevel = zapcore.PanicLevel
	s.log.BindFlags(f)
	if err := f.Parse(args); err != nil {
		return nil, err
	}

	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: everything is set with flags, see --help", f.Arg(0))
	}
	return s, o.Validate()
}

// namespaces takes a list apart, and says which of its names can't be one of a namespace.
func namespaces(list string) ([]string, error) {
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			continue
		}
		if wrong := validation.IsDNS1123Label(name); len(wrong) > 0 {
			return nil, fmt.Errorf("%q is not a valid name of a namespace: %s", name, wrong[0])
		}
		names = append(names, name)
	}

	if list != "" && len(names) == 0 {
		return nil, fmt.Errorf("%q names no namespace: leave it empty for all of them", list) // not all by a slip
	}
	return names, nil
}

// clusterID tells this cluster from all others for as long as it lives: the UID of the namespace that none is without.
func clusterID(ctx context.Context, reader client.Reader) (string, error) {
	var namespace corev1.Namespace
	if err := reader.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, &namespace); err != nil {
		return "", fmt.Errorf("reading namespace %s, whose UID goes into the tags on AWS resources: %w", metav1.NamespaceSystem, err)
	}
	return string(namespace.UID), nil
}

// warn names the runs that are on in namespaces that are not watched: this manager does not end them.
func warn(ctx context.Context, reader client.Reader, watched []string) error {
	if len(watched) == 0 {
		return nil
	}

	var all v1alpha1.AgentDisconnectList
	if err := reader.List(ctx, &all); err != nil {
		return fmt.Errorf("listing the objects of all namespaces: %w", err)
	}

	for _, obj := range all.Items {
		if obj.Status.StartTime != nil && obj.Status.RestoredTime == nil && !slices.Contains(watched, obj.Namespace) {
			ctrl.Log.Info("A run is on in a namespace that --watch-namespaces leaves out: this manager does not end it", "namespace", obj.Namespace, "name", obj.Name)
		}
	}
	return nil
}

// checkTrailDelay refuses to judge callers by events that AWS may not show yet: they would be called
// not recovered though they are.
func checkTrailDelay(delay time.Duration, cfg awssdk.Config) error {
	least := options.Defaults().CloudTrailDelay
	if delay >= least || !aws.AsksCloudTrailOfAWS(cfg) {
		return nil
	}
	return fmt.Errorf("--cloudtrail-delay is %s: AWS shows some events after %s, and callers would be reported as not recovered though they are; less is for a simulated Region alone (AWS_ENDPOINT_URL)", delay, least)
}

func run(ctx context.Context, s *settings) error {
	probes, err := serveProbes(ctx, s.probeAddress)
	if err != nil {
		return err
	}

	defer probes.close()

	awsConfig, err := aws.Load(ctx)
	if err != nil {
		return err
	}

	if err := checkTrailDelay(s.options.CloudTrailDelay, awsConfig); err != nil {
		return err
	}

	sessions := aws.NewSessions(awsConfig, product, version, agentdisconnect.CountCalls)
	restConfig, err := ctrl.GetConfig()
	if err != nil {
		return err
	}

	// Priority and fairness of the API server limit us; waiting on our side could hold up a run's end.
	restConfig.QPS = -1
	restConfig.UserAgent = product + "/" + version

	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	if s.options.ClusterID, err = meet(ctx, restConfig, scheme, s.namespaces); err != nil {
		if ctx.Err() != nil {
			return nil // it was asked to stop while it waited
		}
		return err
	}

	metrics := metricsserver.Options{BindAddress: s.metricsAddress, SecureServing: s.secureMetrics}
	if s.secureMetrics {
		metrics.FilterProvider = filters.WithAuthenticationAndAuthorization
	}

	watched := map[string]cache.Config{}
	for _, name := range s.namespaces {
		watched[name] = cache.Config{}
	}

	mgr, err := ctrl.NewManager(restConfig, ctrl.Options{
		Scheme: scheme, Cache: cache.Options{DefaultNamespaces: watched}, Metrics: metrics, HealthProbeBindAddress: "0",
		Controller:     config.Controller{CacheSyncTimeout: syncTimeout},
		LeaderElection: s.leaderElect, LeaderElectionID: "agentdisconnect.chaos.agentdisconnect.dev",
		LeaderElectionNamespace: s.leaseNamespace,
		// Passes end before the lease is let go, so another manager never works beside this one.
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       &s.gracePeriod,
	})
	if err != nil {
		return fmt.Errorf("setting up the manager: %w", err)
	}

	s.options.APIServer = agentdisconnect.APIServer(restConfig.Host, mgr.GetAPIReader())
	reconciler := agentdisconnect.New(mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder(product), sessions, clock.RealClock{}, s.options)
	if err := reconciler.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("setting up the controller: %w", err)
	}

	schedules := schedule.New(mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder(product), clock.RealClock{})
	if err := mgr.Add(&scheduling{mgr, s.namespaces, schedules}); err != nil {
		return fmt.Errorf("setting up the wait for schedules: %w", err)
	}

	sweeping := sweeper.Options{
		Interval: s.options.SweepInterval, Regions: s.options.SweepRegions,
		ClusterID: s.options.ClusterID, ScheduleGroup: s.options.DeadManScheduleGroup,
	}

	if err := mgr.Add(sweeper.New(mgr.GetAPIReader(), sessions, clock.RealClock{}, sweeping)); err != nil {
		return fmt.Errorf("setting up the sweeper: %w", err)
	}

	if err := mgr.Add(&reading{mgr, probes}); err != nil {
		return fmt.Errorf("setting up the readiness probe: %w", err)
	}

	ctrl.Log.Info("Starting", "version", version, "region", sessions.DefaultRegion())
	return mgr.Start(ctx)
}
