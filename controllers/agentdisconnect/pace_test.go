// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"fmt"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
)

// pace tells passes that follow one another for no reason: each object has some in a burst, but none has many a second.
type pace struct {
	mu     sync.Mutex
	second time.Time
	passes map[string]int
}

func (p *pace) count(name string, now time.Time) {
	const most = 40
	p.mu.Lock()
	defer p.mu.Unlock()
	if second := now.Truncate(time.Second); !second.Equal(p.second) {
		p.second, p.passes = second, map[string]int{}
	}
	p.passes[name]++
	if p.passes[name] > most {
		Fail(fmt.Sprintf("%s had more than %d passes in one second, at %s", name, most, now))
	}
}
