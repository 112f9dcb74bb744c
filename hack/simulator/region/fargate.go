// SPDX-License-Identifier: Apache-2.0

package region

// SetFargateTasks starts or stops tasks of a cluster on Fargate until n run. They have no container instance and thus no
// agent of the customer's. The task definition that they name is no longer there.
func (r *Region) SetFargateTasks(cluster string, n int) error {
	return r.change(func(s *state) error {
		c, err := View{r: r, s: s}.ActiveCluster(cluster)
		if err != nil {
			return err
		}
		now := r.o.Clock.Now()
		running := 0
		for _, t := range sortedValues(s.tasks.m) {
			if t.ClusterARN != c.ARN || t.LaunchType != "FARGATE" || !t.StoppingAt.IsZero() {
				continue
			}
			if running++; running > n {
				t.StoppingAt, t.StoppedAt, t.StopCode, t.StoppedReason = now, now, "UserInitiated", "Task stopped by user"
				s.tasks.put(t.ARN, t)
			}
		}
		for ; running < n; running++ {
			t := Task{
				ARN: r.ARN("ecs", "task/"+c.Name+"/"+r.hexID(32)), ClusterARN: c.ARN, DefinitionARN: r.ARN("ecs", "task-definition/fargate:1"),
				Group: "family:fargate", LaunchType: "FARGATE", AvailabilityZone: r.Name() + "a", Needs: Resources{CPU: 256, Memory: 512}, CreatedAt: now, RunningAt: now,
			}
			s.tasks.put(t.ARN, t)
		}
		return nil
	})
}
