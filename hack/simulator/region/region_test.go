// SPDX-License-Identifier: Apache-2.0

package region

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
)

const (
	testVPC = "vpc-0123456789abcdef0"
	testACL = "acl-0123456789abcdef0"
)

func small(t interface{ Fatal(...any) }, clock *clocktesting.FakePassiveClock) *Region {
	r := New(Options{Account: "123456789012", Name: "ap-northeast-1", Clock: clock})
	if err := r.AddVPC(VPC{ID: testVPC, CIDR: netip.MustParsePrefix("10.0.0.0/16")}, ACL{ID: testACL, Entries: []acl.Entry{AllowAll(100, true)}}); err != nil {
		t.Fatal(err)
	}
	r.ForgetHistory()
	return r
}

func isCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

func TestViewOfEarlierTimes(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clock := clocktesting.NewFakePassiveClock(began)
	r := small(t, clock)
	for n := range 40 { // one entry a minute, in and out
		clock.SetTime(began.Add(time.Duration(n+1) * time.Minute))
		var err error
		if n%2 == 0 {
			err = r.CreateNetworkACLEntry(testACL, AllowAll(n+1, true))
		} else {
			err = r.DeleteNetworkACLEntry(testACL, n, true)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	now := began.Add(40 * time.Minute)
	for ago, want := range map[time.Duration]int{
		0: 3, 30 * time.Second: 4, time.Minute: 4, 90 * time.Second: 3, 10 * time.Minute: 3, 11 * time.Minute: 4,
	} {
		a, _ := r.View(now.Add(-ago)).NetworkACL(testACL)
		if len(a.Entries) != want {
			t.Errorf("%s ago there were %d entries, want %d", ago, len(a.Entries), want)
		}
	}
	if n := len(r.history); n > 17 {
		t.Errorf("%d states are kept for %s at one a minute", n, historyFor)
	}
	if a, _ := r.View(began.Add(-time.Hour)).NetworkACL(testACL); len(a.Entries) < 3 {
		t.Error("a time before all states gives the oldest")
	}
}

func TestSnapshotsAreCopies(t *testing.T) {
	r := small(t, clocktesting.NewFakePassiveClock(time.Now()))
	before, _ := r.NetworkACL(testACL)
	before.Entries[0].Allow = false
	before.Entries = append(before.Entries, AllowAll(5, true))
	after, _ := r.NetworkACL(testACL)
	if len(after.Entries) != 3 || !after.Entries[0].Allow {
		t.Errorf("the Region's entries changed: %v", after.Entries)
	}
}

func TestChanged(t *testing.T) {
	r := small(t, clocktesting.NewFakePassiveClock(time.Now()))
	changed := r.Changed()
	if err := r.DeleteNetworkACLEntry(testACL, 7, true); !isCode(err, "InvalidNetworkAclEntry.NotFound") {
		t.Fatal(err)
	}
	select {
	case <-changed:
		t.Fatal("a change that failed is no change")
	default:
	}
	if err := r.DeleteNetworkACLEntry(testACL, 100, true); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
	default:
		t.Fatal("the change was not told")
	}
}

// Whatever is asked of it, a network ACL keeps its default entries, one entry a number and direction, and its quota; and
// it holds exactly what the calls that succeeded put there.
func TestEntriesAgainstAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := small(t, clocktesting.NewFakePassiveClock(time.Now()))
		type key struct {
			number int
			egress bool
		}
		model := map[key]acl.Entry{{100, true}: AllowAll(100, true)}
		count := func(egress, four bool) (n int) {
			for k, e := range model {
				if k.egress == egress && e.CIDR.Addr().Is4() == four {
					n++
				}
			}
			if four {
				n++ // the default entry
			}
			return n
		}
		draw := func(t *rapid.T) acl.Entry {
			e := acl.Entry{
				RuleNumber: rapid.SampledFrom([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 100, 32766, 32767}).Draw(t, "number"),
				Egress:     rapid.Bool().Draw(t, "egress"), Protocol: acl.All, Allow: rapid.Bool().Draw(t, "allow"),
				CIDR: netip.MustParsePrefix(rapid.SampledFrom([]string{"0.0.0.0/0", "10.0.0.0/8", "::/0"}).Draw(t, "cidr")),
			}
			return e
		}
		t.Repeat(map[string]func(*rapid.T){
			"create": func(t *rapid.T) {
				e := draw(t)
				k := key{e.RuleNumber, e.Egress}
				_, there := model[k]
				err := r.CreateNetworkACLEntry(testACL, e)
				switch {
				case e.RuleNumber < 1 || e.RuleNumber > acl.MaxRuleNumber:
					expect(t, err, "InvalidParameterValue")
				case there:
					expect(t, err, "NetworkAclEntryAlreadyExists")
				case count(e.Egress, e.CIDR.Addr().Is4()) >= EntriesPerDirection:
					expect(t, err, "NetworkAclEntryLimitExceeded")
				default:
					expect(t, err, "")
					model[k] = e
				}
			},
			"replace": func(t *rapid.T) {
				e := draw(t)
				k := key{e.RuleNumber, e.Egress}
				_, there := model[k]
				err := r.ReplaceNetworkACLEntry(testACL, e)
				switch {
				case e.RuleNumber < 1 || e.RuleNumber > acl.MaxRuleNumber:
					expect(t, err, "InvalidParameterValue")
				case !there:
					expect(t, err, "InvalidNetworkAclEntry.NotFound")
				default:
					expect(t, err, "")
					model[k] = e
				}
			},
			"delete": func(t *rapid.T) {
				e := draw(t)
				k := key{e.RuleNumber, e.Egress}
				_, there := model[k]
				err := r.DeleteNetworkACLEntry(testACL, e.RuleNumber, e.Egress)
				switch {
				case e.RuleNumber < 1 || e.RuleNumber > acl.MaxRuleNumber:
					expect(t, err, "InvalidParameterValue")
				case !there:
					expect(t, err, "InvalidNetworkAclEntry.NotFound")
				default:
					expect(t, err, "")
					delete(model, k)
				}
			},
			"": func(t *rapid.T) {
				a, _ := r.NetworkACL(testACL)
				var want []acl.Entry
				for _, e := range model {
					want = append(want, e)
				}
				want = append(want, DefaultEntries()...)
				sortEntries(want)
				if !slices.Equal(a.Entries, want) {
					t.Fatalf("entries %v, want %v", a.Entries, want)
				}
			},
		})
	})
}

func expect(t *rapid.T, err error, code string) {
	if code == "" && err != nil || code != "" && !isCode(err, code) {
		t.Fatalf("error %v, want %q", err, code)
	}
}
