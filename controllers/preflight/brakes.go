// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/brakes"
)

// gatherBrakes reads the alarms of the spec and the safety lever.
func (p *Preflight) gatherBrakes(ctx context.Context, f *Findings) error {
	f.region = p.Clients.Region
	f.stopping = brakes.Wanted{Alarms: brakes.AlarmNames(f.spec().StopConditions), Lever: p.Options.FISSafetyLever}
	return p.readBrakes(ctx, f, brakes.Since(p.Now))
}

// readBrakes reads what gatherBrakes found to be wanted, of calls that were sent at since or later.
func (p *Preflight) readBrakes(ctx context.Context, f *Findings, since time.Time) error {
	if f.stopping.IsNothing() {
		return nil
	}
	f.brakes = p.Brakes.Read(ctx, p.Clients, since, f.stopping)
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
