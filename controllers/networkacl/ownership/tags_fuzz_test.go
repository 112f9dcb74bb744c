// SPDX-License-Identifier: Apache-2.0

package ownership_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
)

// linesFrom makes a ledger out of any bytes, six a line: the number, then what ends an address of either family.
func linesFrom(data []byte) []v1alpha1.Rule {
	var lines []v1alpha1.Rule
	used := map[int32]bool{}
	for chunk := range slices.Chunk(data, 6) {
		if len(chunk) < 6 || len(lines) == v1alpha1.MaxRules {
			break
		}
		word := binary.BigEndian.Uint16(chunk)
		number := int32(word&0x7FFF)%networkacl.LastNumber + 1
		cidr := netip.PrefixFrom(netip.AddrFrom4([4]byte(chunk[2:])), 32)
		if word&0x8000 != 0 {
			cidr = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 12: chunk[2], 13: chunk[3], 14: chunk[4], 15: chunk[5]}), 128)
		}
		if !used[number] {
			lines = append(lines, Rule(number, cidr.String(), installed))
			used[number] = true
		}
	}
	return lines
}

// instant makes a time of the years that a status can have out of any number.
func instant(seconds int64) time.Time {
	from, until := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	return time.Unix(from+int64(uint64(seconds)%uint64(until-from)), 0).UTC()
}

// hashed is the hash that tags have of a text.
func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:6]
}

// Whichever the owner and whatever the rules, AWS takes the tags, and they say all of it again.
func FuzzOwnershipTags(f *testing.F) {
	f.Add("team-a/outage", clusterUID, int64(820638845), int64(820639445), []byte("\x00\x50\x34\x77\xdf\x45"))
	f.Add("", "", int64(0), int64(-1), []byte{})
	f.Add(strings.Repeat("ü", 300), "a b\x00\n", int64(1), int64(2), []byte(strings.Repeat("\x80\x01abcd\x00\x02abcd\xff\xffabcd", 40)))
	f.Add(" ", "47DEQp 1:47DEQp", int64(1), int64(1), []byte("\x00\x50abcd\x00\x50abce"))
	f.Fuzz(func(t *testing.T, owner, cluster string, started, expires int64, data []byte) {
		g := NewWithT(t)
		o := ownership.Ownership{UID: uid, Owner: owner, ClusterID: cluster, Started: instant(started), Expires: instant(expires), Rules: linesFrom(data)}
		tags := o.Tags()
		for key, value := range tags {
			g.Expect(key).To(MatchRegexp(`^[A-Za-z0-9+=._:/@-]{1,128}$`))
			g.Expect(value).To(MatchRegexp(`^[A-Za-z0-9 +=._:/@-]{1,256}$`))
			g.Expect(ownership.TagKeys(uid)).To(ContainElement(key), "what is written is removed again")
		}
		g.Expect(ownership.Covered(tags, o)).To(BeTrue())
		claims, malformed := ownership.ParseClaims(tags)
		g.Expect(malformed).To(BeEmpty())
		g.Expect(claims).To(HaveLen(1))
		g.Expect(claims[0].Started).To(Equal(o.Started))
		g.Expect(claims[0].Expires).To(Equal(o.Expires))
		g.Expect(claims[0].Rules).To(HaveLen(len(o.Rules)))
		for _, line := range o.Rules {
			g.Expect(claims[0].Covers(line)).To(BeTrue())
			for _, other := range nearMisses(networkacl.EntryOf(line)) {
				g.Expect(claims[0].Owns(other)).To(Equal(isLine(o.Rules, other)), "%v", other)
			}
		}
	})
}

// nearMisses are entries that differ from one in a single thing.
func nearMisses(e networkacl.Entry) []networkacl.Entry {
	allow, inbound, next, other, http := e, Ingress(e), e, e, TCP(e, 80, 80)
	allow.Allow, next.Number = true, e.Number%networkacl.LastNumber+1
	other.CIDR = netip.PrefixFrom(e.CIDR.Addr().Prev(), e.CIDR.Bits())
	if !other.CIDR.IsValid() {
		other.CIDR = netip.PrefixFrom(e.CIDR.Addr().Next(), e.CIDR.Bits())
	}
	return []networkacl.Entry{allow, inbound, next, other, http}
}

func isLine(lines []v1alpha1.Rule, e networkacl.Entry) bool {
	return slices.ContainsFunc(lines, func(line v1alpha1.Rule) bool { return EntryOf(line).Equal(e) })
}

// splice puts a text in the place of a part of another.
func splice(text string, at, length uint16, with string) string {
	from := int(at) % (len(text) + 1)
	return text[:from] + with + text[min(from+int(length), len(text)):]
}

