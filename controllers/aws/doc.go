// SPDX-License-Identifier: Apache-2.0

// Package aws is how the controller reaches AWS: the calls that it makes (and no others), one set
// of clients a Region, the classes that their errors fall into, and messages of errors that are the
// same every time.
//
// It promises that a call which changes something is sent once: the SDK never repeats it, so that a
// lost answer stays visible to the caller.
package aws
