// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"fmt"
	"sync"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

// keepPause is between two starts of a manager that doesn't get ready.
const keepPause = 250 * time.Millisecond

// keeper starts a manager, and another whenever its process has ended, as kubelet does.
type keeper struct {
	stage *stage

	mu      sync.Mutex
	current *stack.Manager
	lives   int

	stop context.CancelFunc
	done chan struct{}
}

// startKeeper starts the first manager and waits until it is ready.
func (st *stage) startKeeper(ctx context.Context) (*keeper, error) {
	m, err := st.AddManager(ctx)
	if err != nil {
		return nil, err
	}
	lifetime, stop := context.WithCancel(context.WithoutCancel(ctx))
	k := &keeper{stage: st, current: m, lives: 1, stop: stop, done: make(chan struct{})}
	go k.watch(lifetime)
	return k, nil
}

func (k *keeper) watch(ctx context.Context) {
	defer close(k.done)
	for {
		select {
		case <-k.manager().Ended():
		case <-ctx.Done():
			return
		}
		m, err := k.stage.AddManager(ctx)
		if m != nil {
			k.mu.Lock()
			k.current = m
			k.lives++
			k.mu.Unlock()
		}
		if err == nil {
			continue
		}
		select {
		case <-time.After(keepPause):
		case <-ctx.Done():
			return
		}
	}
}

// manager is the one that was started last.
func (k *keeper) manager() *stack.Manager {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current
}

// count is how many were started.
func (k *keeper) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lives
}

// kill ends the manager's process, and is done when it is gone.
func (k *keeper) kill() error { return k.manager().Kill() }

// close starts no more, and kills the last.
func (k *keeper) close() error {
	k.stop()
	<-k.done
	return k.kill()
}

// untilReplaced waits until the manager is another than the given-th.
func (k *keeper) untilReplaced(ctx context.Context, lives int) error {
	return until(ctx, "a new manager", func(context.Context) (bool, string) {
		return k.count() > lives, fmt.Sprint(k.manager().Err())
	})
}
