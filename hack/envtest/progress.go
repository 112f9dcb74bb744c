// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"sync"
	"time"
)

const (
	// redraw is often enough for a live line to look alive.
	redraw = 500 * time.Millisecond
	// report keeps a log short and still shows a waiting reader that something happens.
	report = 15 * time.Second
	// lineWidth fits the narrowest terminal in use: a live line that wraps can't be redrawn.
	lineWidth = 79
)

// progress shows what is going on and for how long: a live line on a terminal, else a line every 15 seconds.
type progress struct {
	start    time.Time
	terminal bool
	done     chan struct{}
	ended    sync.WaitGroup

	mu   sync.Mutex
	text string
}

func startProgress() *progress {
	p := &progress{start: time.Now(), done: make(chan struct{})}
	if info, err := os.Stderr.Stat(); err == nil {
		p.terminal = info.Mode()&os.ModeCharDevice != 0
	}
	p.ended.Go(p.loop)
	return p
}

func (p *progress) set(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = fmt.Sprintf(format, args...)
}

func (p *progress) stop() {
	close(p.done)
	p.ended.Wait()
	if p.terminal {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
}

func (p *progress) loop() {
	every := report
	if p.terminal {
		every = redraw
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-tick.C:
			p.draw()
		}
	}
}

func (p *progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := fmt.Sprintf("envtest: %s  %s", clock(time.Since(p.start)), p.text)
	if !p.terminal {
		fmt.Fprintln(os.Stderr, line)
		return
	}
	if len(line) > lineWidth {
		line = line[:lineWidth]
	}
	fmt.Fprint(os.Stderr, "\r\x1b[K", line)
}

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "envtest: "+format+"\n", args...)
}

// clock writes a duration as minutes and seconds.
func clock(d time.Duration) string {
	s := int(d.Seconds())
	return fmt.Sprintf("%dm%02ds", s/60, s%60)
}
