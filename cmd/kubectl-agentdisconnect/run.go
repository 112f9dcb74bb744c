// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/view"
)

// generateName begins the names of objects that were given none.
const generateName = "run-"

// runOptions are the flags of run.
type runOptions struct {
	name, file string
	timeout    time.Duration
	// spec are the fields that flags set, by their names in the API.
	spec map[string]any
}

const runHelp = `Create an AgentDisconnect and follow its run until it is decided.

The object comes from a manifest (-f), or from flags, for which the API server has the same rules: kubectl explain
agentdisconnect.spec. Without a name the API server makes one that begins with "` + generateName + `". For a start at a later time, and for
objects that a repository holds, use a manifest.

On a terminal it shows the state, the rules, the agents and the time that is left, and Ctrl-C asks once whether to end the run.
Elsewhere it prints a line for each change, and Ctrl-C only stops following. A run never depends on this command: it ends by itself.

A run that is refused stays, and begins by itself once the cause is solved, up to its start deadline.

` + outcomeCodes

func (p *program) runCommand() *cobra.Command {
	o := runOptions{spec: map[string]any{}}
	cmd := &cobra.Command{
		Use: "run [NAME] (-f FILE | --cluster CLUSTER --subnet SUBNET --duration DURATION)", Short: "Create a run and follow it until it is decided",
		Long: runHelp, DisableFlagsInUseLine: true, ValidArgsFunction: cobra.NoFileCompletions,
		Example: `  kubectl agentdisconnect run --cluster demo --subnet subnet-0c2e4a6b8d1f35790 --duration 10m
  kubectl agentdisconnect run look --mode Plan --cluster demo --subnet subnet-0c2e4a6b8d1f35790 --duration 10m
  kubectl agentdisconnect run -f run.yaml --timeout 1h`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("run takes one name, not %d arguments", len(args))
			}
			return nil
		},
	}
	flags := addClusterFlags(cmd)
	f := cmd.Flags()
	f.StringVarP(&o.file, "filename", "f", "", "the manifest of one AgentDisconnect, in YAML or JSON; -: standard input")
	f.DurationVar(&o.timeout, "timeout", 0, "how long to follow the run; 0: as long as it takes. The run goes on after it")
	addSpecFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			o.name = args[0]
		}
		setFields(f, o.spec)
		if err := o.validate(); err != nil {
			return err
		}
		return p.createAndFollow(cmd.Context(), flags, o)
	}
	return cmd
}

// specField is a field of the spec that has a flag.
type specField struct {
	flag, field, usage string
	// values are all that there are; nil: any.
	values []string
}

var specFields = []specField{
	{flag: "cluster", field: "cluster", usage: "name or ARN of the Amazon ECS cluster"},
	{flag: "subnet", field: "subnetID", usage: "id of the subnet"},
	{flag: "duration", field: "duration", usage: "how long the run lasts, from 1m to 12h, such as 10m"},
	{flag: "region", field: "region", usage: "AWS Region; unset: that of the cluster's ARN, or the manager's"},
	{flag: "mode", field: "mode", usage: "Run, or Plan, which writes nothing to AWS; unset: Run", values: []string{string(v1alpha1.ModeRun), string(v1alpha1.ModePlan)}},
	{flag: "network-acl-mode", field: "networkACLMode", usage: "InPlace or Clone; unset: InPlace where no other subnet uses the network ACL", values: []string{string(v1alpha1.NetworkACLModeInPlace), string(v1alpha1.NetworkACLModeClone)}},
	{flag: "other-clusters", field: "otherClusters", usage: "Refuse or Allow, where other clusters have agents in the subnet; unset: Refuse", values: []string{string(v1alpha1.OtherClustersRefuse), string(v1alpha1.OtherClustersAllow)}},
	{flag: "on-drift", field: "onDrift", usage: "Reapply or Abort, when a third party removes the rules; unset: Reapply", values: []string{string(v1alpha1.OnDriftReapply), string(v1alpha1.OnDriftAbort)}},
	{flag: "run-id", field: "runID", usage: "tells one run of the object from the next"},
}

const (
	flagSessions = "sessions"
	flagTTL      = "ttl-seconds-after-finished"
	flagProbe    = "probe"
)

func addSpecFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	for _, field := range specFields {
		f.String(field.flag, "", field.usage)
		complete := cobra.NoFileCompletions
		if field.values != nil {
			complete = cobra.FixedCompletions(field.values, cobra.ShellCompDirectiveNoFileComp)
		}
		_ = cmd.RegisterFlagCompletionFunc(field.flag, complete) // fails for flags that are not there
	}
	f.StringSlice(flagSessions, nil, "sessions of the agents to deny: ACS, TCS or both; unset: both")
	f.String(flagProbe, "", "task definition with which the run calls RunTask while the agents are disconnected; unset: it does not")
	f.Int32(flagTTL, 0, "delete the object that many seconds after its run is over; unset: never")
}

