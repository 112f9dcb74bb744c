// SPDX-License-Identifier: Apache-2.0

// Package runtest makes objects and times for tests of what decides on a run. The product does not
// import it.
package runtest
