// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const testACL = "acl-0b3d6f9a1c5e72840"

var testStart = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// at is a time that many minutes after the start of the run.
func at(minutes float64) *metav1.Time {
	return &metav1.Time{Time: testStart.Add(time.Duration(minutes * float64(time.Minute)))}
}
