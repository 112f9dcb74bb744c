// SPDX-License-Identifier: Apache-2.0

// Package record turns CloudTrail's records of RunTask and StartTask into values: it promises that
// any text gives either a bounded value or an error.
//
// It makes no calls; package trail reads the records.
package record
