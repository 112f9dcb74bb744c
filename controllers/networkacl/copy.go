// SPDX-License-Identifier: Apache-2.0

package networkacl

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Copy is an entry of a network ACL and its number in the clone.
type Copy struct {
	// Entry is as the original has it.
	Entry Entry
	// Number is its number in the clone.
	Number int32
}

// Line is the entry on one line, all of it.
func (e Entry) Line() string { return Copy{Entry: e, Number: e.Number}.String() }

// InClone is the entry as the clone has it.
func (c Copy) InClone() Entry {
	e := c.Entry
	e.Number = c.Number
	return e
}

// String is the copy on one line of at most 128 characters: "egress 100 allow 6 0.0.0.0/0 ports
// 443-443", or, where the clone has it at another number, "egress 1>101 allow -1 0.0.0.0/0". ICMP
// has "icmp TYPE/CODE" in place of ports.
func (c Copy) String() string {
	e := c.Entry
	direction, number, action := "ingress", strconv.Itoa(int(e.Number)), "deny"
	if e.Egress {
		direction = "egress"
	}
	if c.Number != e.Number {
		number = fmt.Sprintf("%d>%d", e.Number, c.Number)
	}
	if e.Allow {
		action = "allow"
	}
	line := strings.Join([]string{direction, number, action, e.Protocol, e.CIDR.String()}, " ")
	if e.PortRange != nil {
		line += fmt.Sprintf(" ports %d-%d", e.PortRange.From, e.PortRange.To)
	}
	if e.ICMP != nil {
		line += fmt.Sprintf(" icmp %d/%d", e.ICMP.Type, e.ICMP.Code)
	}
	return line
}

// ParseCopy reads a line that String gave. It refuses all others: a person who edits a line by hand
// sees that it counts no more.
func ParseCopy(line string) (Copy, error) {
	words := strings.Split(line, " ")
	if len(words) < 5 || len(words)%2 == 0 {
		return Copy{}, badCopy(line)
	}
	from, to, renumbered := strings.Cut(words[1], ">")
	c := Copy{Entry: Entry{
		Number: ParseInteger(from), Egress: words[0] == "egress", Allow: words[2] == "allow", Protocol: words[3],
	}}
	if c.Number = c.Entry.Number; renumbered {
		c.Number = ParseInteger(to)
	}
	c.Entry.CIDR, _ = netip.ParsePrefix(words[4])
	for pair := range slices.Chunk(words[5:], 2) {
		switch pair[0] {
		case "ports":
			from, to, _ := strings.Cut(pair[1], "-")
			c.Entry.PortRange = &PortRange{From: ParseInteger(from), To: ParseInteger(to)}
		case "icmp":
			typ, code, _ := strings.Cut(pair[1], "/")
			c.Entry.ICMP = &ICMP{Type: ParseInteger(typ), Code: ParseInteger(code)}
		}
	}
	// One line stands for one copy: what isn't written exactly as String does is a third party's.
	if !c.sound() || c.String() != line {
		return Copy{}, badCopy(line)
	}
	return c, nil
}

// ParseCopies reads lines that FormatCopies gave. It refuses two that are of one entry, or make
// one.
func ParseCopies(lines []string) ([]Copy, error) {
	var copies []Copy
	originals, made := map[place]bool{}, map[place]bool{}
	for _, line := range lines {
		c, err := ParseCopy(line)
		if err != nil {
			return nil, err
		}
		from, to := c.Entry.place(), c.InClone().place()
		if originals[from] || made[to] {
			return nil, fmt.Errorf("%q is not the only copied entry with its number", line)
		}
		originals[from], made[to] = true, true
		copies = append(copies, c)
	}
	return copies, nil
}

// FormatCopies gives a line for each copy.
func FormatCopies(copies []Copy) []string {
	var lines []string
	for _, c := range copies {
		lines = append(lines, c.String())
	}
	return lines
}

func badCopy(line string) error {
	return fmt.Errorf("%.140q is not a copied entry, such as \"egress 1>101 allow 6 0.0.0.0/0 ports 443-443\"", line)
}

// sound reports whether the copy is one that can be made: of an entry that AWS lets people have,
// inbound at its own number.
func (c Copy) sound() bool {
	e := c.Entry
	protocol := ParseInteger(e.Protocol)
	return IsInRange(e.Number, FirstNumber, LastNumber) && IsInRange(c.Number, FirstNumber, LastNumber) &&
		(e.Egress || c.Number == e.Number) &&
		IsInRange(protocol, -1, 255) && strconv.Itoa(int(protocol)) == e.Protocol &&
		e.CIDR.IsValid() && e.CIDR == e.CIDR.Masked() &&
		(e.PortRange == nil || IsInRange(e.PortRange.From, 0, e.PortRange.To) && e.PortRange.To <= 65535) &&
		(e.ICMP == nil || IsInRange(e.ICMP.Type, -1, 255) && IsInRange(e.ICMP.Code, -1, 255))
}

// IsInRange reports whether a number is from one to another, both included.
func IsInRange(n, from, to int32) bool { return from <= n && n <= to }

// noInteger stands for what is not a number: it is in none of the ranges, and String never writes
// it.
const noInteger = -1 << 31

// ParseInteger gives the number in a text. For a text without one it gives a number that is in no
// range of IsInRange's callers.
func ParseInteger(text string) int32 {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return noInteger
	}
	return int32(n)
}

// compare orders copies: outbound first, then by the number that the original has.
func (c Copy) compare(o Copy) int { return c.Entry.place().compare(o.Entry.place()) }

// place is where an entry stands: a network ACL has one entry at most there.
type place struct {
	egress bool
	number int32
}

func (e Entry) place() place { return place{e.Egress, e.Number} }

func (p place) compare(o place) int {
	if p.egress != o.egress {
		if p.egress {
			return -1
		}
		return 1
	}
	return cmp.Compare(p.number, o.number)
}
