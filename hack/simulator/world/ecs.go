// SPDX-License-Identifier: Apache-2.0

package world

import (
	"fmt"
	"net/netip"
	"slices"
)

// checkECS looks at clusters and task definitions.
func (w *World) checkECS(c *checker) {
	w.checkProviders(c)
	for i, cl := range w.Clusters {
		at := fmt.Sprintf("clusters[%d]", i)
		if !clusterPattern.MatchString(cl.Name) {
			c.add(at+".name", "%q is no cluster name; write letters, digits, - and _", cl.Name)
		}
		c.unique(at+".name", "cluster", cl.Name)
		for j, name := range cl.CapacityProviders {
			c.known(fmt.Sprintf("%s.capacityProviders[%d]", at, j), "capacity provider", name, "capacityProviders")
		}
		for j, item := range cl.DefaultCapacityProviderStrategy {
			w.checkStrategyItem(c, fmt.Sprintf("%s.defaultCapacityProviderStrategy[%d]", at, j), cl, item)
		}
		if cl.FargateTasks < 0 {
			c.add(at+".fargateTasks", "%d; write 0 or more", cl.FargateTasks)
		}
		for j, ci := range cl.ContainerInstances {
			w.checkInstance(c, fmt.Sprintf("%s.containerInstances[%d]", at, j), ci)
		}
	}
	for i, d := range w.TaskDefinitions {
		at := fmt.Sprintf("taskDefinitions[%d]", i)
		if !clusterPattern.MatchString(d.Family) {
			c.add(at+".family", "%q is no family; write letters, digits, - and _", d.Family)
		}
		if d.Image == "" {
			c.add(at+".image", "is missing")
		}
		if d.CPU < 0 || d.Memory < 4 {
			c.add(at, "cpu %d and memory %d; write CPU units and at least 4 MiB", d.CPU, d.Memory)
		}
	}
}

func (w *World) checkStrategyItem(c *checker, at string, of Cluster, item StrategyItem) {
	managed := slices.ContainsFunc(w.CapacityProviders, func(p CapacityProvider) bool {
		return p.Name == item.CapacityProvider && p.ManagedInstances != nil && p.ManagedInstances.Cluster == of.Name
	})
	if !managed && !slices.Contains(of.CapacityProviders, item.CapacityProvider) {
		c.add(at+".capacityProvider", "the cluster may not use %q; add it to the cluster's capacityProviders", item.CapacityProvider)
	}
	if item.Weight < 0 || item.Weight > 1000 || item.Base < 0 || item.Base > 100000 {
		c.add(at, "weight %d and base %d; write a weight of 0 to 1000 and a base of 0 to 100000", item.Weight, item.Base)
	}
}

// checkProviders comes before the clusters that name capacity providers, and takes their names ahead of them.
func (w *World) checkProviders(c *checker) {
	c.seen["capacity provider/FARGATE"], c.seen["capacity provider/FARGATE_SPOT"] = "AWS", "AWS"
	for i, p := range w.CapacityProviders {
		at := fmt.Sprintf("capacityProviders[%d]", i)
		if !clusterPattern.MatchString(p.Name) {
			c.add(at+".name", "%q is no name of a capacity provider; write letters, digits, - and _", p.Name)
		}
		c.unique(at+".name", "capacity provider", p.Name)
		c.tags(at+".tags", p.Tags)
		if (p.AutoScalingGroup == "") == (p.ManagedInstances == nil) {
			c.add(at, "it has autoScalingGroup or managedInstances; write one of them")
		}
		if p.ManagedInstances == nil {
			continue
		}
		m := *p.ManagedInstances
		if !slices.ContainsFunc(w.Clusters, func(cl Cluster) bool { return cl.Name == m.Cluster }) {
			c.add(at+".managedInstances.cluster", "there is no cluster %q; add it under clusters or name one that is there", m.Cluster)
		}
		for j, s := range m.Subnets {
			c.known(fmt.Sprintf("%s.managedInstances.subnets[%d]", at, j), "subnet", s, "subnets")
		}
	}
}

func (w *World) checkInstance(c *checker, at string, ci ContainerInstance) {
	if !instancePattern.MatchString(ci.ID) {
		c.add(at+".id", "%q is no id of a container instance; write 32 hexadecimal digits", ci.ID)
	}
	if ci.External && !managedPattern.MatchString(ci.EC2InstanceID) {
		c.add(at+".ec2InstanceID", "%q is no id of a managed node; write mi- and 17 hexadecimal digits", ci.EC2InstanceID)
	} else if !ci.External && !ec2IDPattern.MatchString(ci.EC2InstanceID) {
		c.add(at+".ec2InstanceID", "%q is no id of an instance; write i- and 17 hexadecimal digits", ci.EC2InstanceID)
	}
	if ci.CapacityProvider != "" {
		c.known(at+".capacityProvider", "capacity provider", ci.CapacityProvider, "capacityProviders")
	}
	c.unique(at+".id", "container instance", ci.ID)
	c.unique(at+".ec2InstanceID", "EC2 instance", ci.EC2InstanceID)
	c.tags(at+".tags", ci.Tags)
	if ci.Status != "" && ci.Status != "ACTIVE" && ci.Status != "DRAINING" {
		c.add(at+".status", "%q; write ACTIVE or DRAINING", ci.Status)
	}
	if ci.GPUs < 0 {
		c.add(at+".gpus", "%d; write 0 or more", ci.GPUs)
	}
	c.endpoint(at+".endpoints.acs", ci.Endpoints.ACS)
	c.endpoint(at+".endpoints.tcs", ci.Endpoints.TCS)
	if ci.IPv6 != "" {
		w.checkIPv6Address(c, at+".ipv6", ci.IPv6, ci.Subnet)
	}
	ip, err := netip.ParseAddr(ci.PrivateIP)
	if err != nil {
		c.add(at+".privateIP", "%q is no IP address", ci.PrivateIP)
	} else {
		c.unique(at+".privateIP", "private IP", ci.PrivateIP)
	}
	if ci.External {
		if ci.Subnet != "" {
			c.add(at+".subnet", "an external machine is in no subnet of AWS; leave it out")
		}
		return
	}
	if !c.known(at+".subnet", "subnet", ci.Subnet, "subnets") || err != nil {
		return
	}
	s := w.Subnets[slices.IndexFunc(w.Subnets, func(s Subnet) bool { return s.ID == ci.Subnet })]
	if p, err := netip.ParsePrefix(s.CIDR); err == nil && !p.Contains(ip) {
		c.add(at+".privateIP", "%s lies outside of %s, the subnet's; take an address within it", ip, p)
	}
}
