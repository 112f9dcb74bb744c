// SPDX-License-Identifier: Apache-2.0

package region

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"
)

// tasked is a Region with a cluster c of two container instances, the second one of a capacity
// provider.
func tasked(t interface{ Fatal(...any) }, clock *clocktesting.FakePassiveClock) (r *Region, instances []string) {
	r = small(t, clock)
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(r.AddSubnet(Subnet{ID: "subnet-a", VPCID: testVPC, CIDR: netip.MustParsePrefix("10.0.1.0/24"), AvailabilityZone: "a"}))
	must(r.AddCluster("c", nil))
	must(r.AddCapacityProvider(CapacityProvider{Name: "asg", Type: ProviderAutoScaling, AutoScalingGroupARN: "arn"}))
	must(r.AddClusterCapacityProviders("c", "asg"))
	for n, provider := range []string{"", "asg"} {
		arn, err := r.AddContainerInstance("c", "", ContainerInstance{
			SubnetID: "subnet-a", PrivateIP: netip.AddrFrom4([4]byte{10, 0, 1, byte(10 + n)}), AgentConnected: true, CapacityProvider: provider,
		})
		must(err)
		instances = append(instances, arn)
	}
	_, err := r.RegisterTaskDefinition(TaskDefinition{Family: "f", Needs: Resources{CPU: 100, Memory: 100}, Document: map[string]any{}})
	must(err)
	return r, instances
}

// act is one thing that happens to both of two Regions.
type act struct {
	kind   string
	which  int
	passes time.Duration
}

func (a act) do(r *Region, instances []string, tasks *[]string) {
	instance := instances[a.which%len(instances)]
	switch a.kind {
	case "start":
		made, _, _ := r.RunTask(RunTask{Cluster: "c", Definition: "f", Count: 1, Instances: []string{instance}})
		for _, t := range made {
			*tasks = append(*tasks, t.ARN)
		}
	case "provision":
		made, _, _ := r.RunTask(RunTask{Cluster: "c", Definition: "f", Count: 1, Strategy: []StrategyItem{{Provider: "asg", Weight: 1}}})
		*tasks = append(*tasks, made[0].ARN)
	case "stop":
		if len(*tasks) > 0 {
			_, _ = r.StopTask("c", (*tasks)[a.which%len(*tasks)], "")
		}
	case "connect", "disconnect":
		r.SetAgentConnected(instance, a.kind == "connect")
	case "cut", "mend":
		r.SetSessionCut(instance, a.kind == "cut")
	}
}

// Reads move no task: a Region that is looked at all the time and one that is not end up the same.
func TestReadsMoveNoTask(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clock := clocktesting.NewFakePassiveClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
		read, instances := tasked(t, clock)
		unread, _ := tasked(t, clock)
		var tasks, same []string
		kinds := rapid.SampledFrom([]string{"start", "provision", "stop", "connect", "disconnect", "cut", "mend", "wait"})
		for range rapid.IntRange(1, 30).Draw(t, "acts") {
			a := act{kinds.Draw(t, "kind"), rapid.IntRange(0, 5).Draw(t, "which"), time.Duration(rapid.IntRange(0, 900).Draw(t, "seconds")) * time.Second}
			a.do(read, instances, &tasks)
			a.do(unread, instances, &same)
			for range 3 {
				clock.SetTime(clock.Now().Add(a.passes / 3))
				statuses(t, read, tasks)
			}
		}
		if one, other := statuses(t, read, tasks), statuses(t, unread, same); !slices.Equal(one, other) {
			t.Fatalf("%v, and unread %v", one, other)
		}
	})
}

// statuses are those of tasks, which have to make sense.
func statuses(t *rapid.T, r *Region, arns []string) []string {
	v := r.View(time.Time{})
	c, _ := v.FindCluster("c")
	var out []string
	for _, arn := range arns {
		task, ok := v.FindTask(c, arn)
		if !ok {
			out = append(out, "forgotten")
			continue
		}
		last, desired := task.Status(v.Now())
		if last == StatusStopped && desired != StatusStopped || last == StatusRunning && task.InstanceARN == "" {
			t.Fatalf("%s: %s, desired %s: %+v", arn, last, desired, task)
		}
		out = append(out, last+" "+desired)
	}
	return out
}

// A read of an earlier time sees what the tasks then were.
func TestTasksOfAnEarlierTime(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clock := clocktesting.NewFakePassiveClock(began)
	r, instances := tasked(t, clock)
	made, _, err := r.RunTask(RunTask{Cluster: "c", Definition: "f", Instances: instances[:1]})
	if err != nil || len(made) != 1 {
		t.Fatal(made, err)
	}
	clock.SetTime(began.Add(time.Minute))
	for after, want := range map[time.Duration]string{0: StatusPending, TaskStarts - 1: StatusPending, TaskStarts: StatusRunning} {
		v := r.View(began.Add(after))
		task := v.Tasks(made[0].ClusterARN)[0]
		if last, _ := task.Status(v.Now()); last != want {
			t.Errorf("after %s it was %s, want %s", after, last, want)
		}
	}
}
