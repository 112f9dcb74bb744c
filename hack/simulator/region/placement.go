// SPDX-License-Identifier: Apache-2.0

package region

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/clusterquery"
)

// Why ECS does not place a task on a container instance.
const (
	ReasonAgent      = "AGENT"
	ReasonMissing    = "MISSING"
	ReasonCPU        = "RESOURCE:CPU"
	ReasonMemory     = "RESOURCE:MEMORY"
	ReasonPorts      = "RESOURCE:PORTS"
	ReasonGPU        = "RESOURCE:GPU"
	ReasonAttribute  = "ATTRIBUTE"
	ReasonLocation   = "LOCATION"
	ReasonInactive   = "INACTIVE"
	ReasonConstraint = "MemberOf placement constraint unsatisfied."
	ReasonDistinct   = "DistinctInstance placement constraint unsatisfied."
)

// Strategy is a placement strategy: binpack by cpu or memory, spread or random.
type Strategy struct{ Type, Field string }

// RunTask is a request to start tasks. StartTask names its Instances; RunTask leaves them to the scheduler.
type RunTask struct {
	Cluster, Definition string
	Count               int
	Instances           []string
	Constraints         []Constraint
	Strategies          []Strategy
	Group, StartedBy    string
	LaunchType          string
	Overrides           map[string]any
	// Containers are the names of those that are overridden.
	Containers []string
	Tags       map[string]string
	// Subnets are those of the network configuration; nil: there is none.
	Subnets []string
	// Strategy is the capacity provider strategy; empty: there is none.
	Strategy    []StrategyItem
	ClientToken string
	Request     string // all parameters, to tell a retry from another request
}

// RunTask places tasks on connected container instances that match all constraints and have room. Tasks that find no
// place are reported as one failure for each container instance of the cluster, with the reason that ruled it out.
func (r *Region) RunTask(q RunTask) (tasks []Task, failures []Failure, err error) {
	err = r.change(func(s *state) error {
		v := View{r: r, s: s}
		c, err := v.ActiveCluster(q.Cluster)
		if err != nil {
			return err
		}
		d, ok := v.FindTaskDefinition(q.Definition)
		if !ok {
			return Errorf("ClientException", "TaskDefinition not found.")
		}
		if err := startable(d, q); err != nil {
			return err
		}
		if t, used := r.tokens["RunTask/"+q.ClientToken]; q.ClientToken != "" && used {
			if t.request != q.Request {
				e := Errorf("ConflictException", "The provided clientToken %s is already in use with a different RunTask request.", q.ClientToken)
				e.Details = map[string]any{"resourceIds": t.ids}
				return e
			}
			for _, arn := range t.ids {
				if task, ok := s.tasks.m[arn]; ok {
					tasks = append(tasks, task)
				}
			}
			return nil
		}
		if len(q.Strategy) > 0 {
			tasks, err = r.provision(v, c, d, q)
			r.remember(q, tasks)
			return err
		}
		if !slices.ContainsFunc(v.ContainerInstances(c.ARN), q.considers) {
			return Errorf("InvalidParameterException", "No Container Instances were found in your cluster.")
		}
		tasks, failures, err = r.place(v, c, d, q)
		r.remember(q, tasks)
		return err
	})
	return tasks, failures, err
}

// remember keeps the tasks of a request for its token.
func (r *Region) remember(q RunTask, tasks []Task) {
	if q.ClientToken == "" || len(tasks) == 0 {
		return
	}
	arns := make([]string, len(tasks))
	for i, t := range tasks {
		arns[i] = t.ARN
	}
	r.tokens["RunTask/"+q.ClientToken] = idempotent{q.Request, arns}
}

