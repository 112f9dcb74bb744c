// SPDX-License-Identifier: Apache-2.0

// Package networkacl decides which entries a network ACL is to have, and who owns those that it
// has.
//
// All of it is values in, values out: it makes no call, keeps no state and reads no clock. Package
// ec2acl makes the calls, package ownership has the tags that say who owns which entry, and package
// clones has what a clone of a network ACL contains.
//
// It promises:
//
//   - One shape. The only entry that it ever makes is Deny: outbound, deny, all traffic, to one address or one range of the
//     spec. So foreign entries keep their effect on every other address, and nothing is ever opened.
//   - No claim beyond what AWS does. Evaluate walks the whole list of entries in AWS's order, and counts an address as denied
//     only where nothing that could let any of its traffic out comes first.
//   - All or nothing. NewPlan finds a number for every destination, within the quota and before whatever allows it, or says
//     what is in the way. An agent reconnects through the one address that was missed.
//   - Foreign entries are never touched, nor their numbers taken. Owned is what the ledger has a line for and what is equal,
//     as a whole, to the entry that the line stands for.
//   - Planning is values in, values out, whatever the order of the inputs. A plan that was cut off anywhere continues when
//     planned again: its lines are kept, not made twice. Planned with nothing desired, all that is
//     owned goes.
//   - One read may lag. A Confirmation tells what two reads some seconds apart show from what one does.
package networkacl
