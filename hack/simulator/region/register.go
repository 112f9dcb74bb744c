// SPDX-License-Identifier: Apache-2.0

package region

import (
	"cmp"
	"errors"
	"maps"
	"net/netip"
)

// attributeExternal is what the agent of a machine outside of AWS reports.
const attributeExternal = "ecs.capability.external"

// externalIP is where all external machines are that tell no address: behind one router, outside of every VPC (RFC 5737).
var externalIP = netip.MustParseAddr("192.0.2.1")

// Registration is an agent's request to register its container instance.
type Registration struct {
	// Cluster is a name or an ARN; empty: default.
	Cluster string
	// ARN is that of an instance that registers again; empty: a new one.
	ARN string
	// ClientToken makes repeated requests for a new instance one; empty: each is another.
	ClientToken string
	// Instance is what the agent tells of itself: EC2InstanceID, InstanceType, AMI and PrivateIP, CPU, Memory, GPUs, the
	// ports in use, all its attributes, and tags. The Region finds the subnet by the address, which an external machine need not
	// tell.
	Instance ContainerInstance
}

// RegisterContainerInstance registers an instance whose agent runs outside of the simulator, or takes what an instance tells that
// registers again. It is connected once its agent has a session.
func (r *Region) RegisterContainerInstance(q Registration) (i ContainerInstance, err error) {
	err = r.change(func(s *state) error {
		v := View{r: r, s: s}
		c, err := v.clusterOfAgent(q.Cluster)
		if err != nil {
			return err
		}
		if earlier, used := r.tokens["RegisterContainerInstance/"+q.ClientToken]; q.ClientToken != "" && used {
			if known, ok := v.FindContainerInstance(c, earlier.ids[0]); ok {
				i = known
				return nil
			}
		}
		if q.ARN != "" {
			i, err = s.registerAgain(v, c, q)
		} else {
			i, err = s.registerNew(r, c, q)
		}
		if err != nil {
			return err
		}
		s.instances.put(i.ARN, i)
		if q.ClientToken != "" {
			r.tokens["RegisterContainerInstance/"+q.ClientToken] = idempotent{ids: []string{i.ARN}}
		}
		return nil
	})
	return i, err
}

// clusterOfAgent is ActiveCluster for the calls of agents. They have no ClusterNotFoundException.
func (v View) clusterOfAgent(ref string) (Cluster, error) {
	c, err := v.ActiveCluster(ref)
	if e, ok := errors.AsType[*Error](err); ok {
		return c, Errorf("ClientException", "%s", e.Message)
	}
	return c, err
}

// registerAgain updates an instance with what its agent tells. Custom attributes are told at the first registration alone, so the
// old ones stay.
func (s *state) registerAgain(v View, c Cluster, q Registration) (ContainerInstance, error) {
	i, ok := v.FindContainerInstance(c, q.ARN)
	if !ok {
		return i, Errorf("ClientException", "Container instance not found.")
	}
	told := q.Instance
	if told.InstanceType != "" && told.InstanceType != i.InstanceType {
		return i, Errorf("ClientException", "Container instance type changes are not supported.")
	}
	i.CPU, i.Memory, i.GPUs, i.InUse = told.CPU, told.Memory, told.GPUs, told.InUse
	attributes := maps.Clone(i.Attributes)
	if attributes == nil {
		attributes = map[string]string{}
	}
	maps.Copy(attributes, told.Attributes)
	i.Attributes = attributes
	i.Version++
	return i, nil
}

func (s *state) registerNew(r *Region, c Cluster, q Registration) (ContainerInstance, error) {
	i := q.Instance
	if _, i.External = i.Attributes[attributeExternal]; i.External {
		i.EC2InstanceID = cmp.Or(i.EC2InstanceID, r.newID("mi"))
		if !i.PrivateIP.IsValid() {
			i.PrivateIP = externalIP
		}
	} else if i.SubnetID = s.subnetOf(i.PrivateIP); i.SubnetID == "" {
		return i, Errorf("ClientException", "The private address %s is in no subnet of this account and Region.", i.PrivateIP)
	}
	i.ARN, i.ClusterARN = r.ARN("ecs", "container-instance/"+c.Name+"/"+r.hexID(32)), c.ARN
	i.Status, i.Version, i.RegisteredAt, i.Outside = "ACTIVE", 1, r.o.Clock.Now(), true
	return i, nil
}

// subnetOf is the id of the subnet that has an address; empty: none has.
func (s *state) subnetOf(ip netip.Addr) string {
	for _, sub := range sortedValues(s.subnets.m) {
		if sub.CIDR.Contains(ip) {
			return sub.ID
		}
	}
	return ""
}

// DeregisterContainerInstance removes an instance from its cluster; with force also one that has tasks. They stay as they are: no
// agent reports of them any more.
func (r *Region) DeregisterContainerInstance(clusterRef, ref string, force bool) (i ContainerInstance, err error) {
	err = r.change(func(s *state) error {
		v := View{r: r, s: s}
		c, err := v.ActiveCluster(clusterRef)
		if err != nil {
			return err
		}
		var ok bool
		if i, ok = v.FindContainerInstance(c, ref); !ok {
			return Errorf("InvalidParameterException", "Referenced container instance %s not found.", ref)
		}
		for _, t := range s.tasks.m {
			if v.holds(i, t) && !force {
				return Errorf("InvalidParameterException", "Found running tasks on the instance.")
			}
		}
		s.instances.drop(i.ARN)
		i.Status = "INACTIVE"
		return nil
	})
	return i, err
}

// SetAgentVersion is what an agent tells of itself when it begins a session.
func (r *Region) SetAgentVersion(arn, version, hash, docker string) {
	r.editInstance(arn, func(i *ContainerInstance) { i.AgentVersion, i.AgentHash, i.DockerVersion = version, hash, docker })
}
