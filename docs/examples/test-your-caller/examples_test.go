// SPDX-License-Identifier: Apache-2.0

package caller

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestMain builds the simulator where SIMULATOR names none. It stays here if you copy the example.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		if os.Getenv("SIMULATOR") != "" {
			return m.Run()
		}
		folder, err := os.MkdirTemp("", "simulator")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(folder) }()
		path := filepath.Join(folder, "simulator")
		build := exec.Command("go", "build", "-trimpath", "-o", path, "../../../hack/simulator")
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // as the manager is built: most of it is compiled already
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the simulator: %v\n%s", err, out)
			return 1
		}
		_ = os.Setenv("SIMULATOR", path)
		return m.Run()
	}())
}

func TestPythonExample(t *testing.T) {
	if err := exec.CommandContext(t.Context(), "python3", "-c", "import botocore").Run(); err != nil {
		t.Skip("python3 with boto3 or botocore is not on this machine (Debian: apt-get install python3-boto3)")
	}
	if out, err := exec.CommandContext(t.Context(), "python3", "-m", "unittest", "-v", "test_caller.py").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
