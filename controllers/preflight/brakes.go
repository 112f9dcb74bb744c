// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"

	"agentdisconnect.dev/agentdisconnect/controllers/brakes"
)

// gatherBrakes reads the alarms of the spec and the safety lever.
func (p *Preflight) gatherBrakes(ctx context.Context, f *Findings) error {
	f.region = p.Clients.Region
	f.stopping = brakes.Wanted{Alarms: brakes.AlarmNames(f.spec().StopConditions), Lever: p.Options.FISSafetyLever}
	if f.stopping.IsNothing() {
		return nil
	}
	f.brakes = p.Brakes.Read(ctx, p.Clients, brakes.Since(p.Now), f.stopping)
	return f.brakes.Err
}

// checkBrakes refuses a run that an alarm or the safety lever would end at once, or whose alarms
// nobody could read.
func checkBrakes(f *Findings) error {
	at := brakes.Place{AccountID: f.accountID, Region: f.region}
	if elsewhere := brakes.CheckPlace(f.spec().StopConditions, at); elsewhere != nil {
		return elsewhere
	}
	return brakes.CheckStart(f.stopping, f.brakes, at)
}