// startable refuses what no state of the cluster makes possible.
func startable(d TaskDefinition, q RunTask) error {
	if d.Status != "ACTIVE" {
		return Errorf("ClientException", "TaskDefinition is inactive")
	}
	for _, name := range q.Containers {
		if !slices.ContainsFunc(d.Containers, func(c Container) bool { return c.Name == name }) {
			return Errorf("InvalidParameterException", "Override for container named %s is not a container in the TaskDefinition.", name)
		}
	}
	switch isVPC := d.NetworkMode == awsvpc; {
	case isVPC && q.Subnets == nil:
		return Errorf("InvalidParameterException", "Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	case !isVPC && q.Subnets != nil:
		return Errorf("InvalidParameterException", "Network Configuration is not valid for the given networkMode of this task definition.")
	}
	return nil
}

// considers reports whether a container instance can take part at all: no candidate and no failure
// comes of others. Those that drain take no tasks, and external ones are for the launch type
// EXTERNAL. StartTask names what it wants.
func (q RunTask) considers(i ContainerInstance) bool {
	return !i.External && (q.Instances != nil || i.Status == "ACTIVE")
}

func (r *Region) place(v View, c Cluster, d TaskDefinition, q RunTask) (tasks []Task, failures []Failure, err error) {
	fits, err := placeable(v, d, q)
	if err != nil {
		return nil, nil, err
	}
	if q.Instances != nil {
		for _, ref := range q.Instances {
			i, ok := v.FindContainerInstance(c, ref)
			reason := ReasonMissing
			if ok {
				reason = fits(i)
			}
			if reason != "" {
				failures = append(failures, Failure{ARN: v.ContainerInstanceARN(c, ref), Reason: reason})
				continue
			}
			tasks = append(tasks, r.addTask(v, i, d, q))
		}
		return tasks, failures, nil
	}
	for range q.Count {
		failures = nil
		var candidates []ContainerInstance
		for _, i := range v.ContainerInstances(c.ARN) {
			if !q.considers(i) {
				continue
			}
			if reason := fits(i); reason != "" {
				failures = append(failures, Failure{ARN: i.ARN, Reason: reason})
				continue
			}
			candidates = append(candidates, i)
		}
		if len(candidates) == 0 {
			return tasks, failures, nil
		}
		tasks = append(tasks, r.addTask(v, pick(v, candidates, q.Strategies), d, q))
	}
	return tasks, nil, nil
}

// placeable says why an instance can't take a task, empty if it can: constraints first, then the
// agent, then what the instance is, then room. Which of several reasons AWS gives isn't documented.
func placeable(v View, d TaskDefinition, q RunTask) (func(ContainerInstance) string, error) {
	var exprs []clusterquery.Expr
	distinct := false
	for _, c := range slices.Concat(d.Constraints, q.Constraints) {
		if c.Type == "distinctInstance" {
			distinct = true
			continue
		}
		e, err := clusterquery.Parse(c.Expression)
		if err != nil {
			return nil, Errorf("InvalidParameterException", "%v", err)
		}
		exprs = append(exprs, e)
	}
	group := q.groupFor(d)
	zones := map[string]bool{}
	for _, id := range q.Subnets {
		sub, ok := v.s.subnets.m[id]
		if !ok {
			return nil, Errorf("InvalidParameterException", "Error retrieving subnet information for [%s]: The subnet ID '%s' does not exist", id, id)
		}
		zones[sub.AvailabilityZone] = true
	}
	return func(i ContainerInstance) string {
		instance := v.Query(i)
		for _, e := range exprs {
			if !e(instance) {
				return ReasonConstraint
			}
		}
		if distinct && slices.Contains(instance.TaskGroups, group) {
			return ReasonDistinct
		}
		switch {
		case !i.AgentConnected:
			return ReasonAgent
		case slices.ContainsFunc(d.RequiresAttributes, func(name string) bool { _, ok := instance.Attributes[name]; return !ok }):
			return ReasonAttribute
		case q.Subnets != nil && !zones[v.s.subnets.m[i.SubnetID].AvailabilityZone]:
			return ReasonLocation
		}
		return v.lacks(i, d.Needs)
	}, nil
}

// pick is deterministic: by the strategies in their order, then the emptiest instance, then the smallest ARN. Spread by
// any field comes down to the emptiest.
func pick(v View, candidates []ContainerInstance, strategies []Strategy) ContainerInstance {
	load := func(i ContainerInstance) int {
		running, pending := v.TaskCounts(func(t Task) bool { return t.InstanceARN == i.ARN })
		return running + pending
	}
	return slices.MinFunc(candidates, func(a, b ContainerInstance) int {
		for _, s := range strategies {
			if s.Type != "binpack" {
				continue
			}
			cpuA, memoryA := v.Remaining(a)
			cpuB, memoryB := v.Remaining(b)
			by := cmp.Compare(memoryA, memoryB)
			if s.Field == "cpu" || s.Field == "CPU" {
				by = cmp.Compare(cpuA, cpuB)
			}
			if by != 0 {
				return by
			}
		}
		return cmp.Or(cmp.Compare(load(a), load(b)), cmp.Compare(a.ARN, b.ARN))
	})
}

func (q RunTask) groupFor(d TaskDefinition) string { return cmp.Or(q.Group, "family:"+d.Family) }

// addTask makes a task on a container instance.
func (r *Region) addTask(v View, i ContainerInstance, d TaskDefinition, q RunTask) Task {
	t := r.newTask(v, i.ClusterARN, d, q)
	r.assign(v, &t, i, d)
	v.s.tasks.put(t.ARN, t)
	return t
}

// newTask makes a task that is on no instance yet.
func (r *Region) newTask(v View, clusterARN string, d TaskDefinition, q RunTask) Task {
	now := r.o.Clock.Now()
	r.forgetTasks(v.s, now)
	return Task{
		ARN: r.ARN("ecs", "task/"+clusterName(clusterARN)+"/"+r.hexID(32)), ClusterARN: clusterARN, DefinitionARN: d.ARN,
		Group: q.groupFor(d), StartedBy: q.StartedBy, LaunchType: "EC2", Needs: d.Needs, Overrides: q.Overrides, Tags: maps.Clone(q.Tags), CreatedAt: now,
	}
}

// assign gives a task its container instance, and with it its containers.
func (r *Region) assign(v View, t *Task, i ContainerInstance, d TaskDefinition) {
	t.InstanceARN, t.AvailabilityZone = i.ARN, v.s.subnets.m[i.SubnetID].AvailabilityZone
	if i.External {
		t.LaunchType = "EXTERNAL"
	}
	for _, c := range d.Containers {
		c.ARN = r.ARN("ecs", "container/"+t.ARN[len(r.ARN("ecs", "task/")):]+"/"+r.hexID(32))
		t.Containers = append(t.Containers, c)
	}
}

func clusterName(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }
