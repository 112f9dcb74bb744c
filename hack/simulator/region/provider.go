// SPDX-License-Identifier: Apache-2.0

package region

import (
	"fmt"
	"slices"
	"strings"
)

// Types of capacity providers.
const (
	ProviderAutoScaling      = "EC2_AUTOSCALING"
	ProviderManagedInstances = "MANAGED_INSTANCES"
)

// CapacityProvider is where a cluster gets its instances from: an Auto Scaling group, or Managed Instances, which ECS
// launches itself. FARGATE and FARGATE_SPOT are in every Region; they are never created.
type CapacityProvider struct {
	Name, ARN, Type string
	// AutoScalingGroupARN is for the type EC2_AUTOSCALING.
	AutoScalingGroupARN string
	// Cluster is the ARN of the one cluster that may use it, for MANAGED_INSTANCES; the fields below are too.
	Cluster                 string
	Subnets, SecurityGroups []string
	// AutoRepair makes ECS replace instances that it finds impaired.
	AutoRepair bool
	Tags       map[string]string
}

func (r *Region) fargateProviders() []CapacityProvider {
	var out []CapacityProvider
	for _, name := range []string{"FARGATE", "FARGATE_SPOT"} {
		out = append(out, CapacityProvider{Name: name, Type: name, ARN: r.ARN("ecs", "capacity-provider/"+name)})
	}
	return out
}

// CapacityProviders are all capacity providers, by name.
func (v View) CapacityProviders() []CapacityProvider {
	all := append(sortedValues(v.s.providers.m), v.r.fargateProviders()...)
	slices.SortFunc(all, func(a, b CapacityProvider) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// FindCapacityProvider resolves a name or ARN.
func (v View) FindCapacityProvider(ref string) (CapacityProvider, bool) {
	for _, p := range v.CapacityProviders() {
		if p.Name == ref || p.ARN == ref {
			return p, true
		}
	}
	return CapacityProvider{}, false
}

// AddCapacityProvider makes a capacity provider. Managed Instances name their cluster, by name; it has them from then on.
func (r *Region) AddCapacityProvider(p CapacityProvider) error {
	return r.change(func(s *state) error {
		v := View{r: r, s: s}
		if _, ok := v.FindCapacityProvider(p.Name); ok || p.Name == "" {
			return fmt.Errorf("capacity provider %q has no name or is there already", p.Name)
		}
		p.ARN = r.ARN("ecs", "capacity-provider/"+p.Name)
		switch {
		case p.Type == ProviderAutoScaling && p.AutoScalingGroupARN != "" && p.Cluster == "":
		case p.Type == ProviderManagedInstances && p.AutoScalingGroupARN == "":
			c, err := v.ActiveCluster(p.Cluster)
			if err != nil {
				return fmt.Errorf("capacity provider %s: cluster %q: %w", p.Name, p.Cluster, err)
			}
			p.Cluster = c.ARN
			c.CapacityProviders = append(slices.Clone(c.CapacityProviders), p.Name)
			s.clusters.put(c.Name, c)
		default:
			return fmt.Errorf("capacity provider %s: it needs an Auto Scaling group or a cluster for Managed Instances, by its type", p.Name)
		}
		s.providers.put(p.Name, p)
		return nil
	})
}

// AddClusterCapacityProviders lets a cluster use capacity providers.
func (r *Region) AddClusterCapacityProviders(cluster string, names ...string) error {
	return r.change(func(s *state) error {
		v := View{r: r, s: s}
		c, err := v.ActiveCluster(cluster)
		if err != nil {
			return err
		}
		c.CapacityProviders = slices.Clone(c.CapacityProviders)
		for _, name := range names {
			if _, ok := v.FindCapacityProvider(name); !ok {
				return fmt.Errorf("no capacity provider %s", name)
			}
			if !slices.Contains(c.CapacityProviders, name) {
				c.CapacityProviders = append(c.CapacityProviders, name)
			}
		}
		s.clusters.put(c.Name, c)
		return nil
	})
}

// StrategyItem is a capacity provider in a strategy, with its share of the tasks.
type StrategyItem struct {
	Provider     string
	Weight, Base int
}

// SetDefaultStrategy gives a cluster a default capacity provider strategy, of providers that it may use; empty: none.
func (r *Region) SetDefaultStrategy(cluster string, items ...StrategyItem) error {
	return r.change(func(s *state) error {
		c, err := View{r: r, s: s}.ActiveCluster(cluster)
		if err != nil {
			return err
		}
		for _, item := range items {
			if !slices.Contains(c.CapacityProviders, item.Provider) {
				return fmt.Errorf("cluster %s has no capacity provider %q", cluster, item.Provider)
			}
		}
		c.DefaultStrategy = slices.Clone(items)
		s.clusters.put(c.Name, c)
		return nil
	})
}
