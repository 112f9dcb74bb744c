// SPDX-License-Identifier: Apache-2.0

package sts

import (
	"bytes"
	"encoding/xml"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// Version is the only version of the API that is in use.
const Version = "2011-06-15"

const namespace = "https://sts.amazonaws.com/doc/" + Version + "/"

// Service is STS.
func Service() operation.Service {
	return operation.Service{
		Name: "sts", Source: "sts.amazonaws.com",
		Operations: map[string]operation.Operation{
			// No identity can be denied to ask who it is.
			"GetCallerIdentity": {ReadOnly: true, Open: true, Prepare: getCallerIdentity},
			"AssumeRole":        {ReadOnly: true, Prepare: assumeRole},
		},
	}
}

func getCallerIdentity(req *operation.Request) (operation.Effect, error) {
	return operation.Effect{Run: func() (any, error) {
		return struct {
			ARN     string `xml:"Arn"`
			UserID  string `xml:"UserId"`
			Account string `xml:"Account"`
		}{req.Identity.ARN, req.Identity.UserID(), req.Identity.Account}, nil
	}}, nil
}

// Response is the document of an answer.
func Response(action, requestID string, body any) ([]byte, error) {
	var result bytes.Buffer
	if err := xml.NewEncoder(&result).EncodeElement(body, xml.StartElement{Name: xml.Name{Local: action + "Result"}}); err != nil {
		return nil, err
	}
	return []byte("<" + action + `Response xmlns="` + namespace + `">` + result.String() +
		"<ResponseMetadata><RequestId>" + requestID + "</RequestId></ResponseMetadata></" + action + "Response>"), nil
}

type errorXML struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	NS        string   `xml:"xmlns,attr"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

// ErrorResponse is the document of an error. Other services of the query protocol have the same.
func ErrorResponse(e *region.Error, requestID string) []byte {
	kind := "Sender"
	if e.HTTPStatus >= 500 {
		kind = "Receiver"
	}
	out, err := xml.Marshal(errorXML{NS: namespace, Type: kind, Code: e.Code, Message: e.Message, RequestID: requestID})
	if err != nil {
		panic(err) // strings always marshal
	}
	return out
}
