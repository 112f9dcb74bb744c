// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"bytes"
	"encoding/xml"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// Version is the only version of the API that is in use.
const Version = "2016-11-15"

// Namespace is the XML namespace of the answers.
const Namespace = "http://ec2.amazonaws.com/doc/" + Version + "/"

// Service is EC2.
func Service() operation.Service {
	read := func(prepare prepare) operation.Operation {
		return operation.Operation{ReadOnly: true, Prepare: prepare.ofRecognized}
	}
	write := func(prepare prepare) operation.Operation {
		return operation.Operation{Prepare: prepare.ofRecognized}
	}
	return operation.Service{
		Name: "ec2", Source: "ec2.amazonaws.com", Asks: asks,
		Operations: map[string]operation.Operation{
			"DescribeVpcs":                 read(describeVpcs),
			"DescribeSubnets":              read(describeSubnets),
			"DescribeNetworkAcls":          read(describeNetworkAcls),
			"DescribeVpcEndpoints":         read(describeVPCEndpoints),
			"DescribeNetworkInterfaces":    read(describeNetworkInterfaces),
			"DescribeTags":                 read(describeTags),
			"CreateNetworkAcl":             write(createNetworkACL),
			"DeleteNetworkAcl":             write(deleteNetworkACL),
			"CreateNetworkAclEntry":        write(createEntry),
			"ReplaceNetworkAclEntry":       write(replaceEntry),
			"DeleteNetworkAclEntry":        write(deleteEntry),
			"ReplaceNetworkAclAssociation": write(replaceAssociation),
			"CreateTags":                   write(createTags),
			"DeleteTags":                   write(deleteTags),
		},
	}
}

// prepare checks the parameters of an action.
type prepare func(*operation.Request) (operation.Effect, error)

// ofRecognized checks first that the action has the parameters.
func (p prepare) ofRecognized(req *operation.Request) (operation.Effect, error) {
	if err := checkRecognized(req.Call.Action, req.Form); err != nil {
		return operation.Effect{}, err
	}
	return p(req)
}

// done is the answer of operations that only say that they succeeded.
type done struct {
	Return bool `xml:"return"`
}

// succeed wraps a change that has no answer of its own.
func succeed(err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return done{Return: true}, nil
}

type tagXML struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

// Response is the document of an answer: <ActionResponse xmlns=…><requestId>…</requestId>…</ActionResponse>.
func Response(action, requestID string, body any) ([]byte, error) {
	if body == nil {
		body = struct{}{}
	}
	start := xml.StartElement{
		Name: xml.Name{Local: action + "Response"},
		Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: Namespace}},
	}
	var b bytes.Buffer
	if err := xml.NewEncoder(&b).EncodeElement(body, start); err != nil {
		return nil, err
	}
	head := len("<"+action+`Response xmlns="">`) + len(Namespace)
	out := bytes.NewBufferString(xml.Header)
	out.Write(b.Bytes()[:head])
	out.WriteString("<requestId>" + requestID + "</requestId>")
	out.Write(b.Bytes()[head:])
	return out.Bytes(), nil
}

// errorXML is the document of an error.
type errorXML struct {
	XMLName   xml.Name `xml:"Response"`
	Code      string   `xml:"Errors>Error>Code"`
	Message   string   `xml:"Errors>Error>Message"`
	RequestID string   `xml:"RequestID"`
}

// ErrorResponse is the document of an error.
func ErrorResponse(e *region.Error, requestID string) []byte {
	out, err := xml.Marshal(errorXML{Code: e.Code, Message: e.Message, RequestID: requestID})
	if err != nil {
		panic(err) // four strings always marshal
	}
	return append([]byte(xml.Header), out...)
}

// missing is the error for a parameter that isn't there.
func missing(name string) error {
	return region.Errorf("MissingParameter", "The request must contain the parameter %s", name)
}
