// SPDX-License-Identifier: Apache-2.0

// Package trail reads from CloudTrail which calls of RunTask and StartTask were made: it promises
// that all runs of an account and Region with one role share its reads, which for all roles together
// never exceed the rate that CloudTrail allows, and that an answer says how old it is and from when
// on it is complete.
//
// It does not judge calls, and knows neither runs nor clusters. What CloudTrail has not shown yet,
// it cannot know: events come minutes late.
package trail
