// SPDX-License-Identifier: Apache-2.0

// Package clones decides what the clone of a network ACL contains, as long as it lives.
//
// All of it is values in, values out. It promises:
//
//   - A clone differs from its original by the run's denies alone. It has every entry of both directions in the same order, under
//     larger numbers only where there is no room in front.
//   - Changes of the original go to the clone, never the other way: what they open at once, what they close after they
//     stood. No step on the way denies a packet that is allowed before and after, if there is an order for that.
//   - What is neither a copy nor a rule of the run is reported as a third party's edit.
//
// It makes no calls, and does not decide which network ACL a subnet has.
package clones
