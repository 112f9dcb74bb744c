// SPDX-License-Identifier: Apache-2.0

package screen

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWrap(t *testing.T) {
	for name, tc := range map[string]struct {
		line  string
		width int
		want  []string
	}{
		"fits":                    {"one two", 7, []string{"one two"}},
		"between words":           {"one two three", 8, []string{"one two", "three"}},
		"indented":                {"  one two three", 10, []string{"  one two", "    three"}},
		"a word that doesn't fit": {"a-very-long-word b", 5, []string{"a-very-long-word", "b"}},
		"counts letters":          {"… … …", 5, []string{"… … …"}},
		"empty":                   {"", 5, []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := wrap(tc.line, tc.width); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// written is what a screen without a terminal writes.
func written(t *testing.T, write func(*Screen)) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	s := New(file)
	write(s)
	s.Close()
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTable(t *testing.T) {
	got := written(t, func(s *Screen) {
		s.Table([]string{"A", "LONG", "TEXT"}, []Row{
			{Cells: []string{"1", "2", strings.Repeat("word ", 25)}, Style: Bad},
			{Cells: []string{"wide", "", "end"}},
		})
	})
	want := "  A     LONG  TEXT\n" +
		"  1     2     " + strings.TrimSpace(strings.Repeat("word ", 17)) + "\n" +
		"              " + strings.TrimSpace(strings.Repeat("word ", 8)) + "\n" +
		"  wide        end\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What goes to a file has no escape sequences, and a short wait leaves no trace in it.
func TestPlain(t *testing.T) {
	got := written(t, func(s *Screen) {
		s.Print(Bold, "title")
		s.Wait("nothing yet", "soon")
		s.Done()
		s.Result(Good, "✓", "seen", 1250*time.Millisecond)
	})
	if want := "title\n  ✓ seen  (1.2s)\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0s", 940 * time.Millisecond: "0.9s", 59940 * time.Millisecond: "59.9s", time.Minute: "1m00s", 3*time.Minute + 4*time.Second: "3m04s",
	} {
		if got := Seconds(d); got != want {
			t.Errorf("%s: got %s, want %s", d, got, want)
		}
	}
}
