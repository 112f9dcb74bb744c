// SPDX-License-Identifier: Apache-2.0

// Package shared joins the reads of many callers, so that what an account is asked grows with the
// number of pages and not with the number of callers.
//
// It promises that no caller gets an answer to a request which was sent before the caller allows.
package shared
