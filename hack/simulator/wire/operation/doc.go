// SPDX-License-Identifier: Apache-2.0

// Package operation is what the services of the simulated AWS have in common: an operation that checks its parameters
// first and acts later, so that the server can put permissions, dry runs and faults between the two as AWS does.
package operation
