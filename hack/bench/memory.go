// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/procfs"
)

// bytes is an amount of memory.
type bytes int64

func (b bytes) String() string {
	const mebi = 1 << 20
	return fmt.Sprintf("%.0f MiB", float64(b)/mebi)
}

// residentMemory is what a process holds in memory, now and at the most so far, as Linux tells it.
func residentMemory(pid int) (now, peak bytes, err error) {
	process, err := procfs.NewProc(pid)
	if err != nil {
		return 0, 0, fmt.Errorf("the manager's memory can be read on Linux only: %w", err)
	}
	status, err := process.NewStatus()
	return bytes(status.VmRSS), bytes(status.VmHWM), err
}

// memoryInterval is between two looks at the manager's memory.
const memoryInterval = time.Second

// watchMemory keeps the most memory that a process held until the given time.
func watchMemory(ctx context.Context, pid int, until time.Time, most *bytes) error {
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	for {
		now, _, err := residentMemory(pid)
		if err != nil {
			return err
		}
		*most = max(*most, now)
		if !time.Now().Add(memoryInterval).Before(until) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
