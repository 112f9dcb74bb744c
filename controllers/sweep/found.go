// SPDX-License-Identifier: Apache-2.0

package sweep

import (
	"cmp"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
)

// Margin is how long past a run's end its traces count as left behind. Nothing is created after the
// end, and a clean-up takes seconds; the rest is for clocks that differ and reads that lag.
const Margin = 5 * time.Minute

// Kind says what was found.
type Kind string

// The kinds.
const (
	// KindRules are entries and tags of a run in place.
	KindRules Kind = "rules"
	// KindClone is a network ACL that a run made.
	KindClone Kind = "clone"
	// KindSchedules are schedules of the dead man's switch whose clone wasn't found.
	KindSchedules Kind = "schedules"
	// KindTasks are tasks that the probe of a run started, and that ECS was not told to stop.
	KindTasks Kind = "tasks"
	// KindAdopted is a clone that stays as its subnet's network ACL. It is listed, never undone.
	KindAdopted Kind = "adopted"
	// KindUnreadable are tags of the product that can't be read, or contradict each other. They are
	// listed, never acted on.
	KindUnreadable Kind = "unreadable"
)

// Kinds are all kinds.
func Kinds() []Kind {
	return []Kind{KindRules, KindClone, KindSchedules, KindTasks, KindAdopted, KindUnreadable}
}

// Schedule is a schedule of the dead man's switch.
type Schedule struct{ Group, Name string }

// Found is what one run left in one place.
type Found struct {
	Kind Kind
	// AccountID has 12 digits, Region is such as ap-northeast-1.
	AccountID, Region string
	// NetworkACLID is the network ACL with the tags; of schedules, the one that they are about.
	NetworkACLID string
	// OriginalID is what a clone says that it is a copy of.
	OriginalID string
	// SubnetIDs are the subnets that have the network ACL now.
	SubnetIDs []string
	// UID is that of the run's object, Owner the object as namespace/name, ClusterID the UID of the
	// namespace kube-system in its Kubernetes cluster. Empty, each of them: the tags don't say.
	UID, Owner, ClusterID string
	// Started and Expires are when the run began and when it ends; zero: the tags don't say.
	Started, Expires time.Time
	// Rules are what the tags claim.
	Rules []ownership.ClaimedRule
	// Present are those of them that stand there now, whole.
	Present []networkacl.Entry
	// Schedules are those about the network ACL.
	Schedules []Schedule
	// ECSClusterARN is the ECS cluster of tasks, and TaskARNs are the tasks.
	ECSClusterARN string
	TaskARNs      []string
	// Problem says what keeps it from being undone wholly, and what to do; empty: nothing does.
	Problem string
	// Twice reports whether undoing it deletes something only after two reads, networkacl.SettleFor
	// apart.
	Twice bool
	// Object is what is known of the run's object, for the one who undoes to fill in; empty: nothing.
	// Reads of a claim that were made before it changed confirm nothing afterwards.
	Object string

	armed []armed
}

// PastEnd reports whether the run should have been over for a while.
func (f Found) PastEnd(now time.Time) bool {
	if f.Kind == KindTasks {
		return !now.Before(f.Started.Add(longestRun + Margin)) // tasks don't say when their run ends
	}
	return !f.Expires.IsZero() && !now.Before(f.Expires.Add(Margin))
}

func (f Found) compare(o Found) int {
	return cmp.Or(cmp.Compare(f.UID, o.UID), cmp.Compare(f.NetworkACLID, o.NetworkACLID), cmp.Compare(f.Kind, o.Kind),
		cmp.Compare(f.ECSClusterARN, o.ECSClusterARN), f.Started.Compare(o.Started))
}

// is reports whether a claim is the one that was found.
func (f Found) is(c ownership.Claim) bool {
	return c.UID == f.UID && c.Started.Equal(f.Started) && c.Expires.Equal(f.Expires)
}
