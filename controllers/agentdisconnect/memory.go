// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"net/netip"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/nacl"
)

// memory is what the passes of this process saw for one object. It saves calls and tells two reads in a row from one; a
// restart loses it and costs the reads only.
type memory struct {
	// polls are the last two answers about agents, the newest last.
	polls []poll
	// hosts are what ECS named to each container instance; asked once for a run, last at hostsAsked.
	hosts      map[string][]discovery.Host
	hostsAsked time.Time
	// lookups says of each host how its lookups went.
	lookups map[string]lookups
	// looked is when the hosts were last looked up.
	looked time.Time
	// acl is the network ACL as last read, at aclRead. Nil: it was not there.
	acl     *nacl.ACL
	aclRead time.Time
	// targetLooked is when the rest of the target was last looked at.
	targetLooked time.Time
	// inForce is when the network ACL was first seen to deny everything since the rules were last put up; zero: not yet.
	inForce time.Time
	// original is the network ACL that a clone was copied from, as read together with acl. Nil: it was not there.
	original *nacl.ACL
	// tags are the tags on the network ACL that carries the rules, as last written or as two reads in a row had them.
	tags map[string]string
	// network is what is not as it should be on the network ACL, target what is not in the rest of the target, hit what is
	// not with the subnets that the denies act on, changed how the original of a clone was changed, and stripped that the
	// ownership tags are not all there.
	network, target, hit, changed, stripped suspicion
	// amiss is the suspicion about the subnets hit, in words; nil: none. consented are those that were seen to consent.
	amiss     *problem
	consented map[string]bool
	// permitted says that AWS would allow all that the run writes.
	permitted answer[bool]
	// switchable says that the schedule group of the dead man's switch is there.
	switchable answer[bool]
	// others are the other clusters with container instances in the subnets hit.
	others answer[otherClusters]
	// endpoints are the VPC's interface endpoints of ECS.
	endpoints answer[[]discovery.VPCEndpoint]
	// protected are the addresses of hosts that the run must not deny, and subnetRanges the blocks of its own subnet.
	protected    []discovery.Protected
	subnetRanges []netip.Prefix
	// tenants are the other accounts with network interfaces in the subnet.
	tenants answer[[]string]
	// missing says since which look at the VPC's endpoints an address of one is missing, by endpoint and address.
	missing map[string]time.Time
	// managed are the capacity providers of the target whose instances ECS manages.
	managed answer[[]string]
	// cloneRoom is how many more network ACLs the VPC has room for.
	cloneRoom answer[int]
	// notes are what is worth saying of the target, a sentence each.
	notes []string
	// contradicted says since when reads contradict a line of the ledger that is to be undone, by rule number.
	contradicted map[int32]time.Time
	// ended says that the run's end was acted on.
	ended bool
}

// poll is what ECS said of agents at one time: ARN of the container instance to connected, and the names of the capacity
// providers that the instances are of.
type poll struct {
	at        time.Time
	connected map[string]bool
	providers map[string]bool
}

// suspicion is something odd that reads showed. One read may only lag: two in a row, some time apart, confirm it.
type suspicion struct {
	reason string
	// reads is how many reads in a row showed it, the last one that counts at the time at.
	reads int
	at    time.Time
}

// confirmed adds a read that showed something for the given reason, and says whether that makes it true.
func (o *suspicion) confirmed(reason string, now time.Time) bool {
	if reason != o.reason {
		*o = suspicion{reason: reason}
	}
	if o.reads > 0 && now.Sub(o.at) < oddReadInterval {
		return false // too soon to say more than the one before
	}
	o.reads, o.at = o.reads+1, now
	if o.reads < 2 {
		return false
	}
	o.reads = 0
	return true
}

// lookups says how the lookups of one host went.
type lookups struct {
	// quietSince is when they last gave a new address (or first gave an answer), and quiet is for how long they have since
	// been answered with nothing new.
	quietSince time.Time
	quiet      time.Duration
	// failure says why the last one failed; empty: it did not.
	failure string
}

