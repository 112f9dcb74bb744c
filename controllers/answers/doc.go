// SPDX-License-Identifier: Apache-2.0

// Package answers keeps what AWS and the DNS answered: it promises that a caller says how old an
// answer may be that it takes, that a question which takes many calls is asked once for all objects
// that wait for it, and that a Region which does not answer is not asked by every object.
//
// A Cache has the answers about one object's target. Searches, Quotas, Guards and Outages are
// shared by all objects of a manager.
package answers
