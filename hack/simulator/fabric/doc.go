// SPDX-License-Identifier: Apache-2.0

// Package fabric is the network between the instances of the simulated VPC and the servers on the Internet: TCP
// whose packets are judged by the instance's subnet, one by one.
//
// A server is registered under each of its addresses, IPv4 or IPv6, with the real listener that serves it. A host in a
// subnet dials such an address and gets a net.Conn. What it writes leaves the fabric through a real TCP connection to
// that listener, but first it is cut into packets, and Judge is asked about every packet at the moment it is sent:
//
//	outbound leg   egress    instance:ephemeral → server:443
//	return leg     ingress   server:443 → instance:ephemeral
//
// A packet that Judge denies vanishes. Nothing is refused or reset, and neither end is told: both learn of it as
// they would from a real network, by their own timers. So nothing has to announce that an ACL has changed either: every
// transmission and retransmission asks anew.
//
// # The model of TCP
//
// It is Linux's TCP with a round trip of zero, so that all that remains is what loss does. Every time is divided by
// Options.Scale.
//
//   - Opening: a SYN goes out at 0, 1, 3, 7, 15, 31 and 63 s and its SYN-ACK comes back at once; the first pair that
//     both pass opens the connection. After 127 s it fails with ETIMEDOUT; before that, the dialer's own time-out
//     ends it with "i/o timeout". An address where no server is registered swallows its SYNs the same way.
//   - Data: a segment is acknowledged by a packet of the other direction. Up to ten unacknowledged segments may be
//     under way, so while only the way out is closed, what the server sends still arrives, for as long as the server
//     has not noticed that its acknowledgements are missing.
//   - Loss: a segment that is unacknowledged for 200 ms is sent again, then after twice the time and so on to at
//     most 120 s. From the first of these on the sender holds back all new data, as congestion control does,
//     until an acknowledgement arrives; then the rest follows at once. So bytes are never lost and never out of order:
//     they are late.
//   - Giving up: after 15 retransmissions (about 15 minutes) the sender's connection is dead, with ETIMEDOUT. A sender
//     that closed its socket gives up after 8 (about 100 s).
//   - Closing: a FIN is sent and repeated like data. One that vanishes leaves the other end half-open until its own
//     timers end it, or until it sends something that reaches a host which has forgotten the connection: that is
//     answered by a RST, itself a packet that Judge is asked about.
//
// What is left out: keep-alive probes (Linux sends none while data is unacknowledged, which is the case that matters
// here), selective acknowledgement, delayed acknowledgement, and pacing.
package fabric