// memories holds the memory of each object, by name: an object that is gone has no more than that.
type memories struct {
	mu     sync.Mutex
	byName map[types.NamespacedName]remembered
}

type remembered struct {
	uid types.UID
	*memory
}

func newMemory() *memory {
	return &memory{hosts: map[string][]discovery.Host{}, lookups: map[string]lookups{}, contradicted: map[int32]time.Time{}}
}

// of gives the memory of an object, a new one for one that took over the name of another.
func (m *memories) of(obj client.Object) *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byName == nil {
		m.byName = map[types.NamespacedName]remembered{}
	}
	name := client.ObjectKeyFromObject(obj)
	if m.byName[name].uid != obj.GetUID() || m.byName[name].memory == nil {
		m.byName[name] = remembered{obj.GetUID(), newMemory()}
	}
	return m.byName[name].memory
}

// forget drops the memory of an object, and says which one that was.
func (m *memories) forget(name types.NamespacedName) (uid types.UID, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	forgotten, known := m.byName[name]
	delete(m.byName, name)
	return forgotten.uid, known
}

// addPoll keeps the last two polls.
func (m *memory) addPoll(p poll) {
	m.polls = append(m.polls, p)
	if len(m.polls) > 2 {
		m.polls = m.polls[len(m.polls)-2:]
	}
}

// agreed says what the last two polls agree on for an agent, both not before since: connected or not, or that ECS no
// longer knows the container instance. ok is false where they differ or there are fewer than two.
func (m *memory) agreed(arn string, since time.Time) (connected, gone, ok bool) {
	if !m.twoPolls(since) {
		return false, false, false
	}
	before, knownBefore := m.polls[0].connected[arn]
	after, knownAfter := m.polls[1].connected[arn]
	if before != after || knownBefore != knownAfter {
		return false, false, false
	}
	return after, !knownAfter, true
}

// twoPolls says whether the last two polls were both not before since.
func (m *memory) twoPolls(since time.Time) bool {
	return len(m.polls) == 2 && !m.polls[0].at.Before(since)
}

// lastPoll is when the agents were last asked for; the zero time: never.
func (m *memory) lastPoll() time.Time {
	if len(m.polls) == 0 {
		return time.Time{}
	}
	return m.polls[len(m.polls)-1].at
}

// startRun forgets what was seen before the run began: it says nothing of the run.
func (m *memory) startRun() {
	m.polls, m.acl, m.original, m.tags, m.aclRead = nil, nil, nil, nil, time.Time{}
	m.inForce = time.Time{}
	m.network, m.target, m.hit, m.changed, m.stripped = suspicion{}, suspicion{}, suspicion{}, suspicion{}, suspicion{}
	m.amiss, m.consented = nil, nil
}

// noteForce notes when the rules were first seen in force: what agents did before that says nothing of them.
func (m *memory) noteForce(obj *v1alpha1.AgentDisconnect, now time.Time) {
	if m.inForce.IsZero() && m.denied(obj) {
		m.inForce = now
	}
}

// underRules says whether the last two polls were both made since the rules were in force.
func (m *memory) underRules() bool { return !m.inForce.IsZero() && m.twoPolls(m.inForce) }

// answerTTL is how long answers about the target are believed: what they are about changes by hand, or takes many calls.
const answerTTL = time.Minute

// answer is what AWS said to a question, kept for a while.
type answer[T any] struct {
	value T
	about string
	at    time.Time
}

// get gives the answer to the question, which it asks again only if it is another one or the answer is old.
func (a *answer[T]) get(now time.Time, about string, ask func() (T, error)) (T, error) {
	if age := now.Sub(a.at); a.about == about && !a.at.IsZero() && age >= 0 && age < answerTTL {
		return a.value, nil
	}
	value, err := ask()
	if err == nil {
		*a = answer[T]{value, about, now}
	}
	return value, err
}
