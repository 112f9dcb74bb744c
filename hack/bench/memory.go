// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"
)

// bytes is an amount of memory.
type bytes int64

func (b bytes) String() string {
	const mebi = 1 << 20
	return fmt.Sprintf("%.0f MiB", float64(b)/mebi)
}

// residentMemory is what a process holds in memory, now and at the most so far, as Linux tells it.
func residentMemory(pid int) (now, peak bytes, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("the manager's memory can be read on Linux only: %w", err)
	}
	if now, err = memoryField(text, "VmRSS"); err != nil {
		return 0, 0, err
	}
	peak, err = memoryField(text, "VmHWM")
	return now, peak, err
}

func memoryField(text []byte, name string) (bytes, error) {
	found := regexp.MustCompile(`(?m)^` + name + `:\s+([0-9]+) kB$`).FindSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("the process status has no %s", name)
	}
	kibi, err := strconv.ParseInt(string(found[1]), 10, 64)
	return bytes(kibi << 10), err
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
