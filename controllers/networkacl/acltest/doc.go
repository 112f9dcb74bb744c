// SPDX-License-Identifier: Apache-2.0

// Package acltest has short forms and generators of network ACL entries, ledger lines and
// destinations, for the tests of networkacl and of the packages below it.
//
// No product code imports it.
package acltest
