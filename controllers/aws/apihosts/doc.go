// SPDX-License-Identifier: Apache-2.0

// Package apihosts names the hosts of the AWS APIs that no run may cut off: it promises all of those that the SDK has for a
// Region, dual-stack and FIPS ones included. It looks up no address.
package apihosts
