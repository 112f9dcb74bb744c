// SPDX-License-Identifier: Apache-2.0

// Package ec2acl makes the calls of Amazon EC2 about network ACLs: it promises that a changing call
// is sent at most once, and that its outcome claims no more than AWS answered.
//
// An entry that AWS reports in a way that this version doesn't know is an error and never counts as
// a deny. The package decides nothing: what is to be read, created or deleted, and what an outcome
// means for the ledger, is its callers' to say. The name keeps it apart from the SDK's package ec2,
// which its callers use too.
package ec2acl
