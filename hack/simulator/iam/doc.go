// SPDX-License-Identifier: Apache-2.0

// Package iam judges requests by identity-based policies as AWS's IAM does: documents in, decisions out. It knows the
// elements, operators and value types that its tests list, and refuses a document that has any other: what it took for
// less than it is would let calls pass that AWS denies. It does not know what a request's keys are: see packages wire/….
package iam
