// SPDX-License-Identifier: Apache-2.0

package world

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// Build makes the Region that the world describes. All agents that aren't stopped start out connected if connected says
// so; else they have to connect by themselves. Account, Region, endpoints and Trail in o are
// replaced by the world's.
func (w *World) Build(o region.Options, connected bool) (*region.Region, error) {
	if err := w.Validate(); err != nil {
		return nil, err
	}
	o.Account, o.Name = w.Account, w.Region
	o.Trail = w.Trail.Parsed()
	o.ACSEndpoint, o.TCSEndpoint, o.ServiceConnectEndpoint = w.Endpoints.ACS, w.Endpoints.TCS, w.Endpoints.ServiceConnect
	r := region.New(o)
	for _, role := range w.Roles {
		r.Roles().Put(region.Role{ARN: role.ARN, Trust: slices.Clone(role.Trust), TrustPolicy: role.trust(), Allow: slices.Clone(role.Allow), Policies: policies(role.Policies)})
	}
	var errs []error
	for _, name := range w.ScheduleGroups {
		errs = append(errs, r.CreateScheduleGroup("", "", name, nil))
	}
	for code, value := range map[string]int{
		region.QuotaEntries: w.Quotas.RulesPerNetworkACL, region.QuotaACLs: w.Quotas.NetworkACLsPerVPC,
	} {
		if value > 0 {
			errs = append(errs, r.SetQuota(code, value))
		}
	}
	for _, v := range w.VPCs {
		for _, a := range w.NetworkACLs {
			if a.VPC == v.ID && a.Default {
				errs = append(errs, r.AddVPC(region.VPC{
					ID: v.ID, CIDR: netip.MustParsePrefix(v.CIDR), IPv6CIDR: prefixOrNone(v.IPv6CIDR), Default: v.Default,
					Tags: maps.Clone(v.Tags),
				}, a.acl()))
			}
		}
	}
	for _, a := range w.NetworkACLs {
		if !a.Default {
			errs = append(errs, r.AddNetworkACL(a.acl()))
		}
	}
	for _, s := range w.Subnets {
		errs = append(errs, r.AddSubnet(region.Subnet{
			ID: s.ID, VPCID: s.VPC, CIDR: netip.MustParsePrefix(s.CIDR), IPv6CIDR: prefixOrNone(s.IPv6CIDR),
			AvailabilityZone: s.AvailabilityZone, PublicIP: s.PublicIP, IPv6Native: s.IPv6Native, DNS64: s.DNS64,
			AssociationID: s.AssociationID, NetworkACLID: s.NetworkACL, OwnerID: s.Owner, Tags: maps.Clone(s.Tags),
		}))
	}
	for _, c := range w.Clusters {
		errs = append(errs, r.AddCluster(c.Name, maps.Clone(c.Tags)))
	}
	for _, p := range w.CapacityProviders {
		errs = append(errs, r.AddCapacityProvider(p.provider(r)))
	}
	for _, c := range w.Clusters {
		errs = append(errs, r.AddClusterCapacityProviders(c.Name, c.CapacityProviders...), r.SetFargateTasks(c.Name, c.FargateTasks),
			r.SetDefaultStrategy(c.Name, c.strategy()...))
		for _, ci := range c.ContainerInstances {
			_, err := r.AddContainerInstance(c.Name, ci.ID, region.ContainerInstance{
				EC2InstanceID: ci.EC2InstanceID, External: ci.External, CapacityProvider: ci.CapacityProvider, SubnetID: ci.Subnet, InstanceType: ci.InstanceType, AgentVersion: ci.AgentVersion,
				PrivateIP: netip.MustParseAddr(ci.PrivateIP), IPv6: addrOrNone(ci.IPv6), Status: ci.Status, AgentConnected: connected && !ci.Stopped, GPUs: ci.GPUs,
				Attributes: maps.Clone(ci.Attributes), Tags: maps.Clone(ci.Tags), ACSEndpoint: ci.Endpoints.ACS, TCSEndpoint: ci.Endpoints.TCS,
			})
			errs = append(errs, err)
		}
	}
	// After the instances, whose addresses are given.
	for _, e := range w.VPCEndpoints {
		_, err := r.AddVPCEndpoint(e.endpoint(r))
		errs = append(errs, err)
	}
	for _, d := range w.TaskDefinitions {
		_, err := r.RegisterTaskDefinition(d.definition())
		errs = append(errs, err)
	}
	for _, a := range w.Alarms {
		r.PutAlarm(region.Alarm{Name: a.Name, Composite: a.Composite, State: a.State})
	}
	r.ForgetHistory()
	return r, errors.Join(errs...)
}

func (p CapacityProvider) provider(r *region.Region) region.CapacityProvider {
	out := region.CapacityProvider{Name: p.Name, Tags: maps.Clone(p.Tags)}
	if m := p.ManagedInstances; m != nil {
		out.Type, out.Cluster, out.AutoRepair = region.ProviderManagedInstances, m.Cluster, m.AutoRepair
		out.Subnets, out.SecurityGroups = m.Subnets, m.SecurityGroups
		return out
	}
	out.Type = region.ProviderAutoScaling
	out.AutoScalingGroupARN = r.ARN("autoscaling", "autoScalingGroup:"+autoScalingGroupID+":autoScalingGroupName/"+p.AutoScalingGroup)
	return out
}

// autoScalingGroupID is a UUID that no operation of the simulator takes.
const autoScalingGroupID = "5a2f1c0e-6b1d-4b3a-9d57-2f0c8e4a7b16"

func (a NetworkACL) acl() region.ACL {
	out := region.ACL{ID: a.ID, VPCID: a.VPC, Default: a.Default, Tags: maps.Clone(a.Tags)}
	for _, e := range a.Entries {
		entry, err := e.entry()
		if err != nil {
			panic(fmt.Sprintf("validated entry: %v", err))
		}
		out.Entries = append(out.Entries, entry)
	}
	return out
}

func (d TaskDefinition) definition() region.TaskDefinition {
	return region.TaskDefinition{
		Family: d.Family, Needs: region.Resources{CPU: d.CPU, Memory: d.Memory},
		Document: map[string]any{
			"family": d.Family,
			"containerDefinitions": []any{map[string]any{
				"name": d.Family, "image": d.Image, "cpu": d.CPU, "memory": d.Memory, "essential": true,
				"command":      []any{"sleep", "3600"},
				"environment":  []any{},
				"mountPoints":  []any{},
				"portMappings": []any{},
				"volumesFrom":  []any{},
			}},
			"volumes": []any{}, "placementConstraints": []any{}, "requiresCompatibilities": []any{"EC2"},
		},
	}
}

func (c Cluster) strategy() []region.StrategyItem {
	var items []region.StrategyItem
	for _, item := range c.DefaultCapacityProviderStrategy {
		items = append(items, region.StrategyItem{Provider: item.CapacityProvider, Weight: item.Weight, Base: item.Base})
	}
	return items
}