// setFields takes the fields of the spec from the flags that were given.
func setFields(f *pflag.FlagSet, spec map[string]any) {
	for _, field := range specFields {
		if f.Changed(field.flag) {
			spec[field.field] = f.Lookup(field.flag).Value.String()
		}
	}
	if f.Changed(flagSessions) {
		sessions, _ := f.GetStringSlice(flagSessions) // it is one
		list := make([]any, len(sessions))
		for i, session := range sessions {
			list[i] = session
		}
		spec["sessions"] = list
	}
	if f.Changed(flagProbe) {
		spec["probe"] = map[string]any{"taskDefinition": f.Lookup(flagProbe).Value.String()}
	}
	if f.Changed(flagTTL) {
		ttl, _ := f.GetInt32(flagTTL) // it is one
		spec["ttlSecondsAfterFinished"] = int64(ttl)
	}
}

func (o runOptions) validate() error {
	if err := checkTimeout(o.timeout); err != nil {
		return err
	}
	switch {
	case o.file != "" && len(o.spec) > 0:
		return usage("--filename and flags for fields of the spec exclude each other: change the manifest")
	case o.file != "" && o.name != "":
		return usage("--filename and a name exclude each other: name the object in the manifest")
	case o.file != "":
		return nil
	}
	for _, required := range specFields[:3] {
		if o.spec[required.field] == nil {
			return usage("run needs --filename, or --cluster, --subnet and --duration; --%s is missing", required.flag)
		}
	}
	return nil
}

// object is what is to be created.
func (p *program) object(o runOptions) (*unstructured.Unstructured, error) {
	if o.file != "" {
		return p.readManifest(o.file)
	}
	u := &unstructured.Unstructured{Object: map[string]any{"spec": o.spec}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	if o.name != "" {
		u.SetName(o.name)
	} else {
		u.SetGenerateName(generateName)
	}
	return u, nil
}

func (p *program) createAndFollow(ctx context.Context, flags *clusterFlags, o runOptions) error {
	u, err := p.object(o)
	if err != nil {
		return err
	}
	c, err := p.connectKubernetes(flags)
	if err != nil {
		return err
	}

	obj, err := c.create(ctx, u, cmp.Or(o.file, "the flags"))
	if err != nil {
		return err
	}
	return p.followCreated(ctx, c, obj, o.timeout)
}

// followCreated follows a run that the command created until it is decided.
func (p *program) followCreated(ctx context.Context, c *cluster, obj *v1alpha1.AgentDisconnect, timeout time.Duration) error {
	f := p.newFollower(c, obj, timeout)
	f.until, f.mayAsk = ended, true
	f.say("Created " + f.name())
	return f.finish(ctx)
}

// finish follows the run, and says what it came to.
func (f *follower) finish(ctx context.Context) error {
	err := f.conclude(f.follow(ctx))
	if f.obj.Status.Plan != nil && ended(f.obj) && f.obj.Spec.Mode == v1alpha1.ModePlan {
		f.screen.Print(0, view.Plan(f.obj, max(0, f.screen.Width()-1))...)
	}
	return err
}

// create creates an object as it is written: a field that the API server does not know is a
// mistake. source names what the object was made from.
func (c *cluster) create(ctx context.Context, u *unstructured.Unstructured, source string) (*v1alpha1.AgentDisconnect, error) {
	namespace, err := namespaceOf(u, c)
	if err != nil {
		return nil, err
	}

	created, err := c.in(namespace).Create(ctx, u, metav1.CreateOptions{FieldManager: product, FieldValidation: metav1.FieldValidationStrict})
	switch name := describeObject(u); {
	case apierrors.IsAlreadyExists(err):
		return nil, &exit{code: exitRefused, err: fmt.Errorf("%s is there already, and was not changed. Follow it: kubectl agentdisconnect wait %s --namespace %s. To run it again, give its spec.runID a new value; for another object, use another name or metadata.generateName",
			named(namespace, name), name, namespace)}
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return nil, &exit{code: exitRefused, err: fmt.Errorf("the API server does not accept %s of %s, and nothing was created: %w", named(namespace, name), source, err)}
	case err != nil:
		return nil, c.explain("create", namespace, name, err)
	}
	return decode(created)
}
