// SPDX-License-Identifier: Apache-2.0

package clusterquery

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Expr is an expression that was read.
type Expr func(Instance) bool

// subjects are the names that stand for themselves; all others carry the prefix attribute:.
var subjects = []string{"agentConnected", "agentVersion", "ec2InstanceId", registeredAt, "runningTasksCount", "task:group"}

// operators in the order in which they are tried: longer ones first. The symbolic names of the language are synonyms.
var operators = []struct {
	text, op string
	argument bool
}{
	{"not_exists", "!exists", false}, {"!exists", "!exists", false}, {"exists", "exists", false},
	{"not_equals", "!=", true}, {"!=", "!=", true}, {"equals", "==", true}, {"==", "==", true},
	{"greater_than_equal", ">=", true}, {">=", ">=", true}, {"greater_than", ">", true}, {">", ">", true},
	{"less_than_equal", "<=", true}, {"<=", "<=", true}, {"less_than", "<", true}, {"<", "<", true},
	{"not_in", "!in", true}, {"!in", "!in", true}, {"in", "in", true},
	{"not_matches", "!~", true}, {"!~", "!~", true}, {"matches", "=~", true}, {"=~", "=~", true},
}

// Parse reads an expression; errors say at which character it stopped making sense.
func Parse(text string) (Expr, error) {
	p := &parser{text: text}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.skip(); p.at < len(p.text) {
		return nil, p.errorf("unexpected %q", p.text[p.at:])
	}
	return e, nil
}

type parser struct {
	text string
	at   int
}

func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("invalid expression %q at character %d: %s", p.text, p.at+1, fmt.Sprintf(format, args...))
}

func (p *parser) skip() {
	for p.at < len(p.text) && strings.ContainsRune(" \t\r\n", rune(p.text[p.at])) {
		p.at++
	}
}

// take moves past a token. Tokens that are words must end where they end.
func (p *parser) take(token string) bool {
	p.skip()
	rest, ok := strings.CutPrefix(p.text[p.at:], token)
	if !ok {
		return false
	}
	if isWord(token[len(token)-1]) && rest != "" && isWord(rest[0]) {
		return false
	}
	p.at += len(token)
	return true
}

func isWord(c byte) bool {
	return c == '_' || c == '-' || c == '.' || c == ':' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func (p *parser) or() (Expr, error) {
	left, err := p.and()
	for err == nil && (p.take("||") || p.take("or")) {
		a := left
		var b Expr
		b, err = p.and()
		left = func(i Instance) bool { return a(i) || b(i) }
	}
	return left, err
}

func (p *parser) and() (Expr, error) {
	left, err := p.unary()
	for err == nil && (p.take("&&") || p.take("and")) {
		a := left
		var b Expr
		b, err = p.unary()
		left = func(i Instance) bool { return a(i) && b(i) }
	}
	return left, err
}

func (p *parser) unary() (Expr, error) {
	if p.take("!") || p.take("not") {
		e, err := p.unary()
		return func(i Instance) bool { return !e(i) }, err
	}
	if p.take("(") {
		e, err := p.or()
		if err == nil && !p.take(")") {
			err = p.errorf("a closing parenthesis is missing")
		}
		return e, err
	}
	return p.comparison()
}

func (p *parser) comparison() (Expr, error) {
	p.skip()
	start := p.at
	for p.at < len(p.text) && (isWord(p.text[p.at]) || p.text[p.at] == '/') {
		p.at++
	}
	subject := p.text[start:p.at]
	if name, ok := strings.CutPrefix(subject, "attribute:"); !(ok && name != "") && !slices.Contains(subjects, subject) {
		p.at = start
		return nil, p.errorf("%q is no subject; use attribute:NAME or one of %s", subject, strings.Join(subjects, ", "))
	}
	for _, o := range operators {
		if !p.take(o.text) {
			continue
		}
		if !o.argument {
			return exists(subject, o.op == "exists"), nil
		}
		if o.op == "in" || o.op == "!in" {
			list, err := p.list()
			return in(subject, list, o.op == "in"), err
		}
		arg, err := p.argument()
		if err != nil {
			return nil, err
		}
		if o.op == "=~" || o.op == "!~" {
			// The whole value has to match, as with Java's Matcher.matches.
			re, err := regexp.Compile("^(?:" + arg + ")$")
			if err != nil {
				return nil, p.errorf("%v", err)
			}
			return matches(subject, re, o.op == "=~"), nil
		}
		if subject == registeredAt {
			if _, err := parseTime(arg); err != nil {
				return nil, p.errorf("%v", err)
			}
		}
		return compare(subject, o.op, arg), nil
	}
	return nil, p.errorf("an operator is missing after %q", subject)
}

// argument reads a value: up to a space, a comma or a bracket that was not opened within it, or in quotes.
func (p *parser) argument() (string, error) {
	p.skip()
	if p.at < len(p.text) && (p.text[p.at] == '"' || p.text[p.at] == '\'') {
		quote := p.text[p.at]
		end := strings.IndexByte(p.text[p.at+1:], quote)
		if end < 0 {
			return "", p.errorf("a closing quote is missing")
		}
		value := p.text[p.at+1 : p.at+1+end]
		p.at += end + 2
		return value, nil
	}
	start, depth := p.at, 0
loop:
	for ; p.at < len(p.text); p.at++ {
		switch p.text[p.at] {
		case ' ', '\t', '\r', '\n', ',':
			break loop
		case '(', '[':
			depth++
		case ')', ']':
			if depth--; depth < 0 {
				break loop
			}
		}
	}
	if p.at == start {
		return "", p.errorf("a value is missing")
	}
	return p.text[start:p.at], nil
}

func (p *parser) list() ([]string, error) {
	if !p.take("[") {
		return nil, p.errorf("in needs a list such as [a, b]")
	}
	var list []string
	for {
		value, err := p.argument()
		if err != nil {
			return nil, err
		}
		list = append(list, value)
		if p.take("]") {
			return list, nil
		}
		if !p.take(",") {
			return nil, p.errorf("a comma or a closing bracket is missing")
		}
	}
}
