// SPDX-License-Identifier: Apache-2.0

package caller

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
)

var request = ecs.RunTaskInput{Cluster: aws.String("demo"), TaskDefinition: aws.String("demo"), StartedBy: aws.String("nightly-report")}

func TestCallerThatRetries(t *testing.T) {
	client := startRegion(t)
	if _, err := Run(t.Context(), client, &request); err != nil {
		t.Fatal(err)
	}
	if err := startedOnce(t, client); err != nil {
		t.Fatal(err)
	}
}

// It passes since the check fails: the caller loses the task.
func TestCallerThatIgnoresFailures(t *testing.T) {
	client := startRegion(t)
	if err := RunOnce(t.Context(), client, &request); err != nil {
		t.Fatal(err)
	}
	if startedOnce(t, client) == nil {
		t.Fatal("the lost task was not noticed")
	}
}

// startedOnce asks ECS, not the caller: the task is there, and there is no second one.
func startedOnce(t *testing.T, client *ecs.Client) error {
	out, err := client.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: request.Cluster, StartedBy: request.StartedBy})
	if err != nil {
		return err
	}
	if len(out.TaskArns) != 1 {
		return fmt.Errorf("the caller started %d tasks, not 1", len(out.TaskArns))
	}
	return nil
}

// startRegion starts a Region for one test, whose agents return after two calls of RunTask. The
// environment variable SIMULATOR is the path of the simulator.
func startRegion(t *testing.T) *ecs.Client {
	simulator := exec.CommandContext(t.Context(), os.Getenv("SIMULATOR"), "--scenario", "agent", "--recover-after-calls", "2", "--scale", "200")
	simulator.Stderr = os.Stderr
	stdout, err := simulator.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := simulator.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = simulator.Wait() }) // the end of t.Context() ended it
	settings := map[string]string{}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "# Ready") {
			return ecs.New(ecs.Options{
				BaseEndpoint: aws.String(settings["AWS_ENDPOINT_URL"]), Region: settings["AWS_REGION"],
				Credentials: credentials.NewStaticCredentialsProvider(settings["AWS_ACCESS_KEY_ID"], settings["AWS_SECRET_ACCESS_KEY"], ""),
			})
		}
		for word := range strings.FieldsSeq(lines.Text()) {
			if name, value, ok := strings.Cut(word, "="); ok {
				settings[name] = value
			}
		}
	}
	t.Fatal("the simulator ended before it was ready")
	return nil
}
