// SPDX-License-Identifier: Apache-2.0

package world

import (
	"fmt"
	"net/netip"
	"slices"
)

// checkECS looks at clusters and task definitions.
func (w *World) checkECS(c *checker) {
	for i, cl := range w.Clusters {
		at := fmt.Sprintf("clusters[%d]", i)
		if !clusterPattern.MatchString(cl.Name) {
			c.add(at+".name", "%q is no cluster name; write letters, digits, - and _", cl.Name)
		}
		c.unique(at+".name", "cluster", cl.Name)
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

func (w *World) checkInstance(c *checker, at string, ci ContainerInstance) {
	if !instancePattern.MatchString(ci.ID) {
		c.add(at+".id", "%q is no id of a container instance; write 32 hexadecimal digits", ci.ID)
	}
	if !ec2IDPattern.MatchString(ci.EC2InstanceID) {
		c.add(at+".ec2InstanceID", "%q is no id of an instance; write i- and 17 hexadecimal digits", ci.EC2InstanceID)
	}
	c.unique(at+".id", "container instance", ci.ID)
	c.unique(at+".ec2InstanceID", "EC2 instance", ci.EC2InstanceID)
	c.tags(at+".tags", ci.Tags)
	if ci.Status != "" && ci.Status != "ACTIVE" && ci.Status != "DRAINING" {
		c.add(at+".status", "%q; write ACTIVE or DRAINING", ci.Status)
	}
	c.endpoint(at+".endpoints.acs", ci.Endpoints.ACS, false)
	c.endpoint(at+".endpoints.tcs", ci.Endpoints.TCS, false)
	ip, err := netip.ParseAddr(ci.PrivateIP)
	if err != nil {
		c.add(at+".privateIP", "%q is no IP address", ci.PrivateIP)
	} else {
		c.unique(at+".privateIP", "private IP", ci.PrivateIP)
	}
	if !c.known(at+".subnet", "subnet", ci.Subnet, "subnets") || err != nil {
		return
	}
	s := w.Subnets[slices.IndexFunc(w.Subnets, func(s Subnet) bool { return s.ID == ci.Subnet })]
	if p, err := netip.ParsePrefix(s.CIDR); err == nil && !p.Contains(ip) {
		c.add(at+".privateIP", "%s lies outside of %s, the subnet's; take an address within it", ip, p)
	}
}
