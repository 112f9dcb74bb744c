// SPDX-License-Identifier: Apache-2.0

// Package world reads a simulated world from YAML: an account, a Region with its VPCs, subnets and network ACLs, ECS
// clusters with container instances, the hosts that agents connect to, and the credentials that may call.
//
// Reading is strict. A field that does not exist, a reference to something that isn't there, an id twice, an address that
// is none: each is an error that names its place in the file (subnets[1].vpc) and what to write instead. All mistakes are
// reported at once. Default is the world that a simulator has without a file.
package world
