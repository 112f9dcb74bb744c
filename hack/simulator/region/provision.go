// SPDX-License-Identifier: Apache-2.0

package region

import (
	"cmp"
	"slices"
	"time"
)

// provisioningFor is how long a task waits for capacity before it stops. AWS speaks of 10 to 30
// minutes.
const provisioningFor = 30 * time.Minute

// Why a task stopped that found no capacity: the code and, for a provider without any instance that
// could take it, the reason. Else that is one that an instance has.
const (
	stopCodeFailedToStart = "TaskFailedToStart"
	reasonNoActive        = "NO ACTIVE INSTANCES"
	reasonEmptyProvider   = "EMPTY CAPACITY PROVIDER"
)

// maxStrategyItems is how many capacity providers a strategy has at most.
const maxStrategyItems = 20

// provisioning is what a task waits for.
type provisioning struct {
	definition TaskDefinition
	request    RunTask
	until      time.Time
}

// provision makes tasks that wait for capacity of a strategy's providers. That none is there now is
// no failure.
func (r *Region) provision(v View, c Cluster, d TaskDefinition, q RunTask) ([]Task, error) {
	if err := v.checkStrategy(c, q.Strategy); err != nil {
		return nil, err
	}
	if _, err := placeable(v, d, q); err != nil {
		return nil, err
	}
	var tasks []Task
	for _, provider := range shares(q.Strategy, q.Count) {
		t := r.newTask(v, c.ARN, d, q)
		t.CapacityProvider = provider
		t.waits = &provisioning{definition: d, request: q, until: t.CreatedAt.Add(r.scaled(provisioningFor))}
		v.s.tasks.put(t.ARN, t)
		tasks = append(tasks, t)
	}
	return tasks, nil
}

// checkStrategy refuses what ECS does, and providers without an Auto Scaling group, of which there
// are no instances here.
func (v View) checkStrategy(c Cluster, items []StrategyItem) error {
	if len(items) > maxStrategyItems {
		return Errorf("InvalidParameterException", "A capacity provider strategy can contain a maximum of %d capacity providers.", maxStrategyItems)
	}
	types := map[string]bool{}
	for _, item := range items {
		p, _ := v.FindCapacityProvider(item.Provider)
		if !slices.Contains(c.CapacityProviders, item.Provider) {
			return Errorf("InvalidParameterException", "The specified capacity provider strategy cannot contain a capacity provider that is not "+
				"associated with the cluster. Associate the capacity provider with the cluster or specify a valid capacity provider and try again.")
		}
		types[p.Type] = true
	}
	switch {
	case types[ProviderAutoScaling] && len(types) > 1:
		return Errorf("InvalidParameterException", "A capacity provider strategy cannot contain a mix of capacity providers using Auto Scaling groups "+
			"and Fargate providers. Specify one or the other and try again.")
	case !types[ProviderAutoScaling]:
		return Errorf("InvalidParameterException", "The simulator starts tasks by capacity providers with an Auto Scaling group alone, or with the launch type EC2.")
	case !slices.ContainsFunc(items, func(item StrategyItem) bool { return item.Weight > 0 }):
		return Errorf("InvalidParameterException", "The specified capacity provider strategy must contain at least one capacity provider with a weight greater than 0.")
	}
	return nil
}

// shares are the providers of so many tasks: first as their bases say, then by their weights.
func shares(items []StrategyItem, count int) []string {
	var out []string
	placed := map[string]int{}
	give := func(name string) {
		out = append(out, name)
		placed[name]++
	}
	for _, item := range items {
		for len(out) < count && item.Weight > 0 && placed[item.Provider] < item.Base {
			give(item.Provider)
		}
	}
	weighed := map[string]int{}
	for len(out) < count {
		var next StrategyItem
		for _, item := range items {
			// The one that is furthest behind its share: weighed/weight is least, compared without
			// a division.
			if item.Weight > 0 && (next.Weight == 0 || weighed[item.Provider]*next.Weight < weighed[next.Provider]*item.Weight) {
				next = item
			}
		}
		weighed[next.Provider]++
		give(next.Provider)
	}
	return out
}

// placeWaiting gives tasks that wait the capacity that has come up. Of the others it says how they
// will end unless something changes before: so no timer runs, and no read has to move a task.
func (r *Region) placeWaiting(s *state) {
	now := r.o.Clock.Now()
	var waiting []Task
	for _, t := range s.tasks.m {
		if t.waits != nil && !reached(t.StoppedAt, now) {
			waiting = append(waiting, t)
		}
	}
	slices.SortFunc(waiting, func(a, b Task) int { return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ARN, b.ARN)) })
	v := View{r: r, s: s}
	for _, t := range waiting {
		i, reason := v.capacityFor(t)
		if reason == "" {
			definition := t.waits.definition
			t.waits, t.StoppingAt, t.StoppedAt, t.StopCode, t.StoppedReason = nil, time.Time{}, time.Time{}, "", ""
			r.assign(v, &t, i, definition)
		} else {
			t.StoppingAt, t.StoppedAt = t.waits.until, t.waits.until
			t.StopCode, t.StoppedReason = stopCodeFailedToStart, stopCodeFailedToStart+": "+reason
		}
		s.tasks.put(t.ARN, t)
	}
}

// capacityFor is an instance of a task's provider that can take it, or the reason why none can:
// that of the first one.
func (v View) capacityFor(t Task) (found ContainerInstance, reason string) {
	instances := slices.DeleteFunc(v.ContainerInstances(t.ClusterARN), func(i ContainerInstance) bool { return i.CapacityProvider != t.CapacityProvider })
	if len(instances) == 0 {
		return found, reasonEmptyProvider
	}
	instances = slices.DeleteFunc(instances, func(i ContainerInstance) bool { return !t.waits.request.considers(i) })
	if len(instances) == 0 {
		return found, reasonNoActive
	}
	fits, err := placeable(v, t.waits.definition, t.waits.request)
	if err != nil {
		return found, err.Error() // a subnet that has gone since
	}
	var candidates []ContainerInstance
	for _, i := range instances {
		why := fits(i)
		if why == "" {
			candidates = append(candidates, i)
		} else if reason == "" {
			reason = why
		}
	}
	if len(candidates) == 0 {
		return found, reason
	}
	return pick(v, candidates, t.waits.request.Strategies), ""
}
