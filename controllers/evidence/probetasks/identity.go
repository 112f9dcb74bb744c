// SPDX-License-Identifier: Apache-2.0

package probetasks

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// StartedBy is the startedBy of every task of a probe. AWS allows 128 letters, digits, hyphens,
// underscores and slashes.
const StartedBy = "agentdisconnect"

// Identity says which attempt of which run started a task.
type Identity struct {
	// ClusterID is the UID of the namespace kube-system in the run's Kubernetes cluster, and UID that
	// of its object.
	ClusterID, UID string
	// Started is when the run began, in whole seconds: it tells the runs of an object apart.
	Started time.Time
	// Attempt counts from 1.
	Attempt int32
}

// IsOfObject reports whether another task was started for the same object.
func (i Identity) IsOfObject(other Identity) bool {
	return i.ClusterID == other.ClusterID && i.UID == other.UID
}

// Group is the task group of the task: its own task group keeps it out of the placement constraints
// and strategies of others. AWS allows 255 characters.
func (i Identity) Group() string {
	return strings.Join([]string{StartedBy, i.ClusterID, i.UID, strconv.FormatInt(i.Started.Unix(), 10), strconv.Itoa(int(i.Attempt))}, ":")
}

// ParseGroup gives the identity that a task group stands for.
func ParseGroup(group string) (Identity, error) {
	parts := strings.Split(group, ":")
	if len(parts) != 5 || parts[0] != StartedBy || parts[1] == "" || parts[2] == "" {
		return Identity{}, fmt.Errorf("task group %q is not that of a probe", group)
	}
	started, err := strconv.ParseInt(parts[3], 10, 64)
	if err != nil {
		return Identity{}, fmt.Errorf("task group %q has no time: %w", group, err)
	}
	attempt, err := strconv.ParseInt(parts[4], 10, 32)
	if err != nil || attempt < 1 {
		return Identity{}, fmt.Errorf("task group %q has no number of an attempt", group)
	}
	return Identity{ClusterID: parts[1], UID: parts[2], Started: time.Unix(started, 0).UTC(), Attempt: int32(attempt)}, nil
}

// token is the client token of the attempt: RunTask gives the same task back for the same one, so
// that an attempt whose answer was lost can be repeated. AWS allows 64 characters.
func (i Identity) token() string {
	sum := sha256.Sum256([]byte(i.Group()))
	return hex.EncodeToString(sum[:])
}
