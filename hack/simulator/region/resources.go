// SPDX-License-Identifier: Apache-2.0

package region

import "slices"

// Resources are what tasks take of a container instance.
type Resources struct {
	// CPU is in CPU units, Memory in MiB.
	CPU, Memory, GPUs int
	// TCP and UDP are ports of the host.
	TCP, UDP []int
}

// Ports are ports of a host.
type Ports struct{ TCP, UDP []int }

// reservedPorts are SSH's, Docker's and the agent's own.
var reservedPorts = []int{22, 2375, 2376, 51678, 51679}

// RegisteredPorts are the ports that a container instance was registered with as taken.
func (i ContainerInstance) RegisteredPorts() Resources {
	if i.InUse != nil {
		return Resources{TCP: slices.Clone(i.InUse.TCP), UDP: slices.Clone(i.InUse.UDP)}
	}
	return Resources{TCP: slices.Clone(reservedPorts)}
}

// Used are what the tasks on a container instance take.
func (v View) Used(i ContainerInstance) Resources {
	used := i.RegisteredPorts()
	for _, t := range v.s.tasks.m {
		if !v.holds(i, t) {
			continue
		}
		used.CPU, used.Memory, used.GPUs = used.CPU+t.Needs.CPU, used.Memory+t.Needs.Memory, used.GPUs+t.Needs.GPUs
		used.TCP, used.UDP = append(used.TCP, t.Needs.TCP...), append(used.UDP, t.Needs.UDP...)
	}
	slices.Sort(used.TCP)
	slices.Sort(used.UDP)
	return used
}

// Remaining is what the tasks on a container instance leave of its CPU units and MiB of memory.
func (v View) Remaining(i ContainerInstance) (cpu, memory int) {
	used := v.Used(i)
	return i.CPU - used.CPU, i.Memory - used.Memory
}

// lacks says what a container instance has too little of for a task; empty: nothing.
func (v View) lacks(i ContainerInstance, needs Resources) string {
	used := v.Used(i)
	taken := func(ports []int) func(int) bool {
		return func(port int) bool { return slices.Contains(ports, port) }
	}
	switch {
	case i.CPU-used.CPU < needs.CPU:
		return ReasonCPU
	case i.Memory-used.Memory < needs.Memory:
		return ReasonMemory
	case slices.ContainsFunc(needs.TCP, taken(used.TCP)) || slices.ContainsFunc(needs.UDP, taken(used.UDP)):
		return ReasonPorts
	case i.GPUs-used.GPUs < needs.GPUs:
		return ReasonGPU
	}
	return ""
}
