// SPDX-License-Identifier: Apache-2.0

// Package sweeper runs package sweep in a manager, at intervals: it promises that what a run of
// this Kubernetes cluster left in AWS is removed once no object looks after it any more, and that
// nothing of a run whose object is at work is touched.
//
// It looks at the cloud first and at the objects second. It writes to no object, and leaves to
// package sweep what may be undone and how.
package sweeper
