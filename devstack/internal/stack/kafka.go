package stack

import (
	"fmt"
	"strings"
	"time"

	"github.com/steadfast-shop/steadfast/devstack/internal/apachekafka"
	"github.com/steadfast-shop/steadfast/devstack/internal/broker"
	"github.com/steadfast-shop/steadfast/devstack/internal/supervise"
)

// kafkaNode is one node of the broker, with the settings for its ports.
type kafkaNode struct{ name, port, controllerPort string }

func kafkaNodes() []kafkaNode {
	return []kafkaNode{
		{Kafka, kafkaPort, kafkaControllerPort},
		{Kafka2, kafka2Port, kafka2ControllerPort},
		{Kafka3, kafka3Port, kafka3ControllerPort},
	}
}

// ownKafkaNodes are those that run here; one if the broker is external, which we know nothing of.
func (p *Plan) ownKafkaNodes() []kafkaNode {
	if p.settings.External(Kafka) {
		return kafkaNodes()[:1]
	}
	return kafkaNodes()[:max(1, p.options.KafkaNodes)]
}

// kafkaNames are the names of the parts that the broker is made of.
func (p *Plan) kafkaNames() []string {
	var names []string
	for _, node := range p.ownKafkaNodes() {
		names = append(names, node.name)
	}
	return names
}

// kafka is the broker, a part for each node.
func (p *Plan) kafka() []supervise.Part {
	if !p.options.ApacheKafka {
		return []supervise.Part{p.embedded(Kafka, nil, time.Second, broker.Ready(p.settings.address(kafkaPort)), nil,
			"--port", p.port(kafkaPort), "--dir", p.dir(Kafka))}
	}
	nodes := p.ownKafkaNodes()
	cluster := &apachekafka.Cluster{Dir: p.dir("kafka-apache"), CacheDir: p.options.CacheDir, Run: p.options.Run}
	if len(nodes) > 1 {
		cluster.Dir += fmt.Sprintf("-%d", len(nodes))
	}
	var parts []supervise.Part
	for i, node := range nodes {
		cluster.Nodes = append(cluster.Nodes, apachekafka.Ports{Broker: p.settings.ports[node.port], Controller: p.settings.ports[node.controllerPort]})
		// A node needs a majority of them to hand over what it leads, so all are stopped at once.
		part := p.part(node.name, nil, 2*time.Second, apachekafka.Ready(cluster.Nodes[i].Broker))
		part.StopBeside = i > 0
		part.ReadyWithin = 10 * time.Minute // the first start downloads
		part.Command = cluster.Broker(i).Command
		parts = append(parts, part)
	}
	return parts
}

// kafkaAddresses are where the nodes of the broker are reached.
func (p *Plan) kafkaAddresses() []string {
	if p.settings.External(Kafka) {
		return []string{p.settings.env[kafkaServers]}
	}
	var addresses []string
	for _, node := range p.ownKafkaNodes() {
		addresses = append(addresses, p.settings.address(node.port))
	}
	return addresses
}

func (p *Plan) kafkaServers() string { return strings.Join(p.kafkaAddresses(), ",") }

// kafkaTopics says how many copies the services ask for: one on each node.
func (p *Plan) kafkaTopics(values map[string]string) {
	if nodes := len(p.ownKafkaNodes()); nodes > 1 {
		values[kafkaReplicas] = p.settings.valueOr(kafkaReplicas, fmt.Sprint(nodes))
	}
}
