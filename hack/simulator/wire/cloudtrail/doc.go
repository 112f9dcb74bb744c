// SPDX-License-Identifier: Apache-2.0

// Package cloudtrail is CloudTrail's LookupEvents (JSON 1.1, CloudTrail_20131101) and the records that it returns.
package cloudtrail
