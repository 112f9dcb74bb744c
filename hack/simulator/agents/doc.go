// SPDX-License-Identifier: Apache-2.0

// Package agents has both ends of an ECS agent's sessions: the ECS agents of the simulated Region's container
// instances, and the ACS and TCS servers that they connect to.
//
// # Agent
//
// One per container instance. It behaves as amazon-ecs-agent does, and all its times are divided by Options.Scale:
//
//   - It asks DiscoverPollEndpoint for its two URLs, keeps the answer for 12 h, and uses one that is older if the
//     call fails.
//   - It keeps one session with ACS and one with TCS. For each dial it resolves the host afresh and dials through the
//     fabric with a time-out of 30 s. With an IPv6 address of its own and answers of both families it dials as Go's
//     dialer does: IPv6 first, IPv4 beside it after 300 ms or as soon as IPv6 fails, and the first connection counts.
//   - Over ACS it acknowledges heartbeats and payloads; over TCS it publishes metrics every 20 s, as lines of a signed
//     request with JSON after them, for ten tasks a frame. The signature and what containers use are left out.
//   - A payload names tasks with their desired status. A task takes 5 s to start and 5 s to stop;
//     then the agent calls Options.Report. Tasks are those of the instance: they outlive the
//     agent's process.
//   - After silence of 60 s plus up to 60 s of jitter it ends an ACS session at once, and sends a close frame on a TCS
//     session. Every 30 to 35 min it sends one on either, by plan. Then it sends nothing more, reads on, and reconnects
//     when the server has answered the frame, or after 3 min without a message.
//   - It reconnects with back-off, ACS 250 ms × 1.5 up to 2 min, TCS 1 s × 2 up to 1 min, each plus up to 20 %, or at
//     once after the close codes 1000, 1001, 1006 and 1011.
//   - It logs in the real agent's words; Agent.Log gives the lines.
//
// What follows from an outbound drop, as with the real agent: the message that is next arrives, be
// it a heartbeat or a payload, the way in being open; its acknowledgement doesn't get out; later
// ones are held back by the server's TCP. ACS ends after 1 to 2½ min, TCS after 3 to 3½ min, and
// "Error connecting to TCS … i/o timeout" follows half a minute later. After the drop is lifted
// both are back within seconds to about 2½ minutes.
//
// Agents run in real time, divided by the scale. Up to a scale of about 200 even a machine whose cores are all busy keeps
// their timers; far beyond, a process that is not scheduled for a tenth of a second looks like a drop of a minute, and
// agents reconnect now and then as real ones do.
//
// # ControlPlane
//
// The ACS and TCS servers: WebSocket on loopback listeners, registered in the fabric under every
// address of the hosts that the Region's DNS gives. They send a heartbeat every 30 s, acknowledge
// metrics, and close a session whose client has been silent for 3 min. ACS sends payloads: of the
// tasks in ControlPlaneOptions.Payloads each one once a session for each desired status, until an
// agent acknowledges it. Whether an agent is connected is what the server sees:
// ControlPlaneOptions.OnSession tells when an instance's first session of a kind comes up and when
// its last one goes, so an old, half-open session counts until the server has given it up.
package agents
