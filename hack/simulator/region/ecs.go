// SPDX-License-Identifier: Apache-2.0

package region

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/clusterquery"
)

// Failure is how ECS reports that it could not do something for one resource of a request.
type Failure struct{ ARN, Reason, Detail string }

// FindCluster resolves a name or ARN, empty for the cluster named default. A deleted cluster is found, INACTIVE.
func (v View) FindCluster(ref string) (Cluster, bool) {
	name := cmp.Or(ref, "default")
	if strings.HasPrefix(ref, "arn:") {
		var ok bool
		if name, ok = strings.CutPrefix(ref, v.r.ARN("ecs", "cluster/")); !ok {
			return Cluster{}, false
		}
	}
	c, ok := v.s.clusters.m[name]
	return c, ok
}

// ActiveCluster is FindCluster for the operations that need a cluster that is there.
func (v View) ActiveCluster(ref string) (Cluster, error) {
	c, ok := v.FindCluster(ref)
	if !ok {
		return Cluster{}, Errorf("ClusterNotFoundException", "Cluster not found.")
	}
	if c.Status != "ACTIVE" {
		return Cluster{}, Errorf("ClusterNotFoundException", "The referenced cluster was inactive.")
	}
	return c, nil
}

// ClusterARN is the ARN that a reference to a cluster stands for, whether there is such a cluster or not.
func (v View) ClusterARN(ref string) string {
	if strings.HasPrefix(ref, "arn:") {
		return ref
	}
	return v.r.ARN("ecs", "cluster/"+cmp.Or(ref, "default"))
}

// ContainerInstances are the container instances of a cluster, by ARN.
func (v View) ContainerInstances(clusterARN string) []ContainerInstance {
	return slices.DeleteFunc(sortedValues(v.s.instances.m), func(i ContainerInstance) bool { return i.ClusterARN != clusterARN })
}

// FindContainerInstance resolves an id or ARN within a cluster.
func (v View) FindContainerInstance(c Cluster, ref string) (ContainerInstance, bool) {
	i, ok := v.s.instances.m[v.ContainerInstanceARN(c, ref)]
	return i, ok && i.ClusterARN == c.ARN
}

// ContainerInstanceARN is the ARN that an id or ARN stands for in a cluster.
func (v View) ContainerInstanceARN(c Cluster, ref string) string {
	if strings.HasPrefix(ref, "arn:") {
		return ref
	}
	return v.r.ARN("ecs", "container-instance/"+c.Name+"/"+ref)
}

// Query is what filter expressions see of a container instance.
func (v View) Query(i ContainerInstance) clusterquery.Instance {
	q := clusterquery.Instance{
		Attributes: v.Attributes(i),
		Fields: map[string]string{
			"agentConnected": strconv.FormatBool(i.AgentConnected), "agentVersion": i.AgentVersion, "ec2InstanceId": i.EC2InstanceID,
			"registeredAt": i.RegisteredAt.UTC().Format(time.RFC3339),
		},
	}
	running, _ := v.TaskCounts(func(t Task) bool { return t.InstanceARN == i.ARN })
	q.Fields["runningTasksCount"] = strconv.Itoa(running)
	for _, t := range v.s.tasks.m {
		if v.holds(i, t) {
			q.TaskGroups = append(q.TaskGroups, t.Group)
		}
	}
	return q
}

// DiscoverPollEndpoint is where the agent of a container instance is to connect to, told to a caller in a VPC (empty:
// outside of all). A call that came through an endpoint for ECS gets the hosts for PrivateLink, whichever identity asks.
func (v View) DiscoverPollEndpoint(clusterRef, instanceRef, callerVPC string) (acs, tcs, serviceConnect string, err error) {
	o := v.r.o
	acs, tcs, serviceConnect = o.ACSEndpoint, o.TCSEndpoint, o.ServiceConnectEndpoint
	privateACS, privateTCS, private := v.privateLink(callerVPC)
	if private {
		acs, tcs = privateACS, privateTCS
	}
	if instanceRef == "" && clusterRef == "" {
		return acs, tcs, serviceConnect, nil
	}
	c, err := v.ActiveCluster(clusterRef)
	if err != nil {
		return "", "", "", Errorf("ClientException", "Cluster not found.")
	}
	if instanceRef == "" {
		return acs, tcs, serviceConnect, nil
	}
	i, ok := v.FindContainerInstance(c, instanceRef)
	if !ok {
		return "", "", "", Errorf("ClientException", "Container instance not found.")
	}
	if private {
		return acs, tcs, serviceConnect, nil
	}
	return cmp.Or(i.ACSEndpoint, acs), cmp.Or(i.TCSEndpoint, tcs), serviceConnect, nil
}

// AddCluster makes a cluster.
func (r *Region) AddCluster(name string, tags map[string]string) error {
	return r.change(func(s *state) error {
		if c, ok := s.clusters.m[name]; ok && c.Status == "ACTIVE" {
			return fmt.Errorf("cluster %s is there already", name)
		}
		s.clusters.put(name, Cluster{Name: name, ARN: r.ARN("ecs", "cluster/"+name), Status: "ACTIVE", Tags: tags})
		return nil
	})
}

