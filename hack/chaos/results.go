// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"agentdisconnect.dev/agentdisconnect/hack/chaos/points"
)

// results is a file of what was tried, a line of JSON each. A line counts for the program that wrote it alone: what was
// changed since, in the product or here, has to be tried again.
type results struct {
	program string // a hash of this program
	file    *os.File
	known   map[string]points.Result
}

// line is one of the file.
type line struct {
	Key string `json:"key"`
	points.Result
}

// openResults reads a file that may not be there yet, and is ready to add to it.
func openResults(path string, fresh bool) (*results, error) {
	program, err := hashOfProgram()
	if err != nil {
		return nil, err
	}
	r := &results{program: program, known: map[string]points.Result{}}
	if fresh {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if r.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(r.file)
	for {
		text, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			// The end of a line that was cut off would become the beginning of the next one.
			if len(text) > 0 {
				_, err = r.file.WriteString("\n")
				return r, err
			}
			return r, nil
		}
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		var l line
		if json.Unmarshal(text, &l) == nil {
			r.known[l.Key] = l.Result
		}
	}
}

func hashOfProgram() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	program, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer program.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, program); err != nil {
		return "", fmt.Errorf("reading this program: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func (r *results) key(j job) string {
	sum := sha256.Sum256([]byte(r.program + "\n" + j.name() + "\n" + j.point))
	return hex.EncodeToString(sum[:8])
}

func (r *results) find(j job) (points.Result, bool) {
	known, ok := r.known[r.key(j)]
	return known, ok
}

// add writes a line at once, so that nothing is lost when the program is interrupted.
func (r *results) add(j job, result points.Result) error {
	text, err := json.Marshal(line{r.key(j), result})
	if err != nil {
		return err
	}
	_, err = r.file.Write(append(text, '\n'))
	return err
}

func (r *results) close() error { return r.file.Close() }
