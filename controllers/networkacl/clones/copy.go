// SPDX-License-Identifier: Apache-2.0

package clones

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// Copy is an entry of a network ACL and its number in the clone.
type Copy struct {
	// Entry is as the original has it.
	Entry networkacl.Entry
	// Number is its number in the clone.
	Number int32
}

// InClone is the entry as the clone has it.
func (c Copy) InClone() networkacl.Entry {
	e := c.Entry
	e.Number = c.Number
	return e
}

// String is the copy on one line of at most 128 characters: that of the entry, or, where the clone
// has it at another number, "egress 1>101 allow -1 0.0.0.0/0".
func (c Copy) String() string {
	line := c.Entry.Line()
	if c.Number == c.Entry.Number {
		return line
	}
	direction, rest, _ := strings.Cut(line, " ")
	number, rest, _ := strings.Cut(rest, " ")
	return fmt.Sprintf("%s %s>%d %s", direction, number, c.Number, rest)
}

// ParseCopy reads a line that String gave. It refuses all others: a person who edits a line by hand
// sees that it counts no more.
func ParseCopy(line string) (Copy, error) {
	words := strings.Split(line, " ")
	if len(words) < 5 || len(words)%2 == 0 {
		return Copy{}, badCopy(line)
	}

	from, to, renumbered := strings.Cut(words[1], ">")
	c := Copy{Entry: networkacl.Entry{
		Number: networkacl.ParseInteger(from), Egress: words[0] == "egress", Allow: words[2] == "allow", Protocol: words[3],
	}}
	if c.Number = c.Entry.Number; renumbered {
		c.Number = networkacl.ParseInteger(to)
	}

	c.Entry.CIDR, _ = netip.ParsePrefix(words[4])
	for pair := range slices.Chunk(words[5:], 2) {
		switch pair[0] {
		case "ports":
			from, to, _ := strings.Cut(pair[1], "-")
			c.Entry.PortRange = &networkacl.PortRange{From: networkacl.ParseInteger(from), To: networkacl.ParseInteger(to)}
		case "icmp":
			typ, code, _ := strings.Cut(pair[1], "/")
			c.Entry.ICMP = &networkacl.ICMP{Type: networkacl.ParseInteger(typ), Code: networkacl.ParseInteger(code)}
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
	originals, made := map[networkacl.Place]bool{}, map[networkacl.Place]bool{}
	for _, line := range lines {
		c, err := ParseCopy(line)
		if err != nil {
			return nil, err
		}
		from, to := c.Entry.Place(), c.InClone().Place()
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
	protocol := networkacl.ParseInteger(e.Protocol)
	return networkacl.IsInRange(e.Number, networkacl.FirstNumber, networkacl.LastNumber) && networkacl.IsInRange(c.Number, networkacl.FirstNumber, networkacl.LastNumber) &&
		(e.Egress || c.Number == e.Number) &&
		networkacl.IsInRange(protocol, -1, 255) && strconv.Itoa(int(protocol)) == e.Protocol &&
		e.CIDR.IsValid() && e.CIDR == e.CIDR.Masked() &&
		(e.PortRange == nil || networkacl.IsInRange(e.PortRange.From, 0, e.PortRange.To) && e.PortRange.To <= 65535) &&
		(e.ICMP == nil || networkacl.IsInRange(e.ICMP.Type, -1, 255) && networkacl.IsInRange(e.ICMP.Code, -1, 255))
}

// compare orders copies: outbound first, then by the number that the original has.
func (c Copy) compare(o Copy) int { return c.Entry.Place().Compare(o.Entry.Place()) }