// Tags that a person edited claim what was written or nothing, and what is believed is written exactly as we write it.
func FuzzTamperedTags(f *testing.F) {
	lines := []byte("\x00\x50\x34\x77\xdf\x45\x00\x5a\x34\x77\xdf\x46\x80\x5b\x34\x77\xdf\x47")
	f.Add(lines, uint8(0), uint16(0), uint16(0), "", "Name", "x")
	f.Add(lines, uint8(0), uint16(3), uint16(4), "2027", baseKey+"/2", "80:aaaaaa")
	f.Add(lines, uint8(0), uint16(40), uint16(40), "\x1b[31m", baseKey+"/owner", "team-a/out\x1b[2Jage")
	f.Add(lines, uint8(0), uint16(300), uint16(10), " 80:aaaaaa", baseKey+"/9", "")
	f.Add(slices.Repeat(lines, 1), uint8(1), uint16(0), uint16(300), "", "agentdisconnect.dev/"+otherUID, "v1")
	forged := func(list string, n int) string {
		return fmt.Sprintf("v1 2026-01-02T02:54:05Z 2026-01-02T03:04:05Z %s %d:%s %s", clusterUID, n, hashed(list), list)
	}
	e := "egress 32767 deny -1 0.0.0.0/0"
	f.Add(lines, uint8(0), uint16(0), uint16(300), forged("32767:"+hashed(e), 1), "", "")
	f.Add(lines, uint8(0), uint16(0), uint16(300), forged("100:"+hashed("egress 100 allow -1 0.0.0.0/0"), 1), "", "")
	f.Add(lines, uint8(0), uint16(0), uint16(300), forged("90:aaaaaa 80:aaaaaa", 2), "", "")
	f.Add(lines, uint8(0), uint16(0), uint16(300), forged("80:aaaaaa 80:aaaaaa", 2), "", "")
	f.Fuzz(func(t *testing.T, data []byte, which uint8, at, length uint16, with, key, value string) {
		g := NewWithT(t)
		o := ownershipOf(linesFrom(data)...)
		tags := o.Tags()
		edited := ownership.TagKeys(uid)[int(which)%len(ownership.TagKeys(uid))]
		tags[edited] = splice(tags[edited], at, length, with)
		if key != "" {
			tags[key] = value
		}
		before := maps.Clone(tags)
		claims, malformed := ownership.ParseClaims(tags)
		g.Expect(tags).To(Equal(before))
		g.Expect(slices.IsSorted(malformed)).To(BeTrue())
		for _, claim := range claims {
			g.Expect(malformed).NotTo(ContainElement(ownership.TagDomain + claim.UID))
			expectAsWritten(g, claim, tags)
			for _, line := range o.Rules {
				for _, other := range nearMisses(networkacl.EntryOf(line)) {
					g.Expect(claim.Owns(other) && !isLine(o.Rules, other)).To(BeFalse(), "%v", other)
				}
			}
			for _, foreign := range AllowAll {
				g.Expect(claim.Owns(foreign)).To(BeFalse(), "%v", foreign)
			}
			for _, never := range []networkacl.Entry{DenyOut(networkacl.DefaultIPv4, "0.0.0.0/0"), DenyOut(networkacl.DefaultIPv6, "::/0")} {
				g.Expect(claim.Owns(never)).To(BeFalse(), "%v", never)
			}
		}
	})
}

// expectAsWritten says that what was believed of a claim stands in the tags as Ownership.Tags writes it.
func expectAsWritten(g Gomega, claim ownership.Claim, tags map[string]string) {
	base := ownership.TagDomain + claim.UID
	var list []string
	for _, r := range claim.Rules {
		list = append(list, r.String())
		g.Expect(r.Number).To(And(BeNumerically(">=", networkacl.FirstNumber), BeNumerically("<=", networkacl.LastNumber)))
	}
	g.Expect(slices.IsSortedFunc(claim.Rules, func(a, b ownership.ClaimedRule) int { return int(a.Number - b.Number) })).To(BeTrue())
	g.Expect(slices.Compact(slices.Clone(list))).To(HaveLen(len(list)), "each once")
	words := append([]string{
		"v1", claim.Started.UTC().Format(time.RFC3339), claim.Expires.UTC().Format(time.RFC3339), claim.ClusterID,
		fmt.Sprintf("%d:%s", len(list), hashed(strings.Join(list, " "))),
	}, list...)
	text := strings.Join(words, " ")
	whole := tags[base]
	for part := 2; part <= 5 && len(whole) < len(text); part++ {
		whole += " " + tags[fmt.Sprintf("%s/%d", base, part)]
	}
	g.Expect(whole).To(Equal(text))
	g.Expect(claim.ClusterID).To(MatchRegexp(`^[A-Za-z0-9+=._:/@-]{1,64}$`))
	g.Expect(claim.Owner).To(MatchRegexp(`^[A-Za-z0-9+=._:/@-]{0,256}$`), "it is printed")
	if claim.Owner != "" {
		g.Expect(tags[base+"/owner"]).To(Equal(claim.Owner))
	}
}

