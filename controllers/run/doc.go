// SPDX-License-Identifier: Apache-2.0

// Package run says where a run is in its life, and what of an object and its status counts: it
// promises that every answer follows from the object and the time alone.
//
// It has the phases and deadlines, the time of the next pass, the spec as the run began with it, and
// the sets of endpoints and agents. It makes no call, reads no clock and keeps nothing; what it writes, it writes to the
// value that it is given.
package run
