// SPDX-License-Identifier: Apache-2.0

// Package ratelimit is a token bucket whose rate follows what the server allows, shared by callers
// of several classes.
//
// It promises that a caller never waits for one of a lower class, however many there are.
package ratelimit
