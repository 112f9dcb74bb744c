// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that JSON writes as "1m30s".
type Duration time.Duration

// MarshalJSON writes the duration as text.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads a duration with its unit.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("a duration is text with a unit, such as \"200ms\": %w", err)
	}
	v, err := time.ParseDuration(text)
	if err != nil {
		return err
	}
	*d = Duration(v)
	return nil
}

// Syntax explains what Parse reads.
const Syntax = `ACTION EFFECT [LIMIT...]
  ACTION   service:Action, * for any characters: ec2:CreateNetworkAclEntry, ec2:Describe*, *
  EFFECT   error=CODE          an error in place of the effect
           errorAfter=CODE     the effect, then an error
           lost                the effect, then the connection is closed
           latency=200ms       wait before the effect
           latencyAfter=200ms  wait between the effect and the answer
           throttle            AWS's own token bucket for the action
           throttle=5/1        a bucket of 5 calls, refilled at 1 a second
           stale=30s           reads see the state of 30 s ago
           frozen              reads see the state of now until the fault is removed
           denied              the permission is withdrawn
  LIMIT    times=2             the next two calls only
           skip=1              not the first one
           dryRuns             dry runs too (for error, errorAfter and lost)
           key=AKIA...         calls of this access key id only
           missingTag=KEY      calls about EC2 resources without this tag only: ec2:DeleteNetworkAcl denied missingTag=KEY
           RuleNumber==82      calls with this parameter only`

// Parse reads a fault as the command line has it: see Syntax.
func Parse(text string) (Fault, error) {
	fields := strings.Fields(text)
	if len(fields) < 2 {
		return Fault{}, fmt.Errorf("a fault is an action and an effect, got %q:\n%s", text, Syntax)
	}
	f := Fault{Action: fields[0]}
	for _, field := range fields[1:] {
		if name, value, ok := strings.Cut(field, "=="); ok {
			if f.Params == nil {
				f.Params = map[string]string{}
			}
			f.Params[name] = value
			continue
		}
		name, value, hasValue := strings.Cut(field, "=")
		if err := f.set(name, value, hasValue); err != nil {
			return Fault{}, fmt.Errorf("%q in fault %q: %w", field, text, err)
		}
	}
	return f, f.Validate()
}

func (f *Fault) set(name, value string, hasValue bool) (err error) {
	switch name {
	case "error":
		f.Error = value
	case "errorAfter":
		f.ErrorAfter = value
	case "message":
		f.Message = value
	case "lost":
		f.Lost = true
	case "frozen":
		f.Frozen = true
	case "denied":
		f.Denied = true
	case "dryRuns":
		f.DryRuns = true
	case "key":
		f.AccessKey = value
	case "missingTag":
		f.MissingTag = value
	case "latency":
		return parseDuration(value, &f.Latency)
	case "latencyAfter":
		return parseDuration(value, &f.LatencyAfter)
	case "stale":
		return parseDuration(value, &f.Stale)
	case "times":
		f.Times, err = strconv.Atoi(value)
	case "skip":
		f.Skip, err = strconv.Atoi(value)
	case "throttle":
		f.Throttle = &Bucket{}
		if hasValue {
			return f.Throttle.parse(value)
		}
	default:
		return errors.New("not a word that faults know")
	}
	return err
}

func parseDuration(value string, d *Duration) error {
	v, err := time.ParseDuration(value)
	*d = Duration(v)
	return err
}

func (b *Bucket) parse(value string) (err error) {
	burst, rate, ok := strings.Cut(value, "/")
	if !ok {
		return errors.New("a bucket is written as burst/rate, for instance 5/1")
	}
	if b.Burst, err = strconv.Atoi(burst); err != nil {
		return err
	}
	b.PerSecond, err = strconv.ParseFloat(rate, 64)
	return err
}

// String is the fault as Parse reads it.
func (f Fault) String() string {
	words := []string{f.Action}
	add := func(set bool, word string) {
		if set {
			words = append(words, word)
		}
	}
	add(f.Error != "", "error="+f.Error)
	add(f.ErrorAfter != "", "errorAfter="+f.ErrorAfter)
	add(f.Lost, "lost")
	add(f.Latency > 0, "latency="+time.Duration(f.Latency).String())
	add(f.LatencyAfter > 0, "latencyAfter="+time.Duration(f.LatencyAfter).String())
	if f.Throttle != nil {
		add(*f.Throttle == Bucket{}, "throttle")
		add(*f.Throttle != Bucket{}, fmt.Sprintf("throttle=%d/%g", f.Throttle.Burst, f.Throttle.PerSecond))
	}
	add(f.Stale > 0, "stale="+time.Duration(f.Stale).String())
	add(f.Frozen, "frozen")
	add(f.Denied, "denied")
	add(f.Times > 0, "times="+strconv.Itoa(f.Times))
	add(f.Skip > 0, "skip="+strconv.Itoa(f.Skip))
	add(f.DryRuns, "dryRuns")
	add(f.AccessKey != "", "key="+f.AccessKey)
	add(f.MissingTag != "", "missingTag="+f.MissingTag)
	for _, name := range slices.Sorted(maps.Keys(f.Params)) {
		add(true, name+"=="+f.Params[name])
	}
	return strings.Join(words, " ")
}