// DeleteCluster makes a cluster INACTIVE and deregisters its container instances.
func (r *Region) DeleteCluster(name string) error {
	return r.change(func(s *state) error {
		c, ok := s.clusters.m[name]
		if !ok {
			return Errorf("ClusterNotFoundException", "Cluster not found.")
		}
		c.Status = "INACTIVE"
		s.clusters.put(name, c)
		s.instances.remove(func(_ string, i ContainerInstance) bool { return i.ClusterARN == c.ARN })
		return nil
	})
}

// AddContainerInstance registers a container instance with a cluster. The id is the last part of its ARN; empty: a new
// one. It returns the ARN.
func (r *Region) AddContainerInstance(cluster, id string, i ContainerInstance) (string, error) {
	err := r.change(func(s *state) error {
		c, ok := s.clusters.m[cluster]
		if !ok {
			return fmt.Errorf("no cluster %s", cluster)
		}
		if _, ok := s.subnets.m[i.SubnetID]; !ok && !i.External || i.External && i.SubnetID != "" {
			return fmt.Errorf("container instance (external %v): no subnet %q", i.External, i.SubnetID)
		}
		if _, ok := (View{r: r, s: s}).FindCapacityProvider(i.CapacityProvider); !ok && i.CapacityProvider != "" {
			return fmt.Errorf("container instance: no capacity provider %s", i.CapacityProvider)
		}
		if err := s.placeIPv6(&i); err != nil {
			return err
		}
		if id == "" {
			id = r.hexID(32)
		}
		i.ARN, i.ClusterARN = r.ARN("ecs", "container-instance/"+cluster+"/"+id), c.ARN
		if _, ok := s.instances.m[i.ARN]; ok {
			return fmt.Errorf("container instance %s is there already", i.ARN)
		}
		i.Status, i.Version = cmp.Or(i.Status, "ACTIVE"), 1
		i.InstanceType, i.AgentVersion = cmp.Or(i.InstanceType, "m5.large"), cmp.Or(i.AgentVersion, "1.105.1")
		i.AMI, i.CPU, i.Memory = cmp.Or(i.AMI, "ami-0b8e3f1d2c4a59687"), cmp.Or(i.CPU, 2048), cmp.Or(i.Memory, 7764)
		if i.EC2InstanceID == "" && i.External {
			i.EC2InstanceID = r.newID("mi")
		} else if i.EC2InstanceID == "" {
			i.EC2InstanceID = r.newID("i")
		}
		if i.RegisteredAt.IsZero() {
			i.RegisteredAt = r.o.Clock.Now()
		}
		s.instances.put(i.ARN, i)
		return nil
	})
	return i.ARN, err
}

// RemoveContainerInstance deregisters a container instance.
func (r *Region) RemoveContainerInstance(arn string) error {
	return r.change(func(s *state) error {
		if _, ok := s.instances.m[arn]; !ok {
			return fmt.Errorf("no container instance %s", arn)
		}
		s.instances.drop(arn)
		return nil
	})
}

// SetAgentConnected sets whether ECS holds an ACS session with the agent of a container instance. An ARN that isn't
// registered is ignored: sessions end after deregistration too.
func (r *Region) SetAgentConnected(arn string, connected bool) {
	r.editInstance(arn, func(i *ContainerInstance) {
		i.SessionCut = i.SessionCut && i.AgentConnected // a new session is whole
		i.AgentConnected = connected
	})
}

// SetSessionCut has the packets of an instance's ACS session vanish, or arrive again, in a Region
// without agents. As in the minutes after a deny, ECS still counts the instance as connected and
// places tasks on it, and it takes no payloads.
func (r *Region) SetSessionCut(arn string, cut bool) {
	r.editInstance(arn, func(i *ContainerInstance) { i.SessionCut = cut })
}

// SetContainerInstanceStatus makes a container instance ACTIVE or DRAINING.
func (r *Region) SetContainerInstanceStatus(arn, status string) {
	r.editInstance(arn, func(i *ContainerInstance) { i.Status = status })
}

// SetACSEndpoint changes the endpoint that ECS names for a container instance, for the session with ACS.
func (r *Region) SetACSEndpoint(arn, endpoint string) {
	r.editInstance(arn, func(i *ContainerInstance) { i.ACSEndpoint = endpoint })
}

func (r *Region) editInstance(arn string, edit func(*ContainerInstance)) {
	_ = r.change(func(s *state) error { // the only error is the one below
		i, ok := s.instances.m[arn]
		if !ok {
			return fmt.Errorf("no container instance %s", arn)
		}
		before := i
		edit(&i)
		shown := i.AgentConnected != before.AgentConnected || i.Status != before.Status || i.ACSEndpoint != before.ACSEndpoint ||
			i.AgentVersion != before.AgentVersion || i.AgentHash != before.AgentHash || i.DockerVersion != before.DockerVersion
		if !shown && i.SessionCut == before.SessionCut {
			return fmt.Errorf("nothing to change")
		}
		if shown {
			i.Version++
		}
		s.instances.put(arn, i)
		return nil
	})
}

// ContainerInstances are all container instances of the Region as they are now, by ARN.
func (r *Region) ContainerInstances() []ContainerInstance {
	return sortedValues(r.View(zeroTime).s.instances.m)
}

// ContainerInstance is one container instance as it is now.
func (r *Region) ContainerInstance(arn string) (ContainerInstance, bool) {
	i, ok := r.View(zeroTime).s.instances.m[arn]
	return i, ok
}

// Clusters are all clusters, by name, deleted ones included.
func (v View) Clusters() []Cluster { return sortedValues(v.s.clusters.m) }
