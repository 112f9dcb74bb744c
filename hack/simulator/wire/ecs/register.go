// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// Types of the resources and of a device that an instance registers.
const (
	typeInteger   = "INTEGER"
	typeStringSet = "STRINGSET"
	deviceGPU     = "GPU"
)

// deviceTypes are the devices that the service model knows.
var deviceTypes = []string{deviceGPU, "NEURON_DEVICE", "NEURON_CORE"}

type registerInput struct {
	Cluster    string      `json:"cluster"`
	Document   string      `json:"instanceIdentityDocument"`
	Resources  []resource  `json:"totalResources"`
	Version    versionInfo `json:"versionInfo"`
	ARN        string      `json:"containerInstanceArn"`
	Attributes []attribute `json:"attributes"`
	Devices    []struct {
		ID   string `json:"id"`
		Type string `json:"type"`
	} `json:"platformDevices"`
	Tags        []keyValue `json:"tags"`
	ClientToken string     `json:"clientToken"`
}

func registerContainerInstance(req *operation.Request, in registerInput) (string, func() (any, error), error) {
	q := region.Registration{Cluster: in.Cluster, ARN: in.ARN, ClientToken: in.ClientToken}
	if err := in.check(); err != nil {
		return "", nil, err
	}
	i := &q.Instance
	i.Attributes, i.Tags = map[string]string{}, fromTags(in.Tags)
	i.AgentVersion, i.AgentHash, i.DockerVersion = in.Version.Agent, in.Version.Hash, strings.TrimPrefix(in.Version.Docker, dockerVersion)
	for _, a := range in.Attributes {
		i.Attributes[a.Name] = a.Value
	}
	if err := in.resources(i); err != nil {
		return "", nil, err
	}
	for _, d := range in.Devices {
		if d.Type == deviceGPU {
			i.GPUs++
		}
	}
	if err := in.identify(req, i); err != nil {
		return "", nil, err
	}
	return req.View().ClusterARN(in.Cluster), func() (any, error) {
		registered, err := req.Region.RegisterContainerInstance(q)
		return answerInstance(req, registered, err)
	}, nil
}

func answerInstance(req *operation.Request, i region.ContainerInstance, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return struct {
		Instance instanceJSON `json:"containerInstance"`
	}{toInstance(req.Region.View(req.ReadAt), i, []string{"TAGS"})}, nil
}

// check refuses what the service model does.
func (in registerInput) check() error {
	if slices.ContainsFunc(in.Attributes, func(a attribute) bool { return a.Name == "" }) {
		return invalid("Attribute name cannot be empty.")
	}
	for _, d := range in.Devices {
		if d.ID == "" || !slices.Contains(deviceTypes, d.Type) {
			return invalid("Invalid platform device: id %q, type %q", d.ID, d.Type)
		}
	}
	return checkTags(in.Tags)
}

// resources reads what the instance has, and the ports that are taken.
func (in registerInput) resources(i *region.ContainerInstance) error {
	var ports region.Ports
	for _, r := range in.Resources {
		wanted := typeInteger
		var err error
		switch r.Name {
		case "CPU":
			i.CPU = r.Integer
		case "MEMORY":
			i.Memory = r.Integer
		case "PORTS":
			wanted = typeStringSet
			ports.TCP, err = portNumbers(r.Strings)
		case "PORTS_UDP":
			wanted = typeStringSet
			ports.UDP, err = portNumbers(r.Strings)
		default:
			return invalid("Invalid resource %s", r.Name)
		}
		if r.Type != wanted {
			return invalid("Invalid type of the resource %s: %q", r.Name, r.Type)
		}
		if err != nil {
			return err
		}
		if r.Integer < 0 {
			return invalid("Invalid value of the resource %s: %d", r.Name, r.Integer)
		}
	}
	i.InUse = &ports
	return nil
}

func portNumbers(texts []string) ([]int, error) {
	var ports []int
	for _, text := range texts {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return nil, invalid("Invalid port: %s", text)
		}
		ports = append(ports, int(port))
	}
	return ports, nil
}

// identify reads the instance identity document. The agent of a machine outside of AWS sends none: it has the session of a role
// whose name is the machine's id.
func (in registerInput) identify(req *operation.Request, i *region.ContainerInstance) error {
	if in.Document == "" {
		if _, external := i.Attributes["ecs.capability.external"]; !external && in.ARN == "" {
			return region.Errorf("ClientException", "The instance identity document is missing.")
		}
		if name := req.Identity.UserName(); strings.HasPrefix(name, "mi-") {
			i.EC2InstanceID = name
		}
		return nil
	}
	var doc struct {
		Account      string     `json:"accountId"`
		Region       string     `json:"region"`
		Instance     string     `json:"instanceId"`
		InstanceType string     `json:"instanceType"`
		Image        string     `json:"imageId"`
		Address      netip.Addr `json:"privateIp"`
		Architecture string     `json:"architecture"`
	}
	if err := json.Unmarshal([]byte(in.Document), &doc); err != nil {
		return region.Errorf("ClientException", "The instance identity document cannot be read: %v", err)
	}
	if doc.Account != req.Region.Account() || doc.Region != req.Region.Name() || doc.Instance == "" {
		return region.Errorf("ClientException", "The instance identity document is of the instance %q of the account %q in the Region %q.",
			doc.Instance, doc.Account, doc.Region)
	}
	i.EC2InstanceID, i.InstanceType, i.AMI, i.PrivateIP = doc.Instance, doc.InstanceType, doc.Image, doc.Address
	if _, told := i.Attributes[attributeArchitecture]; !told && doc.Architecture != "" {
		i.Attributes[attributeArchitecture] = doc.Architecture
	}
	return nil
}

const attributeArchitecture = "ecs.cpu-architecture"

func deregisterContainerInstance(req *operation.Request, in struct {
	Cluster  string `json:"cluster"`
	Instance string `json:"containerInstance"`
	Force    bool   `json:"force"`
}) (string, func() (any, error), error) {
	if in.Instance == "" {
		return "", nil, invalid("Container instance cannot be empty.")
	}
	return req.View().ClusterARN(in.Cluster), func() (any, error) {
		i, err := req.Region.DeregisterContainerInstance(in.Cluster, in.Instance, in.Force)
		return answerInstance(req, i, err)
	}, nil
}
