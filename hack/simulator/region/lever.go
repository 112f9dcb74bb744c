// SPDX-License-Identifier: Apache-2.0

package region

// SafetyLeverID is the id of the one safety lever of AWS FIS that an account has in each Region.
const SafetyLeverID = "default"

// States of the safety lever.
const (
	LeverDisengaged = "disengaged"
	LeverEngaging   = "engaging"
	LeverEngaged    = "engaged"
)

// SafetyLever is the safety lever of AWS FIS.
type SafetyLever struct{ ARN, Status, Reason string }

// SafetyLever is the lever as the view has it.
func (v View) SafetyLever() SafetyLever {
	lever, set := v.s.levers.m[SafetyLeverID]
	if !set {
		lever.Status = LeverDisengaged
	}
	lever.ARN = v.r.ARN("fis", "safety-lever/"+SafetyLeverID)
	return lever
}

// SetSafetyLever sets the state of the lever. AWS refuses the state that the lever has already.
func (r *Region) SetSafetyLever(status, reason string) error {
	if current := r.View(zeroTime).SafetyLever(); current.Status == status {
		return Errorf("ConflictException", "The safety lever is already %s.", status)
	}
	return r.change(func(s *state) error {
		s.levers.put(SafetyLeverID, SafetyLever{Status: status, Reason: reason})
		return nil
	})
}
