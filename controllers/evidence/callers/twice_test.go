// SPDX-License-Identifier: Apache-2.0

package callers_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/evidence/callers"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/record"
)

// partial is a call for 3 tasks at 4 minutes, of which 2 were started and one met AGENT.
func partial(c *calls, edits ...func(*record.Call)) {
	c.add(4, append([]func(*record.Call){asking(3), agent, starts(2, other)}, edits...)...)
}

func TestStartedTwice(t *testing.T) {
	for name, tc := range map[string]struct {
		calls func(*calls)
		extra int
	}{
		"all tasks again, though some had been started": {func(c *calls) {
			partial(c, startedBy("job"))
			c.add(5, startedBy("job"), asking(3), starts(3, other))
		}, 2},
		"all tasks again, by group": {func(c *calls) {
			partial(c, inGroup("job"))
			c.add(5, inGroup("job"), asking(3), starts(3, other))
		}, 2},
		"a failure beside a task that was started all the same": {func(c *calls) {
			c.add(4, startedBy("job"), agent, starts(1, other))
			c.add(5, startedBy("job"), starts(1, other))
		}, 1},
		"two times over": {func(c *calls) {
			partial(c, startedBy("job"))
			c.add(5, startedBy("job"), asking(3), agent, starts(2, other))
			c.add(6, startedBy("job"), asking(3), starts(3, other))
		}, 3},
		"Step Functions with a group": {func(c *calls) {
			partial(c, startedBy("AWS Step Functions"), inGroup("job"))
			c.add(5, startedBy("AWS Step Functions"), inGroup("job"), asking(3), starts(3, other))
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var c calls
			tc.calls(&c)
			v := callers.Judge(c.all, facts())
			g.Expect(v.Callers[0].Extra).To(Equal(tc.extra))
			g.Expect(v.Callers[0].Outcome).To(Equal(callers.StartedTwice))
			g.Expect([]int{v.StartedTwice, v.Recovered}).To(Equal([]int{1, 1}))
		})
	}
}

// Each of these can be read as what a careful caller does, or as two pieces of work.
func TestNotStartedTwice(t *testing.T) {
	all := []func(*record.Call){startedBy("job"), asking(3), starts(3, other)}
	for name, add := range map[string]func(*calls){
		"only what was left over": func(c *calls) {
			partial(c, startedBy("job"))
			c.add(5, startedBy("job"), starts(1, other))
		},
		"what was left over first, then other work": func(c *calls) {
			partial(c, startedBy("job"))
			c.add(5, startedBy("job"), starts(1, other))
			c.add(6, all...)
		},
		"the same tasks by a client token": func(c *calls) {
			c.add(4, startedBy("job"), agent, starts(1, other))
			c.add(5, startedBy("job"), func(again *record.Call) { again.Tasks = c.all[0].Tasks })
		},
		"a first call that started nothing": func(c *calls) {
			c.add(4, startedBy("job"), agent)
			c.add(5, startedBy("job"), starts(1, other))
			c.add(6, startedBy("job"), starts(1, other))
		},
		"another piece of work": func(c *calls) {
			partial(c, startedBy("job"))
			c.add(5, startedBy("job-2"), asking(3), starts(3, other))
		},
		"another group": func(c *calls) {
			partial(c, startedBy("job"), inGroup("one"))
			c.add(5, startedBy("job"), inGroup("two"), asking(3), starts(3, other))
		},
		"nothing that tells pieces of work apart": func(c *calls) {
			partial(c)
			c.add(5, asking(3), starts(3, other))
		},
		"Step Functions, which marks all alike": func(c *calls) {
			partial(c, startedBy("AWS Step Functions"))
			c.add(5, startedBy("AWS Step Functions"), asking(3), starts(3, other))
		},
		"two calls in the next second": func(c *calls) {
			partial(c, startedBy("job"))
			c.add(5, all...)
			c.add(5, startedBy("job"), starts(1, other))
		},
		"another call in the same second": func(c *calls) {
			partial(c, startedBy("job"))
			c.add(4, startedBy("job"), starts(1, other))
			c.add(5, all...)
		},
		"long after": func(c *calls) {
			partial(c, startedBy("job"))
			c.add(14.1, all...)
		},
		"a call that met nothing": func(c *calls) {
			c.add(3.5, startedBy("other"), agent)
			c.add(4, startedBy("job"), asking(3), starts(3, other))
			c.add(5, all...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var c calls
			add(&c)
			v := callers.Judge(c.all, facts())
			NewWithT(t).Expect([]int{v.Met, v.StartedTwice, v.Callers[0].Extra}).To(Equal([]int{1, 0, 0}))
		})
	}
}

func TestStartedTwiceIsNotClaimedWhereACallBetweenMayBeMissing(t *testing.T) {
	g := NewWithT(t)
	var c calls
	partial(&c, startedBy("job"))
	c.add(5, startedBy("job"), asking(3), starts(3, other))
	f := facts()
	f.Known.To = at(5).Add(time.Second - 1)
	v := callers.Judge(c.all, f)
	g.Expect(v.StartedTwice).To(BeZero(), "another call of that second may come")
	g.Expect(v.Callers[0].Outcome).To(Equal(callers.Recovered))
	f.Known = callers.Period{From: at(4.1), To: at(60)}
	g.Expect(callers.Judge(c.all, f).StartedTwice).To(BeZero())
}
