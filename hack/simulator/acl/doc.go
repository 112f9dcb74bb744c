// SPDX-License-Identifier: Apache-2.0

// Package acl evaluates network ACLs as Amazon VPC does: the entries of one direction in the order of their rule
// numbers, the first that matches decides, and what no entry matches is denied.
//
// It is the simulator's own reading of the documentation and shares no code with the controller, so that a mistake in
// one of the two shows as a disagreement.
package acl
