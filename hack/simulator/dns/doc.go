// SPDX-License-Identifier: Apache-2.0

// Package dns is the DNS server of the simulated Region: real DNS on loopback, over UDP and TCP on one port.
//
// It promises what makes finding all addresses of an AWS host hard:
//
//   - An answer holds one address of a host. The host's addresses take turns, each query type by itself, so that
//     a single lookup never finds all of them, and a host with n addresses shows each once in n lookups.
//   - With Options.HoldTTL it behaves as a caching resolver: an answer is given again, its TTL counting down,
//     until that TTL is over; only then is it the next address's turn.
//   - A host without addresses of the family asked for gives NOERROR without an answer; an unknown host gives
//     NXDOMAIN; a host named with Server.SetFailing gives SERVFAIL until it is cleared.
//
// A host of which a WholeZone says so has all its addresses in each answer, the next one first each time: private names
// of VPC endpoints are such hosts. Server.AddView has the same server answer from another zone on a further port.
//
// Names are compared without regard to case and answered in the case they were asked in. What a host's addresses
// are is the Zone's business and is asked anew for every answer that isn't held.
package dns
