// Package bus is the contract of messages between the control plane and the
// gateways. It is never the system of record: what it carries can be sent
// again from the store, and every message is the latest whole state of its key.
package bus

import "context"

// The topics.
const (
	TopicRoute  = "route"  // control → gateways; key: endpoint; a fairlead.Route, empty data: the endpoint is gone
	TopicTokens = "tokens" // control → gateways; key: ""; the list of fairlead.Token
	TopicReport = "report" // gateways → control; key: gateway/endpoint; a fairlead.GatewayReport
)

// Message is the latest state of (Topic, Key).
type Message struct {
	Topic, Key string
	Data       []byte
}

// Bus carries messages. Delivery is at least once and in order per key; a
// newer message of a key may replace an undelivered older one.
type Bus interface {
	// Publish hands the message to every subscriber and keeps it for later ones.
	Publish(ctx context.Context, m Message) error
	// Subscribe calls f with the kept messages of the topic, then with each new
	// one, until stop is called. f must not block: it is called by Publish.
	Subscribe(topic string, f func(Message)) (stop func(), err error)
}
