// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"
	"errors"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/probetasks"
	"agentdisconnect.dev/agentdisconnect/controllers/parallel"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// gatherProbe looks the probe's task definition up, and asks AWS whether tasks that a probe started
// could be found and stopped.
func (p *Preflight) gatherProbe(ctx context.Context, f *Findings) error {
	probe := f.spec().Probe
	if probe == nil {
		return nil
	}

	about := strings.Join([]string{p.Clients.Region, f.spec().Cluster, probe.TaskDefinition}, " ")
	definition, err := p.Cache.TaskDefinition.GetWithin(answers.AnswerTTL, p.Now, about, func() (definition discovery.TaskDefinition, err error) {
		err = parallel.Do(
			func() (err error) {
				definition, err = discovery.DescribeTaskDefinition(ctx, p.Clients.ECS, probe.TaskDefinition)
				return
			},
			func() error { return p.checkTaskPermissions(ctx, f.spec().Cluster) },
		)
		return definition, err
	})
	if err != nil {
		return err
	}
	f.definition = &definition
	return nil
}

// checkTaskPermissions asks AWS whether it allows what the end of a probe takes. Whether it allows
// RunTask shows only when it is called: that has no dry run.
func (p *Preflight) checkTaskPermissions(ctx context.Context, cluster string) error {
	err := parallel.Do(
		func() error { _, err := probetasks.Find(ctx, p.Clients.ECS, cluster); return err },
		func() error { return probetasks.CheckDescribe(ctx, p.Clients.ECS, cluster) },
		func() error { return probetasks.CheckStop(ctx, p.Fenced().ECS, cluster) },
	)

	var rest []error
	for _, each := range problem.Flatten(err) {
		if !aws.HasCode(each, aws.CodeClusterNotFound) { // the first look says more of the same
			rest = append(rest, each)
		}
	}
	return errors.Join(rest...)
}

// checkProbe refuses a probe whose task definition RunTask can't start on a container instance.
func checkProbe(f *Findings) error {
	definition := f.definition
	switch {
	case f.spec().Probe == nil || definition == nil:
		return nil // there is no probe, or said by what kept its task definition from being known
	case !definition.Active:
		return problem.Refuse(v1alpha1.ReasonTaskDefinitionNotUsable, "task definition %s is not ACTIVE: register a new revision, or name another one in spec.probe.taskDefinition", definition.ARN)
	case !definition.EC2:
		return problem.Refuse(v1alpha1.ReasonTaskDefinitionNotUsable, "task definition %s does not allow the launch type EC2, with which the probe calls RunTask: name one that does in spec.probe.taskDefinition", definition.ARN)
	}
	return nil
}

// probeNotes are what is worth knowing of a probe before a run: what it does, and what can't be
// asked beforehand.
func probeNotes(f *Findings) []string {
	if f.spec().Probe == nil || f.definition == nil {
		return nil
	}

	note := "the probe calls RunTask with task definition " + f.definition.ARN + " every " + run.ProbeInterval(f.spec().Probe).String() +
		" while all agents are disconnected: if an agent is connected after all, one real task starts, and is stopped at once. Whether the manager may call RunTask shows with the first call, since RunTask has no dry run"
	if roles := f.definition.Roles; len(roles) > 0 {
		note += "; it also takes iam:PassRole for " + problem.List(roles)
	}
	return []string{note}
}

// initProbe is what the status says of the probe when a run begins; nil: it has none.
func initProbe(f *Findings) *v1alpha1.ProbeStatus {
	if f.spec().Probe == nil || f.definition == nil {
		return nil
	}
	status := &v1alpha1.ProbeStatus{TaskDefinitionARN: f.definition.ARN}
	if f.definition.AWSVPC {
		status.AWSVPC = new(true)
	}
	return status
}
