// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NetworkACLModeReason says why a run uses its network ACL in place or as a clone.
// +kubebuilder:validation:Enum=Requested;OnlySubnet;SharedWithOtherSubnets
type NetworkACLModeReason string

const (
	// NetworkACLModeRequested: the spec asked for the mode by name.
	NetworkACLModeRequested NetworkACLModeReason = "Requested"
	// NetworkACLModeOnlySubnet: the subnet had its network ACL to itself, so InPlace.
	NetworkACLModeOnlySubnet NetworkACLModeReason = "OnlySubnet"
	// NetworkACLModeShared: the network ACL served other subnets too, so Clone.
	NetworkACLModeShared NetworkACLModeReason = "SharedWithOtherSubnets"
)

// CloneState is how far a clone is.
// +kubebuilder:validation:Enum=Creating;Ready;Associating;Serving;Adopted
type CloneState string

const (
	// CloneCreating is written before AWS is asked for the clone: it may or may not be there.
	CloneCreating CloneState = "Creating"
	// CloneReady says that the clone is there and serves no subnet.
	CloneReady CloneState = "Ready"
	// CloneAssociating is written before AWS is asked to put the subnet on the clone: it may or may not be.
	CloneAssociating CloneState = "Associating"
	// CloneServing says that AWS put the subnet on the clone.
	CloneServing CloneState = "Serving"
	// CloneAdopted says that the clone stays as the subnet's network ACL, without rules of the run, since the original
	// is gone.
	CloneAdopted CloneState = "Adopted"
)

// DeadManSwitchState is how far the schedules are set up that remove the rules of a run if no manager does.
// +kubebuilder:validation:Enum=Arming;Armed;NotConfigured;NotInPlace
type DeadManSwitchState string

const (
	// SwitchArming is written before EventBridge Scheduler is asked for the schedules, and where some were found missing or
	// could not be looked at: they may or may not be there.
	SwitchArming DeadManSwitchState = "Arming"
	// SwitchArmed says that every rule of the run has a schedule that deletes it, as looked at in the last 10 minutes.
	SwitchArmed DeadManSwitchState = "Armed"
	// SwitchNotConfigured says that the manager has no role and no schedule group for it.
	SwitchNotConfigured DeadManSwitchState = "NotConfigured"
	// SwitchNotInPlace says that there is none for rules in place: after their removal, an entry at the number of one may be a
	// third party's.
	SwitchNotInPlace DeadManSwitchState = "NotInPlace"
)

// DeadManSwitch are the schedules that delete the rules of a run if no manager is left to do it.
type DeadManSwitch struct {
	// state is how far the switch is: Arming, Armed, or why there is none, NotConfigured or NotInPlace.
	// +required
	State DeadManSwitchState `json:"state,omitempty"`

	// scheduleGroup is the group of EventBridge Scheduler that the schedules are in. Unset: there are none.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	ScheduleGroup string `json:"scheduleGroup,omitempty"`

	// time is when the schedules fire: a while after the run's expirationTime. Unset: there are none.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	Time *metav1.Time `json:"time,omitempty"`

	// ruleNumbers are the numbers of the clone's rules for which schedules may be there, written before they are asked for.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=80
	// +kubebuilder:validation:items:Minimum=1
	// +kubebuilder:validation:items:Maximum=32766
	RuleNumbers []int32 `json:"ruleNumbers,omitempty"`
}

// NetworkACL is the network ACL that carries the rules of a run.
type NetworkACL struct {
	// id is the id of the network ACL that carries the rules: of the clone in mode Clone. Unset: AWS has not given the
	// clone an id yet.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	ID string `json:"id,omitempty"`

	// mode is how it is used. InPlace: it is the one that the subnet had. Clone: it is a copy of that one.
	// +required
	Mode NetworkACLMode `json:"mode,omitempty"`

	// modeReason says why this mode is used: Requested by the spec; OnlySubnet, so that no other subnet is affected; or SharedWithOtherSubnets.
	// An InPlace run that was not requested ends when another subnet joins the network ACL.
	// +required
	ModeReason NetworkACLModeReason `json:"modeReason,omitempty"`

	// originalID is the network ACL that the subnet had, and to which it returns. Unset: mode is InPlace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	OriginalID string `json:"originalID,omitempty"`

	// state is how far the clone is. Unset: mode is InPlace, or the clone is gone.
	// +optional
	State CloneState `json:"state,omitempty"`

	// attempt counts the clones that the run asked AWS for. It is part of the client token.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Attempt int32 `json:"attempt,omitempty"`

	// lastAttemptTime is when AWS was last asked to create the clone, to change one of its copied entries, or to move the
	// subnet on or off it.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	LastAttemptTime *metav1.Time `json:"lastAttemptTime,omitempty"`

	// baseline is what the clone was copied from: an entry of the original each, and its number in the clone where that is
	// another. For a while after a change of the original it has what that closes, too. What the clone has beside it and the
	// rules, a third party put there.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=160
	// +kubebuilder:validation:items:MaxLength=128
	Baseline []string `json:"baseline,omitempty"`

	// deadManSwitch removes the rules when the manager does not return. Unset: the run's switch was removed again,
	// or the run began under an earlier version.
	// +optional
	DeadManSwitch *DeadManSwitch `json:"deadManSwitch,omitempty"`

	// carryOver is the baseline to be, written before changes of the original are made to the clone. Unset: no such change
	// is under way.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=160
	// +kubebuilder:validation:items:MaxLength=128
	CarryOver []string `json:"carryOver,omitempty"`
}

// RuleState is how far a line of the ledger is.
// +kubebuilder:validation:Enum=Creating;Installed;Deleting;Released
type RuleState string

const (
	// RuleCreating is written before AWS is asked to create the entry: the entry may or may not be there.
	RuleCreating RuleState = "Creating"
	// RuleInstalled says that AWS acknowledged the entry, or that it was read back.
	RuleInstalled RuleState = "Installed"
	// RuleDeleting is written before AWS is asked to delete the entry.
	RuleDeleting RuleState = "Deleting"
	// RuleReleased says that the run no longer owns the entry: it was deleted, never made, or is a third party's. The run does nothing with
	// an entry at that number any more. The line goes once the tags on the network ACL no longer name it.
	RuleReleased RuleState = "Released"
)

// Rule is a line of the ledger: one outbound entry that denies all traffic to one range.
type Rule struct {
	// networkACLID is the id of the network ACL that the entry is in.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	NetworkACLID string `json:"networkACLID,omitempty"`

	// ruleNumber is the number of the entry.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=32766
	RuleNumber int32 `json:"ruleNumber,omitempty"`

	// cidr is the range that the entry denies: one address, or a range of the spec.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=49
	CIDR string `json:"cidr,omitempty"`

	// hostname is the host that the address belongs to. Unset: the range is one of the spec.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Hostname string `json:"hostname,omitempty"`

	// state is how far the entry is: Creating, Installed, Deleting or Released.
	// +required
	State RuleState `json:"state,omitempty"`

	// lastAttemptTime is when AWS was last asked to create or delete the entry. Unset: no attempt to create it was made yet.
	// Before the first write of a start, whose lines all lack it, the controller checks once more for another holder.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	LastAttemptTime *metav1.Time `json:"lastAttemptTime,omitempty"`
}
