// SPDX-License-Identifier: Apache-2.0

// Package docker tests the Dockerfile as far as that goes without a container engine.
package docker

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

const root = "../.."

// TestBuildLine runs the go build line of the Dockerfile as it stands there, on a copy of what the Dockerfile copies.
func TestBuildLine(t *testing.T) {
	if _, err := os.Stat(filepath.Join(root, "cmd", "manager")); err != nil {
		t.Skip("there is no cmd/manager yet")
	}
	dockerfile, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	src := t.TempDir()
	copySources(t, string(dockerfile), src)

	const version = "v1.2.3-dockerfile"
	build := exec.CommandContext(t.Context(), "sh", "-c", buildLine(t, string(dockerfile)))
	build.Dir = src
	build.Env = append(os.Environ(), "GOWORK=off", "TARGETOS=linux", "TARGETARCH="+runtime.GOARCH, "VERSION="+version)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", build, err, out)
	}

	binary := filepath.Join(src, "manager")
	requireStatic(t, binary)
	if runtime.GOOS != "linux" {
		t.Skip("the binary is for Linux: its version can't be asked here")
	}
	out, err := exec.CommandContext(t.Context(), binary, "--version").CombinedOutput()
	if err != nil {
		t.Fatalf("manager --version: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), version) {
		t.Errorf("manager --version says %q, want the stamped %s in it", out, version)
	}
}

// buildLine is the command of the only RUN instruction that calls go build.
func buildLine(t *testing.T, dockerfile string) string {
	t.Helper()
	joined := strings.ReplaceAll(dockerfile, "\\\n", " ")
	lines := regexp.MustCompile(`(?m)^RUN (.*\bgo build .*)$`).FindAllStringSubmatch(joined, -1)
	if len(lines) != 1 {
		t.Fatalf("the Dockerfile has %d go build lines, want 1", len(lines))
	}
	return lines[0][1]
}

// copySources does what the COPY instructions of the build stage do, so that a folder missing from them is noticed.
func copySources(t *testing.T, dockerfile, dest string) {
	t.Helper()
	copies := regexp.MustCompile(`(?m)^COPY ([^-].*)$`).FindAllStringSubmatch(dockerfile, -1)
	if len(copies) == 0 {
		t.Fatal("the Dockerfile copies no sources")
	}
	for _, match := range copies {
		paths := strings.Fields(match[1])
		for _, path := range paths[:len(paths)-1] {
			copyPath(t, path, dest)
		}
	}
}

func copyPath(t *testing.T, path, dest string) {
	t.Helper()
	from, to := filepath.Join(root, path), filepath.Join(dest, path)
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() {
		err = os.CopyFS(to, os.DirFS(from))
	} else {
		var content []byte
		if content, err = os.ReadFile(from); err == nil {
			err = os.WriteFile(to, content, 0o600)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// requireStatic fails on a binary that asks for a dynamic loader: the image has none.
func requireStatic(t *testing.T, binary string) {
	t.Helper()
	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			t.Errorf("%s is linked dynamically", filepath.Base(binary))
		}
	}
}
