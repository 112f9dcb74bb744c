// SPDX-License-Identifier: Apache-2.0

package region

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// awsvpc is the network mode that gives a task an interface of its own.
const awsvpc = "awsvpc"

// document is what ECS reads in a task definition to place its tasks.
type document struct {
	NetworkMode     string   `json:"networkMode"`
	TaskRole        string   `json:"taskRoleArn"`
	ExecutionRole   string   `json:"executionRoleArn"`
	CPU             string   `json:"cpu"`
	Memory          string   `json:"memory"`
	Compatibilities []string `json:"compatibilities"`
	Requires        []string `json:"requiresCompatibilities"`
	Containers      []struct {
		Name       string `json:"name"`
		Image      string `json:"image"`
		Privileged bool   `json:"privileged"`
		Log        *struct {
			Driver string `json:"logDriver"`
		} `json:"logConfiguration"`
		Ports []struct {
			Container int    `json:"containerPort"`
			Host      int    `json:"hostPort"`
			Protocol  string `json:"protocol"`
		} `json:"portMappings"`
		Requirements []struct {
			Type  string `json:"type"`
			Value string `json:"value"`
		} `json:"resourceRequirements"`
	} `json:"containerDefinitions"`
}

var familyPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)

// RegisterTaskDefinition adds a revision to a family.
func (r *Region) RegisterTaskDefinition(d TaskDefinition) (TaskDefinition, error) {
	d.Document = maps.Clone(d.Document)
	if err := d.read(); err != nil {
		return d, err
	}
	err := r.change(func(s *state) error {
		if !familyPattern.MatchString(d.Family) {
			return Errorf("ClientException", "Family contains invalid characters or is longer than 255 characters.")
		}
		d.Revision = 1
		for _, o := range s.definitions.m {
			if o.Family == d.Family {
				d.Revision = max(d.Revision, o.Revision+1)
			}
		}
		d.ARN, d.Status = r.ARN("ecs", fmt.Sprintf("task-definition/%s:%d", d.Family, d.Revision)), "ACTIVE"
		d.RegisteredAt = r.o.Clock.Now()
		s.definitions.put(d.name(), d)
		return nil
	})
	return d, err
}

// DeregisterTaskDefinition makes a revision INACTIVE. On AWS it may take up to 10 minutes until no
// task is started from it; here it takes none.
func (r *Region) DeregisterTaskDefinition(ref string) (TaskDefinition, error) {
	var d TaskDefinition
	err := r.change(func(s *state) error {
		v := View{r: r, s: s}
		if !strings.Contains(v.definitionName(ref), ":") {
			return Errorf("ClientException", "Revision is missing.")
		}
		var ok bool
		if d, ok = v.FindTaskDefinition(ref); !ok {
			return Errorf("ClientException", "The specified task definition does not exist.")
		}
		if d.Status == "ACTIVE" {
			d.Status, d.DeregisteredAt = "INACTIVE", r.o.Clock.Now()
			s.definitions.put(d.name(), d)
		}
		return nil
	})
	return d, err
}

// name is what the Region knows a revision by.
func (d TaskDefinition) name() string { return d.Family + ":" + strconv.Itoa(d.Revision) }

// definitionName is family or family:revision, of itself or of an ARN.
func (v View) definitionName(ref string) string {
	return strings.TrimPrefix(ref, v.r.ARN("ecs", "task-definition/"))
}

// FindTaskDefinition resolves family, family:revision or an ARN. A family is its latest revision
// that is ACTIVE.
func (v View) FindTaskDefinition(ref string) (TaskDefinition, bool) {
	ref = v.definitionName(ref)
	if strings.Contains(ref, ":") {
		d, ok := v.s.definitions.m[ref]
		return d, ok
	}
	var latest TaskDefinition
	for _, d := range v.s.definitions.m {
		if d.Family == ref && d.Status == "ACTIVE" && d.Revision > latest.Revision {
			latest = d
		}
	}
	return latest, latest.Revision > 0
}

