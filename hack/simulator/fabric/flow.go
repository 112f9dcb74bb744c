// SPDX-License-Identifier: Apache-2.0

package fabric

import "time"

// The constants of the TCP model, Linux's defaults; see the package's comment.
const (
	segmentSize   = 1460
	initialWindow = 10
	minRTO        = 200 * time.Millisecond
	maxRTO        = 120 * time.Second
	// maxRetransmissions is tcp_retries2; maxOrphanRetransmissions is what tcp_orphan_retries' 0 means.
	maxRetransmissions       = 15
	maxOrphanRetransmissions = 8
	// sendBuffer is how much a sender takes from its application ahead of acknowledgements, and receiveBuffer how
	// much a receiver takes ahead of its own.
	sendBuffer    = 64 << 10
	receiveBuffer = 64 << 10
)

// segment is a piece of the byte stream, or the FIN that ends it.
type segment struct {
	data []byte
	fin  bool
}

// flow is one direction of a connection: the sender's queue, and how much of it the receiver has. All of it is
// under the link's lock.
type flow struct {
	// data and ack send a packet of this direction and of the other one, and say whether it arrives.
	data, ack func() bool
	// reach reports whether the receiving host still takes a segment, one that is new data to it or not. If it does not,
	// it has answered with a RST.
	reach func(newData bool) bool
	// arrive hands the receiver a segment that is new to it.
	arrive func(segment)
	// unread is how much the receiver holds that its application has not taken.
	unread func() int
	// giveUp is what the sender does after its last retransmission.
	giveUp func()
	// after runs f under the link's lock once a scaled duration has passed.
	after func(d time.Duration, f func()) *time.Timer

	queue  []segment // unacknowledged, oldest first
	queued int       // bytes in queue
	sent   int       // how many of queue were sent
	got    int       // how many of queue the receiver has: their acknowledgement was lost

	// lost: a retransmission was needed and nothing has been acknowledged since, so nothing new is sent.
	lost    bool
	retries int
	limit   int
	rto     time.Duration
	timer   *time.Timer
	stopped bool
	// done: the FIN was acknowledged.
	done bool
}

func (f *flow) start() {
	f.rto, f.limit = minRTO, maxRetransmissions
}

// full says that the sender's application has to wait.
func (f *flow) full() bool { return f.queued >= sendBuffer }

// send queues a segment and sends what may be sent.
func (f *flow) send(s segment) {
	if f.stopped {
		return
	}
	f.queue = append(f.queue, s)
	f.queued += len(s.data)
	f.push()
}

// push sends queued segments while congestion control and the receiver's window allow it.
func (f *flow) push() {
	for !f.stopped && !f.lost && f.sent < len(f.queue) && f.sent < initialWindow && f.unread() < receiveBuffer {
		f.sent++
		f.transmit(f.sent - 1)
	}
	f.arm()
}

// transmit sends segment i of the queue. An acknowledgement shortens the queue.
func (f *flow) transmit(i int) {
	s := f.queue[i]
	if !f.data() || !f.reach(i >= f.got && !s.fin) {
		return
	}
	switch {
	case i > f.got:
		// It arrived behind a hole. A real receiver would keep it; here it is sent again once the hole is filled.
		return
	case i == f.got:
		f.arrive(s)
		f.got++
	}
	if f.ack() {
		f.acknowledged()
	}
}

// acknowledged takes what the receiver has off the queue. What else was sent was lost, and is sent again.
func (f *flow) acknowledged() {
	for _, s := range f.queue[:f.got] {
		f.queued -= len(s.data)
		f.done = f.done || s.fin
	}
	f.queue = append([]segment(nil), f.queue[f.got:]...)
	f.sent -= f.got
	f.got = 0
	if f.lost {
		f.sent = 0
	}
	f.lost, f.retries, f.rto = false, 0, minRTO
	f.disarm()
}

// arm sees to it that the retransmission timer runs if, and only if, something is unacknowledged.
func (f *flow) arm() {
	if f.stopped || f.sent == 0 {
		f.disarm()
		return
	}
	if f.timer != nil {
		return
	}
	var t *time.Timer
	t = f.after(f.rto, func() {
		if f.timer == t {
			f.timer = nil
			f.expired()
		}
	})
	f.timer = t
}

func (f *flow) disarm() {
	if f.timer != nil {
		f.timer.Stop()
		f.timer = nil
	}
}

// expired is the retransmission timer's end.
func (f *flow) expired() {
	if f.retries >= f.limit {
		f.stop()
		f.giveUp()
		return
	}
	f.retries++
	f.lost = true
	f.rto = min(2*f.rto, maxRTO)
	f.transmit(0)
	f.push()
}

// stop ends the sender: nothing is sent any more.
func (f *flow) stop() {
	f.stopped = true
	f.disarm()
	f.queue, f.queued, f.sent, f.got = nil, 0, 0, 0
}
