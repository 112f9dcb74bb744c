// SPDX-License-Identifier: Apache-2.0

// Package flux takes an object through its life as Flux's controllers do, with the manager and a simulated Region as they run
// in the demo.
package flux