// TaskDefinitionARN is the ARN that a reference stands for: that of the revision, if there is one.
func (v View) TaskDefinitionARN(ref string) string {
	if d, ok := v.FindTaskDefinition(ref); ok {
		return d.ARN
	}
	return v.r.ARN("ecs", "task-definition/"+v.definitionName(ref))
}

// read fills in what follows from the document, there too.
func (d *TaskDefinition) read() error {
	text, err := json.Marshal(d.Document)
	if err != nil {
		return err
	}
	var doc document
	if err := json.Unmarshal(text, &doc); err != nil {
		return Errorf("ClientException", "%v", err)
	}
	d.NetworkMode = doc.NetworkMode
	if d.RoleARNs = nil; doc.TaskRole != "" {
		d.RoleARNs = append(d.RoleARNs, doc.TaskRole)
	}
	if doc.ExecutionRole != "" {
		d.RoleARNs = append(d.RoleARNs, doc.ExecutionRole)
	}
	if err := d.readContainers(doc); err != nil {
		return err
	}
	d.RequiresAttributes = requiredAttributes(doc)
	d.Compatibilities = compatibilities(doc)
	if i := slices.IndexFunc(doc.Requires, func(c string) bool { return !slices.Contains(d.Compatibilities, c) }); i >= 0 {
		if doc.Requires[i] == "FARGATE" && doc.NetworkMode != awsvpc {
			return Errorf("ClientException", "Fargate only supports network mode \u2018awsvpc\u2019.")
		}
		return Errorf("ClientException", "Task definition is not compatible with %s.", doc.Requires[i])
	}
	attributes := []any{}
	for _, name := range d.RequiresAttributes {
		attributes = append(attributes, map[string]any{"name": name})
	}
	d.Document["requiresAttributes"], d.Document["compatibilities"] = attributes, d.Compatibilities
	return nil
}

// readContainers reads the containers, their ports on the host and their GPUs.
func (d *TaskDefinition) readContainers(doc document) error {
	d.Containers, d.Needs.TCP, d.Needs.UDP, d.Needs.GPUs = nil, nil, nil, 0
	for _, c := range doc.Containers {
		d.Containers = append(d.Containers, Container{Name: c.Name, Image: c.Image})
		for _, p := range c.Ports {
			port := p.Host
			if doc.NetworkMode == "host" && port == 0 {
				port = p.Container
			}
			switch {
			case port == 0 || doc.NetworkMode == awsvpc || doc.NetworkMode == "none":
				// Docker chooses a port that is free, or the port is not the host's.
			case p.Protocol == "udp":
				d.Needs.UDP = append(d.Needs.UDP, port)
			default:
				d.Needs.TCP = append(d.Needs.TCP, port)
			}
		}
		for _, needed := range c.Requirements {
			if needed.Type != "GPU" {
				continue
			}
			n, err := strconv.Atoi(needed.Value)
			if err != nil || n < 1 {
				return Errorf("ClientException", "Invalid setting for container '%s'. The value of a GPU resource requirement must be a positive integer.", c.Name)
			}
			d.Needs.GPUs += n
		}
	}
	return nil
}

// compatibilities are the kinds of capacity that a task definition fits.
func compatibilities(doc document) []string {
	switch {
	case doc.NetworkMode != awsvpc:
		return withManaged([]string{"EXTERNAL", "EC2"}, doc)
	case doc.CPU != "" && doc.Memory != "":
		return withManaged([]string{"EC2", "FARGATE"}, doc)
	default:
		return withManaged([]string{"EC2"}, doc)
	}
}

// withManaged adds Managed Instances to those that ask for them.
func withManaged(list []string, doc document) []string {
	if managed := "MANAGED_INSTANCES"; slices.Contains(doc.Requires, managed) {
		list = append(list, managed)
	}
	return list
}

// Supports reports whether tasks of the definition can have a launch type.
func (d TaskDefinition) Supports(launchType string) bool {
	return slices.Contains(d.Compatibilities, launchType)
}
