// SPDX-License-Identifier: Apache-2.0

// Package braking applies the brakes to one run: it promises that a run which is on ends in the pass that sees a brake engaged,
// in whichever phase it is, and that no pass of a clean-up reads a brake, so that none delays one. What the brakes are is in
// package brakes; a start asks package preflight.
package braking