// Tags of any kind, one a line as key=value, are read without harm, and room is what AWS leaves beside them.
func FuzzForeignTags(f *testing.F) {
	f.Add("Name=web\naws:cloudformation:stack-name=x\nFMManaged=true", []byte("\x00\x50abcd"))
	f.Add("managedByFIS=\nagentdisconnect.dev/clone=x\nagentdisconnect.dev/adopted=", []byte{})
	f.Add("FMManaged=FALSE\nagentdisconnect.dev/7b0fd6a2-6c36-4d0f-9a55-0d0b6b8f7c11/7=\n"+strings.Repeat("k\x00=\n", 3), []byte("\xff"))
	f.Fuzz(func(t *testing.T, text string, data []byte) {
		g := NewWithT(t)
		tags := map[string]string{}
		for line := range strings.SplitSeq(text, "\n") {
			key, value, _ := strings.Cut(line, "=")
			tags[key] = value
		}
		before := maps.Clone(tags)
		o := ownershipOf(linesFrom(data)...)
		room := ownership.TagRoom(tags, o, map[string]string{ownership.TagClone: uid})
		g.Expect(tags).To(Equal(before))
		maps.Copy(tags, o.Tags())
		tags[ownership.TagClone] = uid
		g.Expect(ownership.Covered(tags, o)).To(BeTrue(), "once written, whatever else is there")
		taken := 0
		for key := range tags {
			if !strings.HasPrefix(key, "aws:") {
				taken++
			}
		}
		g.Expect(room).To(Equal(ownership.MaxTags - taken))
		who, managed := ownership.ManagedBy(before)
		g.Expect(managed).To(Equal(who != ""))
		_, fis := before["managedByFIS"]
		value, fm := before["FMManaged"]
		g.Expect(managed).To(Equal(fis || fm && strings.ToLower(value) != "false"))
		// What the others say is the same beside our claim as without it.
		with, _ := ownership.ParseClaims(tags)
		without, _ := ownership.ParseClaims(before)
		other := func(c ownership.Claim) bool { return c.UID == uid }
		g.Expect(slices.DeleteFunc(with, other)).To(HaveExactElements(slices.DeleteFunc(without, other)))
	})
}

// Anyone who may tag the network ACL can write such tags, with every hash right.
func TestForgedClaimsOwnNothingThatNoRunMakes(t *testing.T) {
	for name, list := range map[string]string{
		"the default entry":   "32767:" + hashed("egress 32767 deny -1 0.0.0.0/0"),
		"not sorted":          "90:aaaaaa 80:aaaaaa",
		"one twice":           "80:aaaaaa 80:aaaaaa",
		"a number out of any": "0:aaaaaa",
	} {
		value := fmt.Sprintf("v1 2026-01-02T02:54:05Z 2026-01-02T03:04:05Z %s %d:%s %s", clusterUID, len(strings.Fields(list)), hashed(list), list)
		claims, malformed := ownership.ParseClaims(map[string]string{baseKey: value})
		NewWithT(t).Expect(claims).To(BeEmpty(), name)
		NewWithT(t).Expect(malformed).To(Equal([]string{baseKey}), name)
	}
	g := NewWithT(t)
	list := "100:" + hashed("egress 100 allow -1 0.0.0.0/0")
	value := fmt.Sprintf("v1 2026-01-02T02:54:05Z 2026-01-02T03:04:05Z %s 1:%s %s", clusterUID, hashed(list), list)
	claims, _ := ownership.ParseClaims(map[string]string{baseKey: value, baseKey + "/owner": "a/\x1b[2J"})
	g.Expect(claims).To(HaveLen(1), "that it is of an allow can't be seen in the tag")
	g.Expect(claims[0].Owns(AllowOut(100, "0.0.0.0/0"))).To(BeFalse())
	g.Expect(claims[0].Owner).To(BeEmpty(), "not what we write")

	list = "80:" + hashed("egress 80 deny -1 10.0.0.0/8")
	value = fmt.Sprintf("v1 2026-01-02T02:54:05Z 2026-01-02T03:04:05Z %s 1:%s %s", clusterUID, hashed(list), list)
	claims, _ = ownership.ParseClaims(map[string]string{baseKey: value})
	g.Expect(claims[0].Owns(networkacl.Deny(80, netip.MustParsePrefix("10.0.0.0/8")))).To(BeFalse(), "wider than any run may deny")
}
