// SPDX-License-Identifier: Apache-2.0

// Command manager runs the agentdisconnect controller.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
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
	"agentdisconnect.dev/agentdisconnect/controllers/aws/apihosts"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/controllers/pages"
	"agentdisconnect.dev/agentdisconnect/controllers/ratelimit"
	"agentdisconnect.dev/agentdisconnect/controllers/schedule"
	"agentdisconnect.dev/agentdisconnect/controllers/sweeper"
)

// version is stamped at build time.
var version = "dev"

// product is what the manager calls itself towards AWS.
const product = "agentdisconnect"

func main() {
	s, err := parse(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, pflag.ErrHelp):
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

	all, err := objects.NewReader(reader).Unfinished(ctx)
	if err != nil {
		return fmt.Errorf("listing the objects of all namespaces: %w", err)
	}

	for _, obj := range all {
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
	if delay >= least || !apihosts.AsksCloudTrailOfAWS(cfg) {
		return nil
	}
	return fmt.Errorf("--cloudtrail-delay is %s: AWS shows some events after %s, and callers would be reported as not recovered though they are; less is for a simulated Region alone (AWS_ENDPOINT_URL)", delay, least)
}

// warnWithoutRegion says what a manager that has no Region of its own can't do.
func warnWithoutRegion(log logr.Logger, region string) {
	if region != "" {
		return
	}
	log.Error(nil, "The manager has no Region: objects that name none are refused (NoRegion), and sweeps search only the Regions of --sweep-regions and of objects. "+
		"Set AWS_REGION in the manager's environment. Objects with spec.region or with the cluster's ARN work without it. See "+pages.File("docs/install.md"))
}

// logRoles says with which roles the manager works, and where there is no dead man's switch though others
// have one.
func logRoles(log logr.Logger, o options.Options) {
	for _, mapped := range o.NamespaceRoles {
		log.Info("The runs of a namespace work with a role of their own", "namespace", mapped.Namespace, "role", mapped.ARN, "externalID", mapped.ExternalID)
		if mapped.DeadManRoleARN == "" && o.DeadManRoleARN != "" {
			log.Info("Clones of a namespace have no dead man's switch: --deadman-role-arn is of the manager's own account. Add deadman-role-arn and deadman-schedule-group to its --namespace-role",
				"namespace", mapped.Namespace)
		}
	}
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
	sessions.Limits = ratelimit.LimitsOf(s.options.AWSReadRate, s.options.AWSChangeRate)
	sessions.UsesFIS = s.options.FISSafetyLever
	warnWithoutRegion(ctrl.Log, sessions.DefaultRegion())
	logRoles(ctrl.Log, s.options)

	restConfig, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("no Kubernetes cluster: this is no pod, and neither KUBECONFIG (%q) nor ~/.kube/config has one. Set KUBECONFIG to a kubeconfig file: %w", os.Getenv("KUBECONFIG"), err)
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
		Scheme: scheme, Cache: cache.Options{Scheme: objects.Scheme(), DefaultNamespaces: watched}, Metrics: metrics, HealthProbeBindAddress: "0",
		Controller:     config.Controller{CacheSyncTimeout: syncTimeout},
		LeaderElection: s.leaderElect, LeaderElectionID: "agentdisconnect.chaos.agentdisconnect.dev",
		LeaderElectionNamespace: s.leaseNamespace,
		// Passes end before the lease is released, so another manager never works beside this one.
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       &s.gracePeriod,
	})
	if err != nil {
		return fmt.Errorf("setting up the manager: %w", err)
	}

	s.options.APIServer = agentdisconnect.APIServer(restConfig.Host, mgr.GetAPIReader())
	reconciler := agentdisconnect.New(mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder(product), sessions, clock.RealClock{}, s.options)
	if len(s.namespaces) == 0 { // else the cache lacks the objects of other namespaces
		reconciler.Objects.UseInformer(mgr.GetCache(), clock.RealClock{})
	}
	if err := reconciler.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("setting up the controller: %w", err)
	}

	if err := mgr.Add(&halting{mgr, reconciler.Halts}); err != nil {
		return fmt.Errorf("setting up the wait for halts: %w", err)
	}

	schedules := schedule.New(mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder(product), clock.RealClock{})
	if err := mgr.Add(&scheduling{mgr, s.namespaces, schedules}); err != nil {
		return fmt.Errorf("setting up the wait for schedules: %w", err)
	}

	if err := mgr.Add(sweeper.New(reconciler.Objects, sessions, clock.RealClock{}, s.options)); err != nil {
		return fmt.Errorf("setting up the sweeper: %w", err)
	}

	if err := mgr.Add(&reading{mgr, probes}); err != nil {
		return fmt.Errorf("setting up the readiness probe: %w", err)
	}

	ctrl.Log.Info("Starting", "version", version, "region", sessions.DefaultRegion())
	return mgr.Start(ctx)
}
